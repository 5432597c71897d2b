"""The tasks of `gpunn verify`: for each case, the call of a twin and the oracle's answer to the same rounded arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from gpunn.asked import dtype_of
from gpunn.backend import Array, to_device, twins
from gpunn.reference import activation, cases, edges, naive
from gpunn.reference.shapes import AdaptiveCase, BatchNormCase, ConvCase, NormPoolCase, PoolCase
from gpunn.verify.conv_norm import conv_norm_tasks
from gpunn.verify.conv_pool import conv_pool_tasks
from gpunn.verify.ctc_loss import ctc_tasks
from gpunn.verify.dropout import drop_tasks
from gpunn.verify.elementwise import activation_tasks
from gpunn.verify.filter import filter_tasks
from gpunn.verify.fold import fold_tasks
from gpunn.verify.gather import gather_tasks
from gpunn.verify.gradients import gradient_tasks
from gpunn.verify.grid_sample import grid_tasks
from gpunn.verify.group_norm import group_norm_tasks
from gpunn.verify.indexing import index_tasks
from gpunn.verify.local_response_norm import lrn_tasks
from gpunn.verify.loss import loss_tasks
from gpunn.verify.maps import map_tasks
from gpunn.verify.optim import optim_tasks
from gpunn.verify.pools import adaptive_case, norm_pool_case, pool_case, scatter_tasks
from gpunn.verify.products import product_tasks
from gpunn.verify.recurrent import recurrent_tasks
from gpunn.verify.recurrent_layer import layer_tasks
from gpunn.verify.reductions import reduction_tasks
from gpunn.verify.resample import resample_tasks
from gpunn.verify.running import running_tasks
from gpunn.verify.softmax import masked_tasks, softmax_tasks
from gpunn.verify.step import step_tasks
from gpunn.verify.task import CHANNELS_LAST, Part, Task, as_f64, channels, placements

EPS = 1e-5
SMALL = 8192  # elements of a case that is run off 16 bytes too


def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype, bfloat16's of ml_dtypes too."""
    return (dtype_of("bf16") if name == "bfloat16" else None) or np.dtype(name)


TF32 = "tf32"  # float32 arrays whose numbers are all TF32: exact in a product, whether it rounds them or cuts them off


def as_stored(dtype: str, array: np.ndarray) -> np.ndarray:
    """The array in a dtype, or in float32 numbers with ten bits of mantissa."""
    with np.errstate(over="ignore"):  # infinite where the type ends
        kept = array.astype(np.float32 if dtype == TF32 else numpy_dtype(dtype))
    if dtype != TF32:
        return kept
    bits = np.where(np.isnan(kept), kept.view(np.uint32), kept.view(np.uint32) & np.uint32(0xFFFFE000))
    return bits.astype(np.uint32).view(np.float32)


def tasks(device: str, dtype: str, light: bool = True) -> Iterator[Task]:
    """Every case of every operation, with arrays of this dtype on this device; "tf32": of those that multiply so."""

    def give(array: np.ndarray | None) -> Any:
        return None if array is None else to_device(as_stored(dtype, array), device)

    adaptive = [AdaptiveCase(f"{x} to {out}", x, out) for x, out in cases.ADAPTIVE]
    table = [*cases.ALL_CONV2D, *cases.CONV3D, *cases.ALL_POOL, *adaptive, *cases.NORM_POOL, *cases.ALL_BATCHNORM]
    table += [*edges.CONV2D, *edges.CONV3D, *edges.POOL, *edges.ADAPTIVE, *edges.BATCHNORM]
    if dtype == TF32:
        table = [*cases.ALL_CONV2D, *cases.CONV3D, *edges.CONV2D, *edges.CONV3D]
    for case in cases.light(table) if light else table:
        x, *others, gy = map(give, case.arrays())
        wide = x.shape[1] % 8 == gy.shape[1] % 8 == 0 and max(x.size, gy.size) <= SMALL
        for (order, one), (_, above) in zip(placements(x, wide), placements(gy, wide), strict=True):
            if isinstance(case, ConvCase) and order == CHANNELS_LAST:
                continue  # its operations make their arrays so themselves
            yield from of_case(case, one, *others, above, order=order)
    yield from conv_norm_tasks(device, give)
    if dtype == TF32:
        yield from product_tasks(give)
        return
    yield from running_tasks(device, give)
    yield from fold_tasks(give)
    yield from group_norm_tasks(give)
    yield from softmax_tasks(give)
    yield from masked_tasks(device, give)
    yield from lrn_tasks(give)
    yield from filter_tasks(give)
    yield from loss_tasks(device, give)
    yield from ctc_tasks(device, give)
    yield from drop_tasks(give)
    yield from optim_tasks(give)
    yield from activation_tasks(give)
    yield from map_tasks(give)
    yield from reduction_tasks(give)
    yield from recurrent_tasks(give)
    yield from layer_tasks(give)
    yield from conv_pool_tasks(give)
    yield from gradient_tasks(give)
    yield from index_tasks(device, dtype, give)
    yield from resample_tasks(give)
    yield from grid_tasks(give)
    yield from scatter_tasks(device, give)
    yield from gather_tasks(device, dtype, give)
    yield from product_tasks(give)
    yield from step_tasks(device)


