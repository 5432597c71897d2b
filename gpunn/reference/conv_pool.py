"""A convolution, its activation and its pooling: the cases, and the oracle from those of the three."""

from dataclasses import dataclass, replace

import numpy as np

from gpunn.reference import activation as activations
from gpunn.reference import naive
from gpunn.reference.shapes import Case, ConvCase, PoolCase


@dataclass(frozen=True)
class ConvPoolCase(Case):
    """`kind` "max" or "avg" of pool, whose x is the convolution's y."""

    name: str
    conv: ConvCase
    activation: str | None
    kind: str
    pool: PoolCase
    broken: bool = False  # x has a NaN
    flat: bool = False

    def pooling(self):
        from gpunn.window import Pooling

        geometry = self.pool.window(), self.pool.ceil_mode, self.pool.count_include_pad
        return Pooling(self.kind, *geometry, self.flat)

    def arrays(self):
        """x, w, b or None: sums are exact in every storage type, many are equal, and half are below 0."""
        rng = self.rng()
        x, w, b = (rng.integers(-1, 2, s) for s in (self.conv.x, self.conv.w, self.conv.w[:1]))
        x = x / 1.0
        if self.broken:
            x[-1, -1, 2, 2] = np.nan
        return x, w / 8.0, b / 8.0 if self.conv.bias else None


def activated(name, z):
    """The activation of this name; None: none."""
    return activations.value(name, z) if name else z


def forward(case, x, w, b):
    """(y, a, index): what is pooled too, and where in its window a maximum is, else None."""
    a = activated(case.activation, naive.conv(x, w, b, **case.conv.geometry))
    pool = case.pool
    if case.kind == "max":
        y, index, _ = naive.max_pool(a, pool.size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)
    else:
        geometry = pool.size, pool.stride, pool.padding, pool.ceil_mode, pool.count_include_pad
        y, index = naive.avg_pool(a, *geometry), None
    return y.reshape(len(y), -1) if case.flat else y, a, index


def max_backward(gy, a, activation, pool):
    """The gradient at the convolution's output, of which the activation made a."""
    y, _, plane = naive.max_pool(a, pool.size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)
    return naive.max_pool_backward(gy * slope(activation, y), plane, a.shape)


def avg_backward(gy, a, activation, pool):
    """The same of a mean."""
    geometry = pool.size, pool.stride, pool.padding, pool.ceil_mode, pool.count_include_pad
    return naive.avg_pool_backward(gy, a.shape, *geometry) * slope(activation, a)


def slope(name, y):
    """The activation's slope by its result; of no activation 1."""
    return activations.slope_of_value(name, y) if name else np.ones(y.shape)


def _case(name, x, w, activation, kind, size, stride, padding=0, bias=True, broken=False, flat=False, **options):
    conv = ConvCase(name, x, w, padding=(padding,) * 2, bias=bias)
    return ConvPoolCase(name, conv, activation, kind, PoolCase(name, conv.y, size, stride, **options), broken, flat)


CONV_POOL = [
    _case("one output", (1, 1, 5, 5), (1, 1, 5, 5), "tanh", "avg", (1, 1), (1, 1)),
    _case("LeNet's first layer, small", (2, 1, 11, 9), (6, 1, 5, 5), "tanh", "avg", (2, 2), (2, 2), padding=2),
    _case("overlapping, several bands", (2, 3, 11, 9), (5, 3, 3, 3), "relu", "max", (3, 3), (2, 2), padding=1),
    _case("equal windows, odd plane", (2, 3, 9, 8), (5, 3, 3, 3), "relu", "max", (2, 2), (2, 2)),
    _case("no bias, no activation", (2, 3, 7, 8), (5, 3, 3, 3), None, "avg", (3, 2), (2, 3), padding=1, bias=False),
    _case("tanh before a maximum", (2, 3, 8, 8), (5, 3, 3, 3), "tanh", "max", (2, 3), (3, 2), padding=1),
    _case("gaps between windows", (2, 3, 12, 11), (5, 3, 3, 3), "relu", "avg", (1, 2), (3, 5), padding=2),
    _case("one window", (3, 3, 6, 5), (5, 3, 3, 3), "relu", "avg", (4, 3), (9, 9)),
    _case("a NaN wins", (2, 3, 9, 8), (5, 3, 3, 3), "relu", "max", (2, 2), (1, 2), broken=True),
    _case("empty batch", (0, 3, 6, 5), (5, 3, 3, 3), "relu", "max", (2, 2), (2, 2)),
    _case("unequal taps, many images", (70, 2, 12, 8), (13, 2, 2, 4), "tanh", "avg", (2, 2), (2, 2)),
    _case("unequal taps, many images, maxima", (70, 2, 12, 8), (13, 2, 2, 4), "relu", "max", (3, 2), (2, 1)),
    _case("flat maxima", (2, 3, 9, 8), (5, 3, 3, 3), "relu", "max", (2, 2), (2, 2), flat=True),
    _case("flat means", (2, 3, 11, 9), (5, 3, 3, 3), "tanh", "avg", (3, 2), (2, 2), padding=1, flat=True),
    _case("a window hangs over", (2, 3, 8, 8), (5, 3, 3, 3), "relu", "max", (3, 3), (2, 2), 1, ceil_mode=True),
]
NETWORK_CONV_POOLS = [  # their launches are planned and compiled, not run
    _case("lenet5 conv1", (64, 1, 28, 28), (6, 1, 5, 5), "tanh", "avg", (2, 2), (2, 2), padding=2),
    _case("lenet5 conv2", (64, 6, 14, 14), (16, 6, 5, 5), "tanh", "avg", (2, 2), (2, 2)),
    _case("lenet 20-50-500 conv1", (64, 1, 28, 28), (20, 1, 5, 5), "relu", "max", (2, 2), (2, 2)),
    _case("lenet 20-50-500 conv2", (64, 20, 12, 12), (50, 20, 5, 5), "relu", "max", (2, 2), (2, 2)),
    _case("alexnet-lite conv1", (256, 3, 32, 32), (32, 3, 5, 5), "relu", "max", (3, 3), (2, 2), padding=2),
]
# Poolings behind an activation, backward.
LED_BACK = ("2x2, odd input, ceil", "3x3, stride 2, padded", "overlapping", "sixteen channels", "empty batch")
LED_BACK += ("ceil, padded, real cells only", "stride beyond window")


def pools_behind(table):
    """The poolings of LED_BACK, each with an activation before it."""
    for case in table:
        if case.name in LED_BACK:
            for name in ("relu", "tanh"):
                yield name, replace(case, name=f"{case.name}, {name}")
