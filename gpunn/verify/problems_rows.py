"""Problems of rows and of elements: scores, losses, maps, sums, indices, recurrent steps, and a step of training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from gpunn.cuda import elementwise
from gpunn.cuda.activation import Elements
from gpunn.cuda.ctc_loss import Ctc
from gpunn.cuda.dtypes import FUNCTIONS
from gpunn.cuda.masked_softmax import Masked
from gpunn.cuda.problem import Frame, Labels, Map, Numbers, Problem, Reduction, Rows
from gpunn.cuda.recurrent_persistent import Layer
from gpunn.cuda.recurrent_steps import Recurrent
from gpunn.cuda.reduce import Segments
from gpunn.cuda.softmax import Scores
from gpunn.cuda.step import Replay
from gpunn.reference.group_norm import LAYERS
from gpunn.reference.loss import LOSSES
from gpunn.reference.softmax import SOFTMAXES

BOTH = (True, False)


def rows(dtype: str) -> Iterator[Problem]:
    """Layer normalisation of every case that has rows."""
    for case, aligned in product(LAYERS, BOTH):
        if case.x[0]:
            yield Rows(dtype, aligned, case.x[0], case.x[1], 1e-5, case.affine)


def scores(dtype: str) -> Iterator[Problem]:
    """Softmax of every case that has rows."""
    for case, aligned in product(SOFTMAXES, BOTH):
        if case.rows[0]:
            m, c, positions = case.rows
            yield Scores(dtype, aligned, m, c, positions, False)


def masked(dtype: str) -> Iterator[Problem]:
    """Rows of even and odd length, with a mask and without."""
    for keys, mask in product((16, 7), ("", "bool")):
        yield Masked(dtype, True, 6, keys, 2, 3, not mask, mask, (0, 0, 0, 0))


def losses(dtype: str) -> Iterator[Problem]:
    """Every case, with labels of three types."""
    for case, label in product(LOSSES, ("int64", "int32", "uint64")):
        n, c, *spatial = case.x if len(case.x) > 1 else (1, *case.x)
        sizes = (n * math.prod(spatial), c, math.prod(spatial))
        yield Labels(dtype, True, *sizes, label, case.ignore_index, "mean", case.smoothing)


def spellings(dtype: str) -> Iterator[Problem]:
    """Sequences of labels of two types."""
    return (Ctc(dtype, True, 2, 5, 9, 4, 4, 8, label, False, 0, "mean", False) for label in ("int64", "int32"))


def activations(dtype: str) -> Iterator[Problem]:
    """Every function, in packs and one by one."""
    return (Elements(dtype, True, size, name, 1.0, 20.0) for name in FUNCTIONS for size in (16, 7))


def maps(dtype: str) -> Iterator[Problem]:
    """Every function in float32, of the other types one that adds and one that takes powers."""
    names = elementwise.FUNCTIONS if dtype == "float32" else ("add", "power_slope")
    return (Map(dtype, True, 64, 64, name, ((64, 1, 1, 1, 1),), wide) for name in names for wide in BOTH)


def frames(dtype: str) -> Iterator[Problem]:
    """Arrays within a frame, in packs and one by one."""
    return (Frame(dtype, True, 64, 32, ((64, 1, 16, 1, 32),), wide) for wide in BOTH)


def reductions(dtype: str) -> Iterator[Problem]:
    """Of rows and of columns, in packs and one by one."""
    for columns, wide in product(BOTH, BOTH):
        yield Reduction(dtype, True, 64, 4096, 64, "max", ((64, 1, 0),), ((64, 1, 1),), columns, wide)


def segments(dtype: str) -> Iterator[Problem]:
    """Rows of even and odd length."""
    return (Segments(dtype, True, 5, 3, columns) for columns in (16, 3))


def numbers(dtype: str) -> Iterator[Problem]:
    """Rows that an index names, even and odd ones."""
    for columns, index in product((16, 3), ("int64", "int32")):
        yield Numbers(dtype, True, 5, 3, columns, index)


def ordered(dtype: str) -> Iterator[Problem]:
    """Indices to be put in order, of both types."""
    return (Numbers(dtype, True, 5, 3, 0, index) for index in (("int64", "int32") if dtype == "float32" else ()))


def recurrent(dtype: str) -> Iterator[Problem]:
    """Steps of even and odd numbers of units."""
    return (Recurrent(dtype, True, 4, units, "LSTM") for units in (16, 7))


def recurrent_layers(dtype: str) -> Iterator[Problem]:
    """All steps of a layer, by its kinds of gates."""
    for mode, gates in (("LSTM", 4), ("GRU", 3), ("RNN_TANH", 1)):
        yield from (Layer(dtype, True, 4, units, 3, gates, mode, False) for units in (16, 7))


def steps(dtype: str) -> Iterator[Problem]:
    """The ends of a captured step."""
    yield Replay(dtype, True, 1024, 2)
