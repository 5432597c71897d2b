"""The tasks of `gpunn verify`: for each case, the call of a twin and the oracle's answer to the same rounded arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpunn.backend import to_numpy
from gpunn.cuda import batchnorm, conv2d, conv3d, pool2d
from gpunn.cuda.verify import Task, reference

Give = Callable[[Any], Any]
EPS = 1e-5


def _f64(array: Any) -> Any:
    return None if array is None else to_numpy(array).astype(np.float64)


def conv_tasks(family: str, cases: list, give: Give) -> Iterator[Task]:
    twin, naive = {"conv2d": conv2d, "conv3d": conv3d}[family], reference("naive")
    for case in cases:
        x, w, b, gy = (give(a) for a in case.arrays())
        yield from _conv_case(family, twin, naive, case, x, w, b, gy)


def _conv_case(family: str, twin: Any, naive: Any, case: Any, x: Any, w: Any, b: Any, gy: Any) -> Iterator[Task]:
    win, groups, how = case.window(), case.groups, case.geometry

    def want_forward() -> tuple:
        return ((naive.conv(_f64(x), _f64(w), _f64(b), **how), case.terms, None),)

    def want_input() -> tuple:
        return ((naive.conv_grad_input(_f64(gy), _f64(w), x.shape, **how), case.terms_grad_input, None),)

    def want_weight() -> tuple:
        return ((naive.conv_grad_weight(_f64(gy), _f64(x), w.shape, **how), case.terms_grad_weight, None),)

    yield Task(f"{family}.forward", case.name, lambda: (twin.forward(x, w, b, win, groups),), want_forward)
    def want_bias() -> tuple:
        return ((naive.conv_grad_bias(_f64(gy)), case.terms_grad_weight, None),)

    x_shape, w_shape = x.shape, w.shape
    yield Task(f"{family}.grad_input", case.name, lambda: (twin.grad_input(gy, w, x_shape, win, groups),), want_input)
    run_weight = lambda: (twin.grad_weight(gy, x, w_shape, win, groups),)  # noqa: E731
    yield Task(f"{family}.grad_weight", case.name, run_weight, want_weight)
    yield Task(f"{family}.grad_bias", case.name, lambda: (twin.grad_bias(gy),), want_bias)


def _orders(array: Any) -> Iterator[tuple[str, Any]]:
    """The array in both memory orders."""
    yield "", array
    order = (0, *range(2, array.ndim), 1)
    back = (0, array.ndim - 1, *range(1, array.ndim - 1))
    yield ", channels-last", array.transpose(order).copy(order="C").transpose(back)


def pool_tasks(cases: list, adaptive: list, give: Give) -> Iterator[Task]:
    naive = reference("naive")
    for case in cases:
        x, gy = (give(a) for a in case.arrays())
        for (order, one), (_, above) in zip(_orders(x), _orders(gy), strict=True):
            yield from _max_case(naive, case, case.name + order, one, above)
            if case.average:
                yield from _avg_case(naive, case, case.name + order, one, above)
    for shape, out in adaptive:
        rng = np.random.default_rng(sum(shape) + sum(out))
        x, gy = give(rng.standard_normal(shape)), give(rng.standard_normal((*shape[:2], *out)))
        for (order, one), (_, above) in zip(_orders(x), _orders(gy), strict=True):
            yield from _adaptive_case(naive, f"{shape} to {out}{order}", one, above, out)


def _max_case(naive: Any, case: Any, name: str, x: Any, gy: Any) -> Iterator[Task]:
    win = case.window()

    def oracle() -> tuple:
        return naive.max_pool(_f64(x), case.size, case.stride, case.padding, case.dilation, case.ceil_mode)

    def want() -> tuple:
        y, window, _ = oracle()
        return (y, 1, None), (window, 1, None)

    def run_backward() -> tuple:
        _, index = pool2d.max_forward(x, win, case.ceil_mode)
        return (pool2d.max_backward(gy, index, x.shape, win),)

    def want_backward() -> tuple:
        return ((naive.max_pool_backward(_f64(gy), oracle()[2], x.shape), win.positions, None),)

    yield Task("pool2d.max_forward", name, lambda: pool2d.max_forward(x, win, case.ceil_mode), want)
    yield Task("pool2d.max_backward", name, run_backward, want_backward)


def _avg_case(naive: Any, case: Any, name: str, x: Any, gy: Any) -> Iterator[Task]:
    win, how = case.window(), (case.ceil_mode, case.count_include_pad)
    geometry = (case.size, case.stride, case.padding, *how)

    def want() -> tuple:
        return ((naive.avg_pool(_f64(x), *geometry), win.positions, None),)

    def want_backward() -> tuple:
        return ((naive.avg_pool_backward(_f64(gy), x.shape, *geometry), win.positions, None),)

    yield Task("pool2d.avg_forward", name, lambda: (pool2d.avg_forward(x, win, *how),), want)
    yield Task("pool2d.avg_backward", name, lambda: (pool2d.avg_backward(gy, x.shape, win, *how),), want_backward)


def _adaptive_case(naive: Any, name: str, x: Any, gy: Any, out: tuple) -> Iterator[Task]:
    terms = x.shape[2] * x.shape[3]

    def want_max() -> tuple:
        y, plane = naive.adaptive_max_pool(_f64(x), out)
        return (y, 1, None), (plane, 1, None)

    def run_max_backward() -> tuple:
        _, index = pool2d.adaptive_max_forward(x, out)
        return (pool2d.adaptive_max_backward(gy, index, x.shape),)

    def want_max_backward() -> tuple:
        _, plane = naive.adaptive_max_pool(_f64(x), out)
        return ((naive.max_pool_backward(_f64(gy), plane, x.shape), terms, None),)

    def want_avg() -> tuple:
        return ((naive.adaptive_avg_pool(_f64(x), out), terms, None),)

    def want_avg_backward() -> tuple:
        return ((naive.adaptive_avg_pool_backward(_f64(gy), x.shape), terms, None),)

    yield Task("pool2d.adaptive_avg_forward", name, lambda: (pool2d.adaptive_avg_forward(x, out),), want_avg)
    yield Task(
        "pool2d.adaptive_avg_backward", name, lambda: (pool2d.adaptive_avg_backward(gy, x.shape),), want_avg_backward
    )
    yield Task("pool2d.adaptive_max_forward", name, lambda: pool2d.adaptive_max_forward(x, out), want_max)
    yield Task("pool2d.adaptive_max_backward", name, run_max_backward, want_max_backward)


def norm_tasks(cases: list, give: Give) -> Iterator[Task]:
    naive = reference("naive")
    for case in cases:
        x, gamma, beta, residual, gy = (give(a) for a in case.arrays())
        if gamma is not None and gamma.dtype.itemsize == 2:  # parameters of 16-bit storage are float32
            gamma, beta = gamma.astype(np.float32), beta.astype(np.float32)
        for (order, one), (_, above) in zip(_orders(x), _orders(gy), strict=True):
            yield from _norm_case(naive, case, case.name + order, one, gamma, beta, residual, above)


def _norm_case(naive: Any, case: Any, name: str, x: Any, gamma: Any, beta: Any, extra: Any, gy: Any) -> Iterator[Task]:
    # The rounding of a mean far from 0 shows in every output, in units of the mean.
    loose = 1 + case.offset
    forward = (_f64(gamma), _f64(beta), EPS)

    def scaled(values: np.ndarray, by: float = 1.0) -> tuple:
        return values, case.terms, by * (float(np.max(np.abs(values), initial=0.0)) or 1.0)

    def want_train() -> tuple:
        y, mean, var = naive.batch_norm_train(_f64(x), *forward, _f64(extra), case.relu)
        return scaled(y, loose), scaled(mean), scaled(var, loose)

    yield Task(
        "batchnorm.train_forward",
        name,
        lambda: batchnorm.train_forward(x, gamma, beta, EPS, extra, case.relu),
        want_train,
    )
    y, mean, var = batchnorm.train_forward(x, gamma, beta, EPS, extra, case.relu)
    moments = _f64(mean), _f64(var)

    def want_eval() -> tuple:
        result = naive.batch_norm_eval(_f64(x), _f64(gamma), _f64(beta), *moments, EPS, _f64(extra), case.relu)
        return (scaled(result, loose),)

    yield Task(
        "batchnorm.eval_forward",
        name,
        lambda: (batchnorm.eval_forward(x, gamma, beta, mean, var, EPS, extra, case.relu),),
        want_eval,
    )
    passed = y if case.relu else None
    for training, run in ((True, batchnorm.train_backward), (False, batchnorm.eval_backward)):

        def want_backward(training: bool = training) -> tuple:
            return tuple(
                scaled(v, loose)
                for v in naive.batch_norm_backward(
                    _f64(gy), _f64(x), _f64(gamma), *moments, EPS, training, _f64(passed)
                )
            )

        yield Task(
            "batchnorm.backward",
            f"{name}, {'training' if training else 'evaluation'}",
            lambda run=run: run(gy, x, gamma, mean, var, EPS, passed),
            want_backward,
        )
