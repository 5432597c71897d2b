"""What each operation is asked on the cases of the shape table, in every storage type: problems, and no arrays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gpunn.cuda.device import EMULATOR
from gpunn.cuda.problem import Columns, Problem, Tensors
from gpunn.cuda.table import FEWEST_ROWS, most_rows
from gpunn.cuda.variants import Operation
from gpunn.verify import problems_planes as planes
from gpunn.verify import problems_products as products
from gpunn.verify import problems_rows as rows


def problems(operation: Operation, dtype: str, thorough: bool = True) -> Iterator[Problem]:
    """What an operation is asked on the cases of the shape table."""
    family, _, _ = operation.name.partition(".")
    if family == "optim":
        return (Tensors(dtype, True, length, 5000, 2) for length in _table_rows(operation, dtype, thorough))
    return (_ASKED.get(operation.name) or _ASKED[family])(dtype)


def _table_rows(operation: Operation, dtype: str, thorough: bool) -> Iterator[int]:
    """The lengths of table that are compiled, or the longest and the shortest of them."""
    length = most_rows(operation.variants[0].sources[0], dtype, EMULATOR)
    while length > FEWEST_ROWS:
        yield length
        length = length // 2 if thorough else FEWEST_ROWS
    yield FEWEST_ROWS


def _columns(dtype: str) -> Iterator[Problem]:
    yield Columns(dtype, True, 1000, 16)


_ASKED = {  # by the operation's name, or else its family's
    "conv2d": partial(products.convolutions, rank=2),
    "conv2d.grad_bias": _columns,
    "conv3d": partial(products.convolutions, rank=3),
    "conv3d.grad_bias": _columns,
    "conv_norm": products.normed_convolutions,
    "conv_pool": products.pooled_convolutions,
    "matmul": products.products,
    "linear": products.products,
    "linear.backward": products.backward_products,
    "pool": planes.poolings,
    "pool.adaptive_avg_forward": planes.adaptive,
    "pool.adaptive_avg_backward": planes.adaptive,
    "pool.adaptive_max_forward": planes.adaptive,
    "pool.adaptive_max_backward": planes.adaptive,
    "pool.norm_forward": planes.norm_pools,
    "pool.norm_backward": planes.norm_pools,
    "pool.places": planes.places,
    "pool.positions": planes.places,
    "pool.scatter": planes.scattered,
    "batch_norm": planes.norms,
    "sync_batch_norm": planes.norms,
    "group_norm": planes.groups,
    "group_norm.layer_forward": rows.rows,
    "group_norm.layer_backward": rows.rows,
    "local_response_norm": planes.lrns,
    "filter": planes.filters,
    "dropout": planes.drops,
    "resample": planes.resampled,
    "grid_sample": planes.sampled,
    "grid_sample.base": planes.bases,
    "data": planes.gathers,
    "softmax": rows.scores,
    "softmax.masked": rows.masked,
    "loss": rows.losses,
    "ctc_loss": rows.spellings,
    "activation": rows.activations,
    "elementwise.map": rows.maps,
    "elementwise.place": rows.frames,
    "reduce.axes": rows.reductions,
    "reduce.extreme": rows.reductions,
    "reduce.segment_sums": rows.segments,
    "indexing.rows": rows.numbers,
    "indexing.order": rows.ordered,
    "recurrent": rows.recurrent,
    "recurrent.layer_forward": rows.recurrent_layers,
    "recurrent.layer_backward": rows.recurrent_layers,
    "step": rows.steps,
}
