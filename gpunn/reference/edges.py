"""Cases for `gpunn verify` alone: where kernels go wrong that are right everywhere else.

Parts of a split sum of which the last is empty or short, rows of the halo, overhanging windows, NaN and the infinities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpunn.reference.shapes import AdaptiveCase, BatchNormCase, ConvCase, PoolCase


def strewn(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """x with a tenth of its numbers NaN or infinite, and its first plane -inf."""
    kinds = rng.choice([0, np.nan, np.inf, -np.inf], x.shape, p=(0.85, 0.05, 0.05, 0.05))
    made = np.where(kinds == 0, x, kinds).astype(x.dtype)
    made[:1, :1] = -np.inf
    return made


@dataclass(frozen=True)
class StrewnConvCase(ConvCase):
    """A convolution of x with a NaN and two infinities, which no output sees but those whose window holds them."""

    def arrays(self, dtype=np.float32):
        x, *others = super().arrays(dtype)
        x[0, 0].flat[:2], x[-1, -1].flat[-1] = (np.nan, np.inf), -np.inf
        return x, *others


@dataclass(frozen=True)
class StrewnPoolCase(PoolCase):
    """A pooling of x with NaN and infinities."""

    def arrays(self, dtype=np.float32):
        x, gy = super().arrays(dtype)
        return strewn(self.rng(), x), gy


@dataclass(frozen=True)
class StrewnAdaptiveCase(AdaptiveCase):
    """An adaptive pooling of x with ties, NaN and infinities."""

    def arrays(self, dtype=np.float32):
        x, gy = super().arrays(dtype)
        return strewn(self.rng(), np.round(x)), gy


@dataclass(frozen=True)
class StrewnBatchNormCase(BatchNormCase):
    """A batch normalisation whose first channel has a NaN."""

    def arrays(self, dtype=np.float32):
        x, *others = super().arrays(dtype)
        x[0, 0] = np.nan
        return x, *others


@dataclass(frozen=True)
class TinyBatchNormCase(BatchNormCase):
    """A batch normalisation whose results are of the size of float16's least number, and mostly rounded to 0 there."""

    def arrays(self, dtype=np.float32):
        x, gamma, beta, *others = super().arrays(dtype)
        return x, np.full_like(gamma, 2.0**-24), np.zeros_like(beta), *others


