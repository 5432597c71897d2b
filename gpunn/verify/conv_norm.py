"""The tasks of `gpunn verify` for convolutions that give batch normalisation its statistics.

Numbers are small integers: the convolution's result is exact in every storage type and order of sums, so that what is
left of an error is that of the statistics and of the pass that applies them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array, asarray, device_of, to_device, to_numpy, twins
from gpunn.reference import naive
from gpunn.verify.task import Give, Task, as_f64
from gpunn.window import Window

EPS, MOMENTUM, BATCHES = 1e-5, 0.25, 3  # 1 / (BATCHES + 1)
HUGE = 2.0**57  # times this, a variance fits in float32 and a sum of squares does not
FAR = 100.0  # a mean beside which the deviations are small


class Case(NamedTuple):
    """A convolution: x (N, C, H, W), filters, window, stride, groups; what is special about its numbers."""

    name: str
    x: tuple[int, int, int, int]
    filters: int
    size: int = 3
    stride: int = 1
    groups: int = 1
    special: str = ""

    @property
    def window(self) -> Window:
        return Window.of(self.size, self.stride, self.size // 2)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """x, w, bias, gamma, beta, residual."""
        rng, k = np.random.default_rng(len(self.name)), self.filters
        x = rng.integers(-1, 3, self.x).astype(np.float64)
        w = rng.integers(-1, 2, (k, self.x[1] // self.groups, self.size, self.size)).astype(np.float64)
        bias = np.full(k, FAR if self.special == "far" else 0.0)
        if self.special == "NaN":
            bias[1] = np.nan
        if self.special == "huge":
            w[::2] *= HUGE
        y = (self.x[0], k, *self.window.out(self.x[2:]))
        gamma, beta, residual = rng.standard_normal(k), rng.standard_normal(k), rng.standard_normal(y)
        return x, w, bias, gamma, beta, residual


CASES = (
    Case("groups, uneven tiles", (3, 16, 9, 7), 48, groups=2),
    Case("stride 2, a mean far from 0", (2, 8, 13, 11), 24, stride=2, special="far"),
    Case("one tile, 1x1", (1, 8, 3, 2), 8, size=1),
    Case("a NaN in one filter", (2, 8, 9, 9), 16, special="NaN"),
    Case("squares that overflow", (2, 8, 9, 9), 16, special="huge"),
    Case("parts in two rounds", (3, 8, 27, 27), 40, size=1, special="far"),
)


def conv_norm_tasks(device: str, give: Give) -> Iterator[Task]:
    """Every case with all that is optional, and the first without."""
    for case in CASES:
        if give(np.zeros(1)).dtype.name != "float16" or case.special != "huge":
            yield _task(case, case.name, device, give)
            if case.stride == 1 and case.special != "huge":
                yield from _backward_tasks(case, give)
    yield _task(CASES[0], f"{CASES[0].name}, nothing learned or kept", device, give, bare=True)


def _task(case: Case, name: str, device: str, give: Give, bare: bool = False) -> Task:
    x, w, bias, gamma, beta, residual = map(give, case.arrays())
    wide: Any = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    scale, shift, extra = (None, None, None) if bare else (gamma.astype(wide), beta.astype(wide), residual)
    relu, channels = not bare, case.filters

    def moved() -> tuple[Array, Array, Array]:
        mean, var = (to_device(np.full(channels, start, wide), device) for start in (0.5, 2.0))
        return mean, var, to_device(np.asarray(BATCHES), device)

    def run() -> tuple:
        mean, var, batches = moved()
        running = None if bare else (mean, var, None, batches)
        win, norm = case.window, (scale, shift, EPS, extra, relu, running)
        return *twins(x).conv_norm.train_forward(x, w, bias, win, case.groups, *norm)[:4], mean, var, batches

    def want() -> tuple:
        win = case.window
        z = naive.conv(as_f64(x), as_f64(w), as_f64(bias), win.stride, win.padding, win.dilation, case.groups)
        count, loose = z.size // channels, 1 + FAR * (case.special == "far")
        y, mean, var = naive.batch_norm_train(z, as_f64(scale), as_f64(shift), EPS, as_f64(extra), relu)
        step, ratio = (0.0 if bare else MOMENTUM), count / (count - 1)
        own = (1 - step) * 0.5 + step * mean, (1 - step) * 2.0 + step * var * ratio
        found = y, z, mean, (var + EPS) ** -0.5, *own
        sized = [(v, 0 if v is z else 4 * count, loose * (_largest(v) or 1.0)) for v in found]
        return *sized, (np.asarray(BATCHES + (not bare)), 0, None)

    return Task("conv_norm.train_forward", name, run, want)


def _backward_tasks(case: Case, give: Give) -> Iterator[Task]:
    """grad_input where x is batch norm's result, of z, after ReLU or not, and that norm's backward pass by its sums.

    Of x only the signs matter, so that it need not be what z would give.
    """
    x, w, *_ = case.arrays()
    rng, channels, win = np.random.default_rng(1), case.x[1], case.window
    gy = rng.integers(-2, 3, (case.x[0], case.filters, *win.out(case.x[2:]))).astype(np.float64)
    if case.special == "NaN":
        gy[0, 0, 0, 0] = np.nan
    y, w, gy, z = (give(a) for a in (x, w, gy, rng.integers(-4, 5, case.x) + float(case.special == "far") * FAR))
    wide: Any = np.dtype(np.float64 if y.dtype == np.float64 else np.float32)
    mean, rstd, gamma = (asarray(a.astype(wide), device=device_of(y)) for a in rng.uniform(0.5, 2, (3, channels)))
    conv, moments = twins(y).conv_norm, (as_f64(mean), as_f64(rstd) ** -2.0)
    gx = naive.conv_grad_input(as_f64(gy), as_f64(w), case.x, win.stride, win.padding, win.dilation, case.groups)
    count = gx.size // channels
    for passed, word in ((y, "relu"), (None, "no relu")):
        with np.errstate(invalid="ignore"):
            mask = None if passed is None else as_f64(passed)
            gz, ggamma, gbeta, g = naive.batch_norm_backward(gx, as_f64(z), as_f64(gamma), *moments, 0.0, True, mask)
        scale = (_largest(gx) or 1.0) * (_largest(to_numpy(z)) + 2) * 2
        sums = tuple([asarray(a.astype(wide), device=device_of(y)) for a in (ggamma, gbeta)])
        name, above = f"{case.name}, {word}", give(gx)

        def run(passed: Array | None = passed) -> tuple:
            found, sums = conv.grad_input(gy, w, case.x, win, case.groups, z, mean, rstd, passed)
            return found, *(sums or ())

        def want(ggamma: np.ndarray = ggamma, gbeta: np.ndarray = gbeta, scale: float = scale) -> tuple:
            return (gx, 0, None), (ggamma, 4 * count, scale), (gbeta, 4 * count, scale)

        def apply(above: Array = above, passed: Array | None = passed, sums: tuple = sums) -> tuple:
            made = conv.train_backward(above, z, gamma, mean, rstd, passed, True, sums)
            return made[0], made[3]

        def want_apply(gz: np.ndarray = gz, g: np.ndarray = g, scale: float = scale) -> tuple:
            return (gz, 64, scale * 4), (g, 0, None)

        yield Task("conv_norm.grad_input", name, run, want)
        yield Task("batch_norm.apply_backward", name, apply, want_apply)


def _largest(values: np.ndarray) -> float:
    return float(np.max(np.abs(values[np.isfinite(values)]), initial=0.0))
