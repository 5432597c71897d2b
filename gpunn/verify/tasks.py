"""The tasks of `gpunn verify`: for each case, the call of a twin and the oracle's answer to the same rounded arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.asked import dtype_of
from gpunn.backend import to_device
from gpunn.reference import cases, edges
from gpunn.reference.shapes import AdaptiveCase, BatchNormCase, ConvCase, NormPoolCase, PoolCase
from gpunn.verify.batch_norm import batch_norm_case
from gpunn.verify.conv import conv_case
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
from gpunn.verify.task import CHANNELS_LAST, Task, placements

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
        yield from conv_case(case, name, *arrays)
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
        yield from batch_norm_case(case, name, x, gamma, beta, residual, gy)