def of_case(
    case: ConvCase | AdaptiveCase | NormPoolCase | PoolCase | BatchNormCase,
    *arrays: Any,
    order: str = "",
) -> Iterator[Task]:
    """The tasks of one case of the shape table on `case.arrays()`, given on any device, in any memory order."""
    name = case.name + order
    if isinstance(case, ConvCase):
        yield from _conv_case(f"conv{len(case.stride)}d", case, name, *arrays)
    elif isinstance(case, AdaptiveCase):
        yield from adaptive_case(case, name, *arrays)
    elif isinstance(case, NormPoolCase):
        yield from norm_pool_case(case, name, *arrays)
    elif isinstance(case, PoolCase):
        yield from pool_case(case, name, *arrays)
    else:
        x, gamma, beta, residual, gy = arrays
        if gamma is not None and gamma.dtype.itemsize == 2:  # parameters of 16-bit storage are float32
            gamma, beta = gamma.astype(np.float32), beta.astype(np.float32)
        yield from _norm_case(case, name, x, gamma, beta, residual, gy)


def _conv_case(
    family: str, case: ConvCase, name: str, x: Array, w: Array, b: Array | None, gy: Array
) -> Iterator[Task]:
    win, groups, how, conv = case.window(), case.groups, case.geometry, twins(x).conv

    def want_forward(beside: Array | None = None) -> tuple:
        return ((naive.conv(as_f64(x), as_f64(w), as_f64(b), **how, residual=as_f64(beside)), case.terms, None),)

    def want_input() -> tuple:
        return ((naive.conv_grad_input(as_f64(gy), as_f64(w), x.shape, **how), case.terms_grad_input, None),)

    def run_weight() -> tuple:
        gw, gb = conv.grad_weight(gy, x, w.shape, win, groups, case.bias)
        return (gw,) if gb is None else (gw, gb)

    def want_weight() -> tuple:
        gw = naive.conv_grad_weight(as_f64(gy), as_f64(x), w.shape, **how)
        return (gw, case.terms_grad_weight, None), *(want_bias() if case.bias else ())

    def want_bias() -> tuple:
        return ((naive.conv_grad_bias(as_f64(gy)), case.terms_grad_weight, None),)

    def want_ended(beside: Array | None) -> tuple:
        z, terms, _ = want_forward(beside)[0]
        return ((activation.value(ending, z), terms, float(np.max(np.abs(z[np.isfinite(z)])))),)

    yield Task(f"{family}.grad_weight", name, run_weight, want_weight)
    yield Task(f"{family}.grad_bias", name, lambda: (conv.grad_bias(gy),), want_bias)
    if case.name in edges.OF_WEIGHT:
        return
    x_shape, ending = x.shape, edges.ENDINGS.get(case.name)
    yield Task(f"{family}.forward", name, lambda: (conv.forward(x, w, b, win, groups),), want_forward)
    for beside, before in ((None, ""), (gy, ", residual")) if ending else ():
        run = partial(lambda beside: (conv.forward(x, w, b, win, groups, ending, beside),), beside)
        yield Task(f"{family}.forward", f"{name}{before}, then {ending}", run, partial(want_ended, beside))
    yield Task(f"{family}.grad_input", name, lambda: (conv.grad_input(gy, w, x_shape, win, groups),), want_input)


def _norm_case(
    case: BatchNormCase,
    name: str,
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    extra: Array | None,
    gy: Array,
) -> Iterator[Task]:
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