def _depthwise(name, n, channels, plane, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    return ConvCase(name, (n, channels, *plane), (channels, 1, *size), stride, padding, dilation, channels)


CONV2D = [
    # A part of grad_weight holds 64 pixels (depthwise) or 256 and more: each is read once, by one part.
    _depthwise("depthwise, parts of uneven length", 37, 3, (5, 4), (2, 3), padding=(1, 1)),
    _depthwise("depthwise, last part empty", 4225, 3, (2, 2), (2, 2)),
    ConvCase("last part empty", (8705, 8, 1, 2), (8, 8, 1, 2)),
    ConvCase("parts of uneven length", (67, 3, 3, 4), (6, 3, 3, 2), padding=(1, 1)),
    ConvCase("dilation of one axis", (2, 6, 7, 8), (5, 6, 3, 2), padding=(1, 1), dilation=(2, 1)),
    ConvCase("groups, parts of uneven length", (67, 6, 3, 4), (6, 3, 3, 2), padding=(1, 1), groups=2),
    # The row below the last, the column right of it: in the next sample's memory, not in the padding.
    _depthwise("depthwise, even window", 3, 8, (5, 7), (4, 2), (1, 1), (2, 1)),
    _depthwise("depthwise, one row", 3, 7, (1, 9), (3, 2), padding=(1, 1)),
    _depthwise("depthwise, one column, dilated", 3, 16, (9, 1), (2, 3), (2, 1), (3, 2), (2, 1)),
    _depthwise("depthwise, stride 3, padding 2", 2, 33, (8, 7), (3, 4), (3, 3), (2, 2)),
    _depthwise("depthwise, more channels than a block", 1, 264, (2, 3), (3, 3), padding=(1, 1)),
    StrewnConvCase("NaN and infinities", (2, 3, 5, 4), (5, 3, 3, 2), padding=(1, 1)),
    StrewnConvCase("NaN and infinities, 16-byte channels", (2, 24, 5, 4), (40, 24, 2, 3), padding=(1, 2)),
    StrewnConvCase("depthwise, NaN and infinities", (2, 8, 5, 4), (8, 1, 3, 3), padding=(1, 1), groups=8),
    ConvCase("padding above stride", (3, 16, 5, 4), (16, 16, 3, 3), (2, 1), (3, 2)),
]

CONV3D = [
    StrewnConvCase(
        "3-D, NaN and infinities, 16-byte channels",
        *((1, 16, 3, 4, 5), (72, 16, 2, 2, 3), (1, 1, 2), (1, 0, 1), (1, 2, 1)),
    ),
    ConvCase(
        "3-D, 16-byte channels, several tiles",
        *((2, 24, 3, 5, 7), (80, 24, 2, 3, 1), (2, 1, 1), (0, 1, 0), (1, 1, 1)),  # planes of odd number in a stride
    ),
]

# Many pixels for parts of the weight's gradient, in which forward and grad_input would see nothing new for minutes.
OF_WEIGHT = ("depthwise, last part empty", "last part empty")

ENDINGS = {  # an activation behind the forward pass of some convolutions
    "all primes": "relu",
    "16-byte channels, groups, unequal": "tanh",
    "depthwise, 16-byte channels": "tanh",
    "3-D, unequal": "relu",
    "3-D, 16-byte channels": "tanh",
    "NaN and infinities, 16-byte channels": "relu",
    "NaN and infinities": "tanh",
}

POOL = [
    PoolCase("ceil, padded unequally", (2, 3, 7, 10), (4, 6), (3, 4), (1, 3), ceil_mode=True),
    PoolCase("dilated window outside the input", (2, 3, 1, 4), (2, 2), (1, 1), (1, 1), (2, 1)),
    StrewnPoolCase("NaN and infinities", (3, 5, 9, 8), (3, 2), (2, 1), (1, 1)),
    StrewnPoolCase("NaN and infinities, sixteen channels", (2, 16, 7, 6), (3, 3), (2, 2), (1, 0)),
    StrewnPoolCase("NaN and infinities, overlapping", (1, 16, 11, 7), (3, 3), (1, 1), (0, 1)),
]

ADAPTIVE = [
    StrewnAdaptiveCase("NaN and infinities to (4, 3)", (3, 8, 9, 7), (4, 3)),
    StrewnAdaptiveCase("NaN and infinities to (1, 1)", (3, 8, 5, 7), (1, 1)),
    AdaptiveCase("more channels than a block", (2, 67, 5, 9), (1, 1)),
    StrewnAdaptiveCase("NaN and infinities in parts", (1, 136, 8, 9), (1, 1)),
    AdaptiveCase("pixels in parts", (1, 136, 8, 14), (1, 1)),
    AdaptiveCase("more images than a block", (70, 3, 1, 2), (1, 1)),
]

BATCHNORM = [
    # In parts of 33 rows the last are empty: their mean is no mean.
    BatchNormCase("last parts empty", (3201, 128), offset=10.0),
    BatchNormCase("last part empty, 16 bits", (1089, 256), offset=10.0),
    BatchNormCase("parts of uneven length", (7, 5, 29, 53), offset=10.0),
    BatchNormCase("more parts than a warp merges", (67, 3, 17, 9), relu=True, offset=3.0),
    BatchNormCase("parts of 16-byte accesses", (9, 3, 44, 44), offset=3.0),
    BatchNormCase("columns of five packs", (3, 20, 9, 8), relu=True),
    BatchNormCase("signs, ten packs", (2, 40, 5, 9), residual=True, relu=True),
    BatchNormCase("signs, several columns of blocks", (2, 264, 3, 3), residual=True, relu=True),
    TinyBatchNormCase("below the least number, relu", (3, 8, 5, 4), relu=True),
    StrewnBatchNormCase("a NaN in one channel", (3, 8, 5, 4), residual=True),
    StrewnBatchNormCase("a NaN in one channel, signs", (3, 8, 5, 4), residual=True, relu=True),
    StrewnBatchNormCase("a NaN in one channel, relu", (3, 5, 2, 3), relu=True),
]
