"""The tasks of `gpunn verify`: for each case, the call of a twin and the oracle's answer to the same rounded arrays."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.backend import to_device
from gpunn.cuda import batch_norm, conv, pool
from gpunn.errors import DeviceError
from gpunn.reference import cases, naive
from gpunn.verify.dropout import drop_tasks
from gpunn.verify.loss import loss_tasks
from gpunn.verify.task import Give, Task, as_f64, orders

EPS = 1e-5


def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype; bfloat16 comes from ml_dtypes."""
    if name == "bfloat16":
        try:
            return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
        except ModuleNotFoundError as error:
            raise DeviceError("bfloat16 needs ml_dtypes; install it with `pip install ml_dtypes`") from error
    return np.dtype(name)


def tasks(device: str, dtype: str, light: bool = True) -> Iterator[Task]:
    """Every case of every operation, with arrays of this dtype on this device."""
    kind = numpy_dtype(dtype)

    def give(array: Any) -> Any:
        return None if array is None else to_device(array.astype(kind), device)

    def chosen(table: list) -> list:
        return cases.light(table) if light else table

    yield from conv_tasks("conv2d", chosen(cases.ALL_CONV2D), give)
    yield from conv_tasks("conv3d", chosen(cases.CONV3D), give)
    yield from pool_tasks(chosen(cases.ALL_POOL), cases.ADAPTIVE, give)
    yield from norm_tasks(chosen(cases.ALL_BATCHNORM), give)
    yield from loss_tasks(device, give)
    yield from drop_tasks(give)


def conv_tasks(family: str, table: list, give: Give) -> Iterator[Task]:
    for case in table:
        x, w, b, gy = (give(a) for a in case.arrays())
        yield from _conv_case(family, case, x, w, b, gy)


def _conv_case(family: str, case: Any, x: Any, w: Any, b: Any, gy: Any) -> Iterator[Task]:
    win, groups, how = case.window(), case.groups, case.geometry

    def want_forward() -> tuple:
        return ((naive.conv(as_f64(x), as_f64(w), as_f64(b), **how), case.terms, None),)

    def want_input() -> tuple:
        return ((naive.conv_grad_input(as_f64(gy), as_f64(w), x.shape, **how), case.terms_grad_input, None),)

    def want_weight() -> tuple:
        return ((naive.conv_grad_weight(as_f64(gy), as_f64(x), w.shape, **how), case.terms_grad_weight, None),)

    yield Task(f"{family}.forward", case.name, lambda: (conv.forward(x, w, b, win, groups),), want_forward)
    def want_bias() -> tuple:
        return ((naive.conv_grad_bias(as_f64(gy)), case.terms_grad_weight, None),)

    x_shape, w_shape = x.shape, w.shape
    yield Task(f"{family}.grad_input", case.name, lambda: (conv.grad_input(gy, w, x_shape, win, groups),), want_input)
    run_weight = lambda: (conv.grad_weight(gy, x, w_shape, win, groups),)  # noqa: E731
    yield Task(f"{family}.grad_weight", case.name, run_weight, want_weight)
    yield Task(f"{family}.grad_bias", case.name, lambda: (conv.grad_bias(gy),), want_bias)


def pool_tasks(table: list, adaptive: list, give: Give) -> Iterator[Task]:
    for case in table:
        x, gy = (give(a) for a in case.arrays())
        for (order, one), (_, above) in zip(orders(x), orders(gy), strict=True):
            yield from _max_case(case, case.name + order, one, above)
            if case.average:
                yield from _avg_case(case, case.name + order, one, above)
    for shape, out in adaptive:
        rng = np.random.default_rng(sum(shape) + sum(out))
        x, gy = give(rng.standard_normal(shape)), give(rng.standard_normal((*shape[:2], *out)))
        for (order, one), (_, above) in zip(orders(x), orders(gy), strict=True):
            yield from _adaptive_case(f"{shape} to {out}{order}", one, above, out)


def _max_case(case: Any, name: str, x: Any, gy: Any) -> Iterator[Task]:
    win = case.window()

    def oracle() -> tuple:
        return naive.max_pool(as_f64(x), case.size, case.stride, case.padding, case.dilation, case.ceil_mode)

    def want() -> tuple:
        y, window, _ = oracle()
        return (y, 1, None), (window, 1, None)

    def run_backward() -> tuple:
        _, index = pool.max_forward(x, win, case.ceil_mode)
        return (pool.max_backward(gy, index, x.shape, win),)

    def want_backward() -> tuple:
        return ((naive.max_pool_backward(as_f64(gy), oracle()[2], x.shape), win.positions, None),)

    yield Task("pool.max_forward", name, lambda: pool.max_forward(x, win, case.ceil_mode), want)
    yield Task("pool.max_backward", name, run_backward, want_backward)


