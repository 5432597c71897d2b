"""The layers that `python -m bench cpu --layers` times, on shapes of real networks, in words of either library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Make = Callable[[Any], Callable[..., Any]]  # from the library, gpunn or torch, to a layer or a function of arrays


@dataclass(frozen=True)
class Layer:
    """A layer on arrays of `shapes`, of which the first `learned` get a gradient.

    kinds: of each array's numbers, by a letter: n normal, u from 0 to 1, i whole numbers below `below`, s signs.
    random: it draws numbers of its own, so that values are compared in evaluation mode.
    """

    name: str
    make: Make
    shapes: str
    kinds: str = "n"
    learned: int = 1
    below: int = 2
    random: bool = False

    def arrays(self, seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        draws: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
            "n": lambda shape: rng.standard_normal(shape, np.float32),
            "u": lambda shape: rng.random(shape, np.float32) * np.float32(0.98) + np.float32(0.01),
            "i": lambda shape: rng.integers(1, self.below, shape),
            "s": lambda shape: rng.integers(0, 2, shape).astype(np.float32) * 2 - 1,
        }
        shapes = [tuple(map(int, shape.split("x"))) for shape in self.shapes.split()]
        return [draws[kind](shape) for kind, shape in zip(self.kinds, shapes, strict=True)]


def _plain(names: str, shapes: str, kinds: str = "n", learned: int = 1, below: int = 2) -> list[Layer]:
    """Layers that take no arguments."""
    return [
        Layer(name, lambda lib, name=name: getattr(lib.nn, name)(), shapes, kinds, learned, below)
        for name in names.split()
    ]


def _interpolated(mode: str, shape: str) -> Layer:
    return Layer(
        f"Upsample {mode}", lambda lib: lambda x: lib.nn.functional.interpolate(x, scale_factor=2, mode=mode), shape
    )


def _reading(names: str) -> list[Layer]:
    """Two recurrent layers, both ways, over 64 sequences; of their results y."""

    def make(lib: Any, name: str) -> Any:
        class Reading(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = getattr(lib.nn, name)(128, 128, 2, bidirectional=True)

            def forward(self, x: Any) -> Any:
                return self.layer(x)[0]

        return Reading()

    return [Layer(name, lambda lib, name=name: make(lib, name), "32x64x128") for name in names.split()]


def _unpooled(lib: Any) -> Callable[..., Any]:
    """SegNet's pair, the pooling's places taken back."""
    pool, unpool = lib.nn.MaxPool2d(2, return_indices=True), lib.nn.MaxUnpool2d(2)
    return lambda x: unpool(*pool(x))


def _ctc(lib: Any) -> Callable[..., Any]:
    loss = lib.nn.CTCLoss()

    def call(x: Any, targets: Any) -> Any:
        steps, count = x.shape[:2]
        return loss(x.log_softmax(2), targets, (steps,) * count, (targets.shape[1],) * count)

    return call


ACTIVATIONS = "ReLU6 SELU CELU Mish Hardswish Hardsigmoid Hardtanh LogSigmoid Softsign Tanhshrink Softshrink Hardshrink"
LAYERS = [
    *_plain(ACTIVATIONS, "8x64x56x56"),
    Layer("Threshold", lambda lib: lib.nn.Threshold(0.1, 20.0), "8x64x56x56"),
    Layer("GLU", lambda lib: lib.nn.GLU(1), "16x512x400"),
    Layer("Softmin", lambda lib: lib.nn.Softmin(1), "256x1000"),
    Layer("BCELoss", lambda lib: _with_sigmoid(lib), "128x784 128x784", "nu"),
    *_plain("SmoothL1Loss HuberLoss", "4096x4 4096x4", "nn"),
    *_plain("PoissonNLLLoss SoftMarginLoss", "256x1000 256x1000", "nu"),
    Layer("KLDivLoss", lambda lib: _divergence(lib), "256x1000 256x1000", "nu"),
    Layer("GaussianNLLLoss", lambda lib: lib.nn.GaussianNLLLoss(), "256x1000 256x1000 256x1000", "nnu", 3),
    *_plain("MultiLabelSoftMarginLoss", "256x80 256x80", "nu"),
    *_plain("MultiMarginLoss", "256x1000 256", "ni", below=1000),
    *_plain("HingeEmbeddingLoss", "65536 65536", "ns"),
    *_plain("MarginRankingLoss", "65536 65536 65536", "nns", 2),
    *_plain("CosineEmbeddingLoss", "256x512 256x512 256", "nns", 2),
    *_plain("TripletMarginLoss", "256x512 256x512 256x512", "nnn", 3),
    Layer("CTCLoss", _ctc, "150x16x29 16x30", "ni", below=29),
    Layer("Embedding", lambda lib: lib.nn.Embedding(30000, 512), "32x128", "i", 0, below=30000),
    Layer("ConvTranspose1d", lambda lib: lib.nn.ConvTranspose1d(256, 128, 16, 8, 4), "8x256x64"),
    Layer("ConvTranspose3d", lambda lib: lib.nn.ConvTranspose3d(64, 32, 2, 2), "2x64x16x16x16"),
    Layer("MaxPool1d", lambda lib: lib.nn.MaxPool1d(4), "16x64x4000"),
    Layer("AvgPool1d", lambda lib: lib.nn.AvgPool1d(4), "16x64x4000"),
    Layer("AdaptiveAvgPool1d", lambda lib: lib.nn.AdaptiveAvgPool1d(1), "16x256x500"),
    Layer("AdaptiveMaxPool1d", lambda lib: lib.nn.AdaptiveMaxPool1d(1), "16x256x500"),
    Layer("MaxPool3d", lambda lib: lib.nn.MaxPool3d(2), "2x32x16x56x56"),
    Layer("AvgPool3d", lambda lib: lib.nn.AvgPool3d(2), "2x32x16x56x56"),
    Layer("AdaptiveAvgPool3d", lambda lib: lib.nn.AdaptiveAvgPool3d(1), "4x256x4x14x14"),
    Layer("AdaptiveMaxPool3d", lambda lib: lib.nn.AdaptiveMaxPool3d(1), "4x256x4x14x14"),
    Layer("MaxUnpool2d", _unpooled, "4x64x112x112"),
    Layer("LPPool2d", lambda lib: lib.nn.LPPool2d(2, 2), "4x64x56x56"),
    Layer("RMSNorm", lambda lib: lib.nn.RMSNorm(768), "8x256x768"),
    Layer("InstanceNorm3d", lambda lib: lib.nn.InstanceNorm3d(32), "1x32x32x64x64"),
    Layer("Dropout1d", lambda lib: lib.nn.Dropout1d(0.2), "16x256x400", random=True),
    Layer("Dropout3d", lambda lib: lib.nn.Dropout3d(0.2), "2x64x16x28x28", random=True),
    Layer("AlphaDropout", lambda lib: lib.nn.AlphaDropout(0.1), "512x2048", random=True),
    Layer("PixelShuffle", lambda lib: lib.nn.PixelShuffle(2), "4x256x64x64"),
    Layer("PixelUnshuffle", lambda lib: lib.nn.PixelUnshuffle(2), "4x64x128x128"),
    Layer("ChannelShuffle", lambda lib: lib.nn.ChannelShuffle(2), "16x116x28x28"),
    Layer("Unfold", lambda lib: lib.nn.Unfold(3, padding=1), "4x64x56x56"),
    Layer("Fold", lambda lib: lib.nn.Fold((56, 56), 3, padding=1), "4x576x3136"),
    _interpolated("bicubic", "4x32x64x64"),
    _interpolated("nearest-exact", "4x64x64x64"),
    _interpolated("linear", "16x64x1000"),
    _interpolated("trilinear", "1x32x16x32x32"),
    _interpolated("area", "4x64x64x64"),
    Layer("grid_sample", lambda lib: lambda x, grid: lib.nn.functional.grid_sample(x, grid, align_corners=False),
          "8x64x56x56 8x56x56x2", "nu", 2),
    Layer("affine_grid", lambda lib: lambda theta: lib.nn.functional.affine_grid(theta, (16, 3, 224, 224), False),
          "16x2x3"),
    Layer("normalize", lambda lib: lib.nn.functional.normalize, "1024x512"),
    *_plain("CosineSimilarity PairwiseDistance", "1024x512 1024x512", "nn", 2),
    Layer("Bilinear", lambda lib: lib.nn.Bilinear(128, 128, 64), "256x128 256x128", "nn", 2),
    Layer("scaled_dot_product_attention", lambda lib: lib.nn.functional.scaled_dot_product_attention,
          "8x12x197x64 8x12x197x64 8x12x197x64", "nnn", 3),
    *_reading("RNN LSTM GRU"),
    Layer("MultiheadAttention", lambda lib: _attending(lib), "8x197x768"),
    Layer("TransformerEncoderLayer", lambda lib: lib.nn.TransformerEncoderLayer(512, 8, 2048, 0.0, batch_first=True),
          "8x128x512"),
    Layer("TransformerDecoderLayer", lambda lib: lib.nn.TransformerDecoderLayer(512, 8, 2048, 0.0, batch_first=True),
          "4x128x512 4x128x512", "nn", 2),
]  # fmt: skip


def _with_sigmoid(lib: Any) -> Callable[..., Any]:
    loss = lib.nn.BCELoss()
    return lambda x, target: loss(x.sigmoid(), target)


def _divergence(lib: Any) -> Callable[..., Any]:
    loss = lib.nn.KLDivLoss(reduction="batchmean")
    return lambda x, target: loss(x.log_softmax(1), target)


def _attending(lib: Any) -> Any:
    """ViT-B's, whose call takes one array."""

    class Attending(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = lib.nn.MultiheadAttention(768, 12, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.attention(x, x, x, need_weights=False)[0]

    return Attending()
