"""The tasks of `gpunn verify` for rows of a table by number, and for the gradient of an index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import to_device
from gpunn.cuda import indexing, reduce
from gpunn.cuda.order import order
from gpunn.reference.indexing import ORDERS, ROWS, SEGMENTS, RowsCase, SegmentCase, segment_sums, sort, take_rows
from gpunn.verify.task import Give, Task, as_f64, placed


def index_tasks(device: str, dtype: str, give: Give) -> Iterator[Task]:
    """Every case; what has no elements of the dtype in float32 alone."""
    for case in ROWS:
        yield from _rows(case, device, give)
    for case in ORDERS if dtype == "float32" else ():
        yield from _order(case, device)
    for case in SEGMENTS:
        yield _segments(case, device, give)


def _rows(case: RowsCase, device: str, give: Give) -> Iterator[Task]:
    """In both types of numbers, and off 16 bytes."""
    values, numbers = case.arrays()
    for kind in (np.int64, np.int32):
        for how in ("aligned", "unaligned"):
            table, index = placed(give(values), how), to_device(numbers.astype(kind), device)

            def run(table=table, index=index):
                return (indexing.rows(table, index, "embedding"),)

            def want(table=table):
                return ((take_rows(as_f64(table), case.index), 1, None),)

            yield Task("indexing.rows", f"{case.name}, {kind.__name__}, {how}", run, want)


def _order(case: RowsCase, device: str) -> Iterator[Task]:
    for kind in (np.int64, np.int32):
        index = to_device(np.array(case.index, kind), device)
        want = lambda: tuple([(one.astype(float), 1, None) for one in sort(case.index, case.rows)])  # noqa: E731
        run = lambda index=index: order(index, case.rows)  # noqa: E731
        yield Task("indexing.order", f"{case.name}, {kind.__name__}", run, want)


def _segments(case: SegmentCase, device: str, give: Give) -> Task:
    gy = give(case.gradient())
    starts, rows = (to_device(a.astype(np.int64), device) for a in sort(case.keys, case.places))

    def want() -> tuple:
        return ((segment_sums(as_f64(gy), case.keys, case.places), max(len(case.keys), 1), None),)

    return Task("reduce.segment_sums", case.name, lambda: (reduce.segment_sums(gy, starts, rows),), want)
