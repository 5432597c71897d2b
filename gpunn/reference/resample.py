"""Two axes resampled, one product after another: the oracle of interpolation, and its cases."""

from dataclasses import dataclass

import numpy as np

from gpunn import taps


@dataclass(frozen=True)
class ResampleCase:
    """x (N, C, *sizes) by the taps of each axis; `backwards`: by those of the gradient."""

    name: str
    x: tuple
    axes: tuple
    backwards: bool = False
    channels_last: bool = False

    def image(self):
        return np.random.default_rng(self.x[-1]).standard_normal(self.x)

    def taps(self):
        return tuple([one.transposed if self.backwards else one for one in self.axes])

    @property
    def terms(self):
        return int(np.prod([one.most for one in self.taps()]))


TWICE = taps.nearest(5, 10, 2.0, False, False), taps.nearest(6, 12, 2.0, False, False)
LINEAR = taps.linear(5, 9, None, False), taps.linear(7, 4, None, True)
MEANS = taps.area(11, 3), taps.area(8, 5)
CUBIC = taps.cubic(4, 7, None, False), taps.antialiased(9, 4, None, False, True)
RESAMPLES = (
    ResampleCase("nearest", (2, 3, 5, 6), TWICE),
    ResampleCase("nearest, backwards", (2, 3, 10, 12), TWICE, True),
    ResampleCase("nearest, fewer", (1, 2, 7, 6), (taps.nearest(7, 3, None, True, False), TWICE[1])),
    ResampleCase("nearest, fewer, backwards", (1, 2, 3, 12), (taps.nearest(7, 3, None, True, False), TWICE[1]), True),
    ResampleCase("bilinear", (2, 3, 5, 7), LINEAR),
    ResampleCase("bilinear, channels-last", (2, 16, 5, 7), LINEAR, channels_last=True),
    ResampleCase("bilinear, channels-last, backwards", (2, 16, 9, 4), LINEAR, True, True),
    ResampleCase("bilinear, channels-last, odd", (1, 5, 5, 7), LINEAR, channels_last=True),
    ResampleCase("means", (2, 2, 11, 8), MEANS),
    ResampleCase("means, backwards", (2, 2, 3, 5), MEANS, True),
    ResampleCase("cubic, antialiased", (1, 3, 4, 9), CUBIC),
    ResampleCase("rows alone", (2, 2, 5, 8), (LINEAR[0], taps.same(8))),
    ResampleCase("columns alone", (2, 2, 8, 7), (taps.same(8), LINEAR[1])),
    ResampleCase("one axis", (2, 3, 7), (LINEAR[1],)),
    ResampleCase("three axes", (1, 2, 5, 5, 7), (LINEAR[0], *LINEAR)),
    ResampleCase("three axes, backwards", (1, 2, 9, 9, 4), (LINEAR[0], *LINEAR), True),
)


def resample(x, axes):
    """Each axis after the first two in its turn: y[i] = sum of weight[e] x[index[e]] over the e of i."""
    for axis, one in enumerate(axes, start=2):
        x = np.moveaxis(x, axis, 0)
        y = np.zeros((one.m, *x.shape[1:]))
        for i in range(one.m):
            for e in range(one.starts[i], one.starts[i + 1]):
                y[i] += (1 if one.weight is None else one.weight[e]) * x[one.index[e]]
        x = np.moveaxis(y, 0, axis)
    return x
