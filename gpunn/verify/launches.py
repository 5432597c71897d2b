"""Every build of every kernel: the macros that the variants' plans give it over the shape table, in every storage type.

Plans are pure, so that this takes no array, no compiler and no device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import gpunn.cuda  # noqa: F401  (its modules fill the table of operations)
from gpunn.cuda import elementwise, source
from gpunn.cuda.activation import Elements
from gpunn.cuda.adaptive_variants import Adaptive
from gpunn.cuda.conv_norm_variants import ConvNorm
from gpunn.cuda.conv_pool_variants import ConvPool
from gpunn.cuda.ctc_loss import Ctc
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.dropout import Drop
from gpunn.cuda.dtypes import FUNCTIONS, STORAGE, storage_macros
from gpunn.cuda.filter import Filter
from gpunn.cuda.gather import Gather
from gpunn.cuda.grid_sample import Base, Sampled
from gpunn.cuda.local_response_norm import Channels
from gpunn.cuda.masked_softmax import Masked
from gpunn.cuda.norm_pool import NormPool
from gpunn.cuda.pool_places import Places, Planes
from gpunn.cuda.problem import (
    Columns,
    Conv,
    Frame,
    Groups,
    Labels,
    Map,
    Norm,
    Numbers,
    Pool,
    Problem,
    Reduction,
    Rows,
    Tensors,
)
from gpunn.cuda.products import LinearBackward, Product, Side
from gpunn.cuda.recurrent_persistent import Layer
from gpunn.cuda.recurrent_steps import Recurrent
from gpunn.cuda.reduce import Segments
from gpunn.cuda.resample import Resampled
from gpunn.cuda.softmax import Scores
from gpunn.cuda.step import Replay
from gpunn.cuda.table import FEWEST_ROWS, most_rows
from gpunn.cuda.variants import OPERATIONS, Operation
from gpunn.reference import cases
from gpunn.reference.conv_pool import CONV_POOL, NETWORK_CONV_POOLS
from gpunn.reference.dropout import DROPOUTS
from gpunn.reference.filter import FILTERS
from gpunn.reference.group_norm import GROUPS, LAYERS
from gpunn.reference.local_response_norm import LRNS
from gpunn.reference.loss import LOSSES
from gpunn.reference.softmax import SOFTMAXES

Macros = dict[str, object]
Build = tuple[str, str, Macros]  # kernel, storage type, macros
BOTH = (True, False)


def builds(thorough: bool = True) -> Iterator[Build]:
    """All sets of float32, the widest of the other types; with ``thorough`` all of these too, and every table.

    The widest has channels-last memory, the widest accesses, the largest tile and table. Of tensor cores' the largest
    tile of each precision, with and without what else it gives: a tile takes the compiler seconds.
    """
    for name, found in _by_kernel(thorough).items():
        for dtype, sets in found.items():
            alike: dict[tuple, list[Macros]] = {}
            for macros in sets:
                alike.setdefault(tuple(map(macros.get, ("PRECISION", "MOMENTS", "SLOPES"))), []).append(macros)
            for (precision, *_), kin in alike.items():
                whole = thorough or (dtype == "float32" and precision is None)
                yield from ((name, dtype, macros) for macros in (kin if whole else [max(kin, key=_width)]))


def _width(macros: Macros) -> list[int]:
    """By which sets are told apart: on tensor cores by the size of the tile."""
    if "PRECISION" in macros:
        return [math.prod(int(str(macros[side])) for side in ("BM", "BN") if side in macros)]
    return [n for _, n in sorted(macros.items()) if isinstance(n, int)]


def _by_kernel(thorough: bool) -> dict[str, dict[str, list[Macros]]]:
    """kernel -> storage type -> macro sets."""
    found: dict[str, dict[str, list[Macros]]] = {name: {} for name in source.names()}
    for dtype in STORAGE:
        for name, macros in _planned(dtype, thorough):
            sets = found[name].setdefault(dtype, [])
            if macros not in sets:
                sets.append(macros)
    return found


def _planned(dtype: str, thorough: bool) -> Iterator[tuple[str, Macros]]:
    for operation in OPERATIONS.values():
        for problem in problems(operation, dtype, thorough):
            for variant in operation.variants:
                if variant.refusal(problem):
                    continue
                launches = variant.plan(problem)
                yield from ((launch.kernel, dict(launch.macros)) for launch in launches)
                alone = set(variant.sources) - {launch.kernel for launch in launches}  # launched by itself, afterwards
                for name in sorted(alone) if launches else ():  # or by plans of its own
                    yield name, {**storage_macros(dtype)}


def problems(operation: Operation, dtype: str, thorough: bool = True) -> Iterator[Problem]:
    """What an operation is asked on the cases of the shape table."""
    family, _, name = operation.name.partition(".")
    if name == "grad_bias":
        yield Columns(dtype, True, 1000, 16)
    elif family in ("conv2d", "conv3d"):
        yield from _convolutions(dtype, int(family[4]))
    elif family == "conv_pool":
        yield from _pooled_convolutions(dtype)
    elif operation.name in ("pool.places", "pool.positions"):
        yield from _places(dtype)
    elif operation.name.startswith("pool.norm"):
        yield from _norm_pools(dtype)
    elif family == "pool" and operation.name not in _OTHERS:
        yield from _adaptive(dtype) if name.startswith("adaptive") else _poolings(dtype)
    elif operation.name == "linear.backward":
        yield from _backward_products(dtype)
    elif operation.name in ("reduce.axes", "reduce.extreme"):
        yield from _reductions(dtype)
    elif operation.name == "elementwise.place":
        yield from _frames(dtype)
    elif family in ("matmul", "linear"):
        yield from _products(dtype)
    elif family == "optim":
        yield from (Tensors(dtype, True, rows, 5000, 2) for rows in _table_rows(operation, dtype, thorough))
    else:
        yield from _OTHERS.get(operation.name, _OTHERS.get(family, _segments))(dtype)


def _normed_convolutions(dtype: str) -> Iterator[Problem]:
    return (ConvNorm(**vars(job)) for job in _convolutions(dtype, 2))


def _convolutions(dtype: str, rank: int) -> Iterator[Problem]:
    for case, aligned in product(cases.light([*cases.ALL_CONV2D, *cases.CONV3D]), BOTH):
        for precision in _precisions(dtype) if len(case.stride) == rank else ():
            yield Conv(dtype, aligned, case.x, case.w, case.y, case.window(), case.groups, precision=precision)


def _pooled_convolutions(dtype: str) -> Iterator[Problem]:
    for case in [*CONV_POOL, *NETWORK_CONV_POOLS]:
        conv = case.conv
        how = conv.x, conv.w, conv.y, conv.window(), conv.groups
        yield ConvPool(dtype, True, *how, activation=case.activation, pool=case.pooling(), wanted=True)


def _poolings(dtype: str) -> Iterator[Problem]:
    for nhwc, aligned, case in product(BOTH, BOTH, cases.ALL_POOL):
        (n, c, h, w), (r, s), (p, q) = case.x, case.size, case.y[2:]
        yield Pool(dtype, aligned, n, c, h, w, r, s, p, q, case.window(), nhwc, case.count_include_pad)


def _adaptive(dtype: str) -> Iterator[Problem]:
    for nhwc, aligned, (x, out), wanted in product(BOTH, BOTH, cases.ADAPTIVE, BOTH):
        yield Adaptive(dtype, aligned, x, out, nhwc, wanted)


def _norm_pools(dtype: str) -> Iterator[Problem]:
    for nhwc, aligned, case in product(BOTH, BOTH, cases.NORM_POOL):
        yield NormPool(dtype, aligned, case.x, case.y[2:], case.window(), nhwc, case.power)


def _places(dtype: str) -> Iterator[Problem]:
    for nhwc, width in product(BOTH, (1, 2, 4) if dtype == "float32" else ()):
        for place in ("int64", "int32"):
            yield Places(dtype, True, (1, 1, 4, 4), (2, 2), nhwc, width=width, place=place)


def _scattered(dtype: str) -> Iterator[Problem]:
    for nhwc, outputs, place in product(BOTH, (4, 400), ("int64", "int32")):
        yield Planes(dtype, True, 2, 3, 40 * outputs, outputs, nhwc, place)


def _norms(dtype: str) -> Iterator[Problem]:
    for case, nhwc, aligned in product(cases.ALL_BATCHNORM, BOTH, BOTH):
        n, c, *spatial = case.x
        yield Norm(dtype, aligned, n, c, math.prod(spatial), nhwc, 1e-5, int(case.relu), 1)


def _rows(dtype: str) -> Iterator[Problem]:
    for case, aligned in product(LAYERS, BOTH):
        if case.x[0]:
            yield Rows(dtype, aligned, case.x[0], case.x[1], 1e-5, case.affine)


def _groups(dtype: str) -> Iterator[Problem]:
    for case, aligned, nhwc in product(GROUPS, BOTH, BOTH):
        n, c, *spatial = case.x
        if n:
            yield Groups(dtype, aligned, n, c, math.prod(spatial), case.groups, nhwc, 1e-5, case.affine)


def _lrns(dtype: str) -> Iterator[Problem]:
    for case, aligned, nhwc in product(LRNS, BOTH, BOTH):
        n, c, *spatial = case.x
        if n:
            yield Channels(dtype, aligned, n, c, math.prod(spatial), nhwc, case.size // 2, 1, *case.numbers)


def _filters(dtype: str) -> Iterator[Problem]:
    for case, aligned in product(FILTERS, BOTH):
        if case.x[0]:
            yield Filter.of(dtype, aligned, case.x, case.size, case.border)


def _scores(dtype: str) -> Iterator[Problem]:
    for case, aligned in product(SOFTMAXES, BOTH):
        if case.rows[0]:
            m, c, positions = case.rows
            yield Scores(dtype, aligned, m, c, positions, False)


def _masked(dtype: str) -> Iterator[Problem]:
    for keys, mask in product((16, 7), ("", "bool")):
        yield Masked(dtype, True, 6, keys, 2, 3, not mask, mask, (0, 0, 0, 0))


def _losses(dtype: str) -> Iterator[Problem]:
    for case, label in product(LOSSES, ("int64", "int32", "uint64")):
        n, c, *spatial = case.x if len(case.x) > 1 else (1, *case.x)
        sizes = (n * math.prod(spatial), c, math.prod(spatial))
        yield Labels(dtype, True, *sizes, label, case.ignore_index, "mean", case.smoothing)


def _spellings(dtype: str) -> Iterator[Problem]:
    return (Ctc(dtype, True, 2, 5, 9, 4, 4, 8, label, False, 0, "mean", False) for label in ("int64", "int32"))


def _drops(dtype: str) -> Iterator[Problem]:
    for case, nhwc, aligned in product(DROPOUTS, BOTH, BOTH):
        n, c, *spatial = (*case.x, 1, 1)[: max(2, len(case.x))]
        group = math.prod(case.x) // math.prod(case.mask)
        yield Drop(dtype, aligned, n, c, math.prod(spatial), nhwc, group, case.p)


def _activations(dtype: str) -> Iterator[Problem]:
    return (Elements(dtype, True, size, name, 1.0, 20.0) for name in FUNCTIONS for size in (16, 7))


def _maps(dtype: str) -> Iterator[Problem]:
    """Every function in float32, of the other types one that adds and one that takes powers."""
    names = elementwise.FUNCTIONS if dtype == "float32" else ("add", "power_slope")
    return (Map(dtype, True, 64, 64, name, ((64, 1, 1, 1, 1),), wide) for name in names for wide in BOTH)


def _frames(dtype: str) -> Iterator[Problem]:
    return (Frame(dtype, True, 64, 32, ((64, 1, 16, 1, 32),), wide) for wide in BOTH)


def _reductions(dtype: str) -> Iterator[Problem]:
    for columns, wide in product(BOTH, BOTH):
        yield Reduction(dtype, True, 64, 4096, 64, "max", ((64, 1, 0),), ((64, 1, 1),), columns, wide)


def _recurrent(dtype: str) -> Iterator[Problem]:
    return (Recurrent(dtype, True, 4, units, "LSTM") for units in (16, 7))


def _recurrent_layers(dtype: str) -> Iterator[Problem]:
    for mode, gates in (("LSTM", 4), ("GRU", 3), ("RNN_TANH", 1)):
        yield from (Layer(dtype, True, 4, units, 3, gates, mode, False) for units in (16, 7))


def _segments(dtype: str) -> Iterator[Problem]:
    return (Segments(dtype, True, 5, 3, columns) for columns in (16, 3))


def _numbers(dtype: str) -> Iterator[Problem]:
    for columns, index in product((16, 3), ("int64", "int32")):
        yield Numbers(dtype, True, 5, 3, columns, index)


def _ordered(dtype: str) -> Iterator[Problem]:
    return (Numbers(dtype, True, 5, 3, 0, index) for index in (("int64", "int32") if dtype == "float32" else ()))


def _resampled(dtype: str) -> Iterator[Problem]:
    return (Resampled(dtype, True, 2, 4, 4, 8, 8, columns, 2, 2) for columns in (16, 3))


def _sampled(dtype: str) -> Iterator[Problem]:
    for (rank, taps), nhwc, columns in product(((2, 1), (2, 2), (2, 4), (3, 1), (3, 2)), BOTH, (16, 3)):
        yield Sampled(dtype, True, 2, columns, 1, 4, 4, 9, rank, taps, 0, False, nhwc, (True, True))


def _bases(dtype: str) -> Iterator[Problem]:
    return (Base(dtype, True, 1, 4, 4, rank, False) for rank in (2, 3))


def _gathers(dtype: str) -> Iterator[Problem]:
    of_bytes = [("uint8", dtype), ("uint8", "uint8")] if dtype == "float32" else []
    for given, made in [(dtype, dtype), *of_bytes]:
        yield Gather(made, True, 5, 3, 8, 8, 8, 8, 0, given, 1, ())


def _steps(dtype: str) -> Iterator[Problem]:
    yield Replay(dtype, True, 1024, 2)


_OTHERS = {
    "pool.scatter": _scattered,
    "indexing.rows": _numbers,
    "indexing.order": _ordered,
    "resample": _resampled,
    "grid_sample": _sampled,
    "grid_sample.base": _bases,
    "conv_norm": _normed_convolutions,
    "batch_norm": _norms,
    "sync_batch_norm": _norms,
    "group_norm": _rows,
    "group_norm.group_forward": _groups,
    "group_norm.group_backward": _groups,
    "local_response_norm": _lrns,
    "filter": _filters,
    "softmax": _scores,
    "softmax.masked": _masked,
    "loss": _losses,
    "ctc_loss": _spellings,
    "dropout": _drops,
    "activation": _activations,
    "elementwise": _maps,
    "data": _gathers,
    "step": _steps,
    "recurrent": _recurrent,
    "recurrent.layer_forward": _recurrent_layers,
    "recurrent.layer_backward": _recurrent_layers,
}


def _products(dtype: str) -> Iterator[Product]:
    """Sizes that fill the largest tile, in every order of memory; no macro depends on more."""
    m, n, k = 4096, 2048, 512
    for aligned, deep_a, deep_b in product(BOTH, BOTH, BOTH):
        a, b = Side(k, 1) if deep_a else Side(1, m, deep=False), Side(k, 1) if deep_b else Side(1, n, deep=False)
        for precision in _precisions(dtype):
            yield Product(dtype, aligned, m, n, k, 1, a, b, precision=precision)


def _backward_products(dtype: str) -> Iterator[LinearBackward]:
    m, n, k = 4096, 2048, 512
    for aligned in BOTH:
        gx = Product(dtype, aligned, m, k, n, 1, Side(n, 1), Side(1, k, deep=False))
        gw = Product(dtype, aligned, n, k, m, 1, Side(1, n, deep=False), Side(1, k, deep=False), ones=True)
        for precision in _precisions(dtype):
            yield LinearBackward(dtype, aligned, m, n, k, 2, gx, gw, "relu", precision)


def _precisions(dtype: str) -> tuple[str, ...]:
    """What products of this type may be asked for in: the variants of TF32 take no other problem."""
    return ("fp32", "tf32") if dtype == "float32" else ("fp32",)


def _table_rows(operation: Operation, dtype: str, thorough: bool) -> Iterator[int]:
    """The lengths of table that are compiled, or the longest and the shortest of them."""
    rows = most_rows(operation.variants[0].sources[0], dtype, EMULATOR)
    while rows > FEWEST_ROWS:
        yield rows
        rows = rows // 2 if thorough else FEWEST_ROWS
    yield FEWEST_ROWS


def label(dtype: str, macros: Macros) -> str:
    """The set in short: ``float32 BM=64 VEC=4``."""
    told = {"T": STORAGE[dtype][0], "ACC": STORAGE[dtype][1], "BN": macros.get("BM")}  # BM alone says a square
    rest = (f"{k}={v}".replace(" ", "-") for k, v in macros.items() if told.get(k) != v)
    return " ".join([dtype, *rest])