def _avg_case(case: Any, name: str, x: Any, gy: Any) -> Iterator[Task]:
    win, how = case.window(), (case.ceil_mode, case.count_include_pad)
    geometry = (case.size, case.stride, case.padding, *how)

    def want() -> tuple:
        return ((naive.avg_pool(as_f64(x), *geometry), win.positions, None),)

    def want_backward() -> tuple:
        return ((naive.avg_pool_backward(as_f64(gy), x.shape, *geometry), win.positions, None),)

    yield Task("pool.avg_forward", name, lambda: (pool.avg_forward(x, win, *how),), want)
    yield Task("pool.avg_backward", name, lambda: (pool.avg_backward(gy, x.shape, win, *how),), want_backward)


def _adaptive_case(name: str, x: Any, gy: Any, out: tuple) -> Iterator[Task]:
    terms = x.shape[2] * x.shape[3]

    def want_max() -> tuple:
        y, plane = naive.adaptive_max_pool(as_f64(x), out)
        return (y, 1, None), (plane, 1, None)

    def run_max_backward() -> tuple:
        _, index = pool.adaptive_max_forward(x, out)
        return (pool.adaptive_max_backward(gy, index, x.shape),)

    def want_max_backward() -> tuple:
        _, plane = naive.adaptive_max_pool(as_f64(x), out)
        return ((naive.max_pool_backward(as_f64(gy), plane, x.shape), terms, None),)

    def want_avg() -> tuple:
        return ((naive.adaptive_avg_pool(as_f64(x), out), terms, None),)

    def want_avg_backward() -> tuple:
        return ((naive.adaptive_avg_pool_backward(as_f64(gy), x.shape), terms, None),)

    yield Task("pool.adaptive_avg_forward", name, lambda: (pool.adaptive_avg_forward(x, out),), want_avg)
    yield Task(
        "pool.adaptive_avg_backward", name, lambda: (pool.adaptive_avg_backward(gy, x.shape),), want_avg_backward
    )
    yield Task("pool.adaptive_max_forward", name, lambda: pool.adaptive_max_forward(x, out), want_max)
    yield Task("pool.adaptive_max_backward", name, run_max_backward, want_max_backward)


def norm_tasks(table: list, give: Give) -> Iterator[Task]:
    for case in table:
        x, gamma, beta, residual, gy = (give(a) for a in case.arrays())
        if gamma is not None and gamma.dtype.itemsize == 2:  # parameters of 16-bit storage are float32
            gamma, beta = gamma.astype(np.float32), beta.astype(np.float32)
        for (order, one), (_, above) in zip(orders(x), orders(gy), strict=True):
            yield from _norm_case(case, case.name + order, one, gamma, beta, residual, above)


def _norm_case(case: Any, name: str, x: Any, gamma: Any, beta: Any, extra: Any, gy: Any) -> Iterator[Task]:
    # The rounding of a mean far from 0 shows in every output, in units of the mean.
    loose = 1 + case.offset
    forward = (as_f64(gamma), as_f64(beta), EPS)

    def scaled(values: np.ndarray, by: float = 1.0) -> tuple:
        return values, case.terms, by * (float(np.max(np.abs(values), initial=0.0)) or 1.0)

    def want_train() -> tuple:
        y, mean, var = naive.batch_norm_train(as_f64(x), *forward, as_f64(extra), case.relu)
        return scaled(y, loose), scaled(mean), scaled(var, loose)

    yield Task(
        "batch_norm.train_forward",
        name,
        lambda: batch_norm.train_forward(x, gamma, beta, EPS, extra, case.relu),
        want_train,
    )
    y, mean, var = batch_norm.train_forward(x, gamma, beta, EPS, extra, case.relu)
    moments = as_f64(mean), as_f64(var)

    def want_eval() -> tuple:
        result = naive.batch_norm_eval(as_f64(x), as_f64(gamma), as_f64(beta), *moments, EPS, as_f64(extra), case.relu)
        return (scaled(result, loose),)

    yield Task(
        "batch_norm.eval_forward",
        name,
        lambda: (batch_norm.eval_forward(x, gamma, beta, mean, var, EPS, extra, case.relu),),
        want_eval,
    )
    passed = y if case.relu else None
    for training, run in ((True, batch_norm.train_backward), (False, batch_norm.eval_backward)):

        def want_backward(training: bool = training) -> tuple:
            return tuple(
                scaled(v, loose)
                for v in naive.batch_norm_backward(
                    as_f64(gy), as_f64(x), as_f64(gamma), *moments, EPS, training, as_f64(passed)
                )
            )

        yield Task(
            "batch_norm.backward",
            f"{name}, {'training' if training else 'evaluation'}",
            lambda run=run: run(gy, x, gamma, mean, var, EPS, passed),
            want_backward,
        )
