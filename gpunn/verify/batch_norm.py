"""Tasks of `gpunn verify` for batch normalisation, whole and in the halves that other ranks may come between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from gpunn.backend import Array, twins
from gpunn.reference import naive
from gpunn.reference.shapes import BatchNormCase
from gpunn.verify.space import Beyond, Space, numbers
from gpunn.verify.task import Part, Task, as_f64, channels

EPS = 1e-5


def batch_norm_case(
    case: BatchNormCase,
    name: str,
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    extra: Array | None,
    gy: Array,
) -> Iterator[Task]:
    """A case in training, in evaluation, and its gradients in both."""
    # The rounding of a mean far from 0 shows in every output, in units of the mean.
    loose, norm = 1 + case.offset, twins(x).batch_norm
    forward = cache(lambda: norm.train_forward(x, gamma, beta, EPS, extra, case.relu))

    def moments() -> tuple[Array, Array]:
        return forward()[1:3]

    def running() -> tuple[Array, Array]:
        mean, rstd = moments()
        return mean, 1 / (rstd * rstd)

    def passed() -> Array | None:
        return forward()[0] if case.relu else None

    def scaled(values: np.ndarray, by: float = loose) -> tuple:
        finite = values[np.isfinite(values)]
        return values, case.terms, by * (float(np.max(np.abs(finite), initial=0.0)) or 1.0)

    def wide(part: Part, *arrays: Array | None) -> Iterator[Any]:
        return (as_f64(channels(array, part)) for array in arrays)

    def want_train(part: Part = None) -> tuple:
        xs, scale, shift, extras = wide(part, x, gamma, beta, extra)
        y, mean, var = naive.batch_norm_train(xs, scale, shift, EPS, extras, case.relu)
        return scaled(y), scaled(mean, 1.0), scaled((var + EPS) ** -0.5)

    def want_eval(part: Part = None) -> tuple:
        xs, scale, shift, middle, spread, extras = wide(part, x, gamma, beta, *running(), extra)
        return (scaled(naive.batch_norm_eval(xs, scale, shift, middle, spread, EPS, extras, case.relu)),)

    def want_backward(training: bool, part: Part = None) -> tuple:
        gys, xs, scale, middle, rstd, mask = wide(part, gy, x, gamma, *moments(), passed())
        values = naive.batch_norm_backward(gys, xs, scale, middle, rstd**-2.0, 0.0, training, mask)
        return tuple(scaled(v) for v in values)

    run_train = lambda: norm.train_forward(x, gamma, beta, EPS, extra, case.relu)[:3]  # noqa: E731
    yield Task("batch_norm.train_forward", name, run_train, want_train, channels)
    run_eval = lambda: (norm.eval_forward(x, gamma, beta, *running(), EPS, extra, case.relu),)  # noqa: E731
    yield Task("batch_norm.eval_forward", name, run_eval, want_eval, channels, forward)
    for training, run in ((True, norm.train_backward), (False, norm.eval_backward)):
        told = (lambda: forward()[3]) if training else passed  # what forward says of ReLU, and y itself
        yield Task(
            "batch_norm.backward",
            f"{name}, {'training' if training else 'evaluation'}",
            lambda run=run, told=told: run(gy, x, gamma, *moments(), told(), True, case.relu, beta),
            partial(want_backward, training),
            channels,
            forward,
        )
    if (case.relu and case.residual) or case.offset:  # all that these launches do, batch_norm's have shown above
        yield from _sync_case(name, x, gamma, beta, extra, gy, case.relu, want_train, partial(want_backward, True))


def _sync_case(
    name: str, x: Array, gamma: Array | None, beta: Array | None, extra: Array | None, gy: Array, relu: bool,
    want_forward: Callable[..., tuple], want_backward: Callable[..., tuple],
) -> Iterator[Task]:  # fmt: skip
    """The same by the passes that other ranks may come between, where there are none."""
    norm, count = twins(x).sync_batch_norm, x.size // x.shape[1]

    @cache
    def forward() -> tuple[Array, Array, Array, Array | None]:
        with np.errstate(invalid="ignore"):
            return norm.forward(x, gamma, beta, lambda mean, var: (mean, (var + EPS) ** -0.5), extra, relu)

    def run_forward() -> tuple:
        forward.cache_clear()
        return forward()[:3]

    def run_backward() -> tuple:
        _, mean, rstd, told = forward()
        means = lambda ggamma, gbeta: (ggamma / count, gbeta / count)  # noqa: E731
        return norm.backward(gy, x, gamma, mean, rstd, means, told, True, relu, beta)

    yield Task("sync_batch_norm.statistics", name, run_forward, want_forward, channels)
    yield Task("sync_batch_norm.sums", name, run_backward, want_backward, channels, forward)


def beyond_batch_norm(space: Space) -> Iterator[Beyond]:
    """x (2, 2^20 + 8, 32, 33), of which the last channels are not zero."""
    yield from _beyond(space, True, "channels-last")
    yield from _beyond(space, False, "row-major")


def _beyond(space: Space, channels_last: bool, order: str) -> Iterator[Beyond]:
    n, c, h, w, kept = 2, 2**20 + 8, 32, 33, 8
    below, more, above = (numbers(name, n, kept, h, w) for name in ("x", "residual", "gy"))
    mean, rstd = numbers("mean", kept).astype(np.float32), np.full(kept, 0.5, np.float32)
    var = 1 / rstd**2

    def spread(values: np.ndarray) -> Array:
        """An image or a number a channel, of the last channels."""
        if values.ndim == 1:
            made = space.zeros(c, dtype=values.dtype)
            made[-kept:] = space.give(values)
            return made
        made = space.zeros(n, h, w, c).transpose(0, 3, 1, 2) if channels_last else space.zeros(n, c, h, w)
        made[:, -kept:] = space.give(values)
        return made

    def ends(*found: Array | None) -> tuple:
        return tuple([one[-kept:] if one.ndim == 1 else one[:, -kept:] for one in found if one is not None])

    def train() -> tuple:
        x, residual = spread(below), spread(more)
        return ends(*space.twins.batch_norm.train_forward(x, None, None, EPS, residual, True)[:3])

    def evaluate() -> tuple:
        arrays = (spread(below), None, None, spread(mean), spread(var), EPS, spread(more), True)
        return ends(space.twins.batch_norm.eval_forward(*arrays))

    def backward() -> tuple:
        arrays = (spread(above), spread(below), None, spread(mean), spread(rstd), spread(more))
        return ends(*space.twins.batch_norm.train_backward(*arrays))

    def scaled(*values: np.ndarray) -> tuple:
        return tuple([(value, n * h * w, None) for value in values])

    def want_train() -> tuple:
        y, middle, variance = naive.batch_norm_train(below, None, None, EPS, more, True)
        return scaled(y, middle, (variance + EPS) ** -0.5)

    def want_eval() -> tuple:
        return scaled(naive.batch_norm_eval(below, None, None, mean, var, EPS, more, True))

    def want_backward() -> tuple:
        return scaled(*naive.batch_norm_backward(above, below, None, mean, var, 0.0, True, more))

    yield Beyond("batch_norm.train_forward", order, 15, kept, train, want_train)
    yield Beyond("batch_norm.eval_forward", order, 15, kept, evaluate, want_eval)
    yield Beyond("batch_norm.backward", order, 24, kept, backward, want_backward)
