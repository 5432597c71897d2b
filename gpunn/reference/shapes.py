"""What a case is: a geometry, and arrays of its own, seeded by its name, so that a failure repeats with that alone."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from gpunn.window import Window


class Case:
    """What all have: a name, and the generator of their arrays."""

    name: str

    def rng(self):
        return np.random.default_rng(crc32(self.name.encode()))

    def __str__(self):  # the pytest id
        return self.name


def _out(n, size, stride, padding, dilation, ceil_mode=False):
    span = n + 2 * padding - dilation * (size - 1) - 1
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= n + padding else out


@dataclass(frozen=True)
class ConvCase(Case):
    """x (N, C, *spatial), w (K, C/groups, *window); the rank is the length of `stride`."""

    name: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1
    bias: bool = True
    heavy: bool = False

    @property
    def y(self):
        spatial = zip(self.x[2:], self.w[2:], self.stride, self.padding, self.dilation, strict=True)
        return (self.x[0], self.w[0], *(_out(*one) for one in spatial))

    @property
    def size(self):
        return self.w[2:]

    @property
    def terms(self):
        """Length of the forward sum, C/groups * R * S."""
        return int(np.prod(self.w[1:]))

    @property
    def terms_grad_input(self):
        return self.w[0] // self.groups * int(np.prod(self.w[2:]))

    @property
    def terms_grad_weight(self):
        return self.y[0] * int(np.prod(self.y[2:]))

    @property
    def geometry(self):
        """The keyword arguments of naive.conv."""
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    def window(self):
        return Window(self.size, self.stride, self.padding, self.dilation)

    def arrays(self, dtype=np.float32):
        """x, w, b or None, gy."""
        rng = self.rng()
        x, w, b, gy = (rng.standard_normal(s).astype(dtype) for s in (self.x, self.w, self.w[:1], self.y))
        return x, w, b if self.bias else None, gy


@dataclass(frozen=True)
class PoolCase(Case):
    """x (N, C, H, W). dilation applies to max, count_include_pad to average; an average case has dilation 1."""

    name: str
    x: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    ceil_mode: bool = False
    count_include_pad: bool = True
    heavy: bool = False

    @property
    def y(self):
        spatial = zip(self.x[2:], self.size, self.stride, self.padding, self.dilation, strict=True)
        return (*self.x[:2], *(_out(*one, self.ceil_mode) for one in spatial))

    @property
    def average(self):
        """Average pooling has no dilation."""
        return self.dilation == (1, 1)

    def window(self):
        return Window(self.size, self.stride, self.padding, self.dilation)

    def arrays(self, dtype=np.float32):
        """x with ties (so that "the first maximum wins" is tested), gy."""
        rng = self.rng()
        x = np.round(rng.standard_normal(self.x) * 4) / 4
        return x.astype(dtype), rng.standard_normal(self.y).astype(dtype)


@dataclass(frozen=True)
class AdaptiveCase(Case):
    """Adaptive pooling of x (N, C, H, W) to `out`."""

    name: str
    x: tuple[int, ...]
    out: tuple[int, int]
    heavy: bool = False

    @property
    def y(self):
        return (*self.x[:2], *self.out)

    def arrays(self, dtype=np.float32):
        """x, gy."""
        rng = np.random.default_rng(sum(self.x) + sum(self.out))
        return rng.standard_normal(self.x).astype(dtype), rng.standard_normal(self.y).astype(dtype)


@dataclass(frozen=True)
class NormPoolCase(Case):
    """Pooling of x (N, C, *spatial) by the norm of order `power`; x has zeros, and below them numbers for 2 alone."""

    name: str
    x: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    power: float = 2.0
    ceil_mode: bool = False
    heavy: bool = False

    @property
    def y(self):
        spatial = zip(self.x[2:], self.size, self.stride, strict=True)
        return (*self.x[:2], *(_out(n, size, stride, 0, 1, self.ceil_mode) for n, size, stride in spatial))

    def window(self):
        return Window.of(self.size, self.stride, rank=len(self.size))

    def arrays(self, dtype=np.float32):
        """x, gy."""
        rng = self.rng()
        x = np.maximum(rng.standard_normal(self.x), -9 if self.power == 2 else 0)
        x[:1, :1] = 0
        return x.astype(dtype), rng.standard_normal(self.y).astype(dtype)


@dataclass(frozen=True)
class BatchNormCase(Case):
    """x (N, C, *spatial), any number of spatial dimensions."""

    name: str
    x: tuple[int, ...]
    affine: bool = True
    residual: bool = False
    relu: bool = False
    offset: float = 0.0  # mean far from 0 in units of the deviation: catches one-pass variances
    heavy: bool = False

    @property
    def terms(self):
        return self.x[0] * int(np.prod(self.x[2:]))

    def arrays(self, dtype=np.float32):
        """x, gamma or None, beta or None, residual or None, gy."""
        rng = self.rng()
        x = rng.standard_normal(self.x) * 2 + self.offset
        gamma, beta = rng.uniform(0.5, 1.5, self.x[1]), rng.standard_normal(self.x[1])
        residual, gy = rng.standard_normal(self.x), rng.standard_normal(self.x)
        x, gamma, beta, residual, gy = (a.astype(dtype) for a in (x, gamma, beta, residual, gy))
        return x, gamma if self.affine else None, beta if self.affine else None, residual if self.residual else None, gy
