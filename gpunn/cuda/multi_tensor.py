"""One launch over many arrays: the table that kernels/optim/table.cuh describes, built once and kept between steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import numpy as np

from gpunn import backend
from gpunn.backend import capture
from gpunn.backend.contract import Array, Arrays, Numbers, Settings
from gpunn.cuda.device import EMULATOR, device_number
from gpunn.cuda.dtypes import STORAGE, storage_macros
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Tensors
from gpunn.cuda.table import BLOCK, Columns, Fresh, Table, most_rows, rows_for
from gpunn.cuda.variants import Operation, Variant


def operation(name: str, source: str, *after: str, then: tuple[str, ...] = ()) -> Operation:
    """The operation of a kernel over a table and the parameters after it; `then` are kernels launched next."""

    def plan(job: Tensors) -> tuple[Launch]:
        macros = {**storage_macros(job.dtype), "ROWS": rows_for(job.M)}
        return (Launch(source, macros, (job.blocks,), (BLOCK,), ("table", *after)),)

    takes = "any number of tensors of every size, alignment, memory order and dtype"
    return Operation(name, Variant("table", (source, *then), takes, plan))


def run(
    op: Operation,
    kept: dict,
    head: tuple[str, Arrays],
    fixed: Columns,
    fresh: Fresh,
    settings: Settings = (),
    after: tuple = (),
) -> None:
    """Launch over all rows, of one dtype and device, once, or more often where they do not fit into one table.

    Args:
        head: the first column's name and arrays, which give each row its shape, dtype and memory order.
        fixed: columns that, like the head, stay the same from call to call: the table's part for them is made once and
            kept in the caller's dict ``kept``. What differs in dtype or memory order is copied in and out.
        fresh: columns of each call, which are only read; copies are made of what differs.
        settings: a tuple a row, in the order of the kernel's struct Setting; what gives them at each replay of a graph.
        after: the arguments that follow the table.
    """
    name, arrays = head
    ids = [list(map(id, column)) for column in (arrays, *fixed.values())]
    tables = kept.get(op.name)
    if tables is None or tables.ids != ids:
        tables = kept[op.name] = Tables(op, name, list(arrays), fixed, ids)
    tables.launch(fresh, settings, after)


class Tables:
    """The tables of one or more launches over the same arrays."""

    def __init__(self, op: Operation, name: str, head: list[Array], fixed: Columns, ids: list[list[int]]):
        self.ids, self.held = ids, (head, fixed)  # the arrays are held, so that their ids stay theirs
        self.rows, self.length = [i for i, array in enumerate(head) if array.size], len(head)
        self.tables: list[Table] = []
        if not self.rows:
            return
        heads = [head[i] for i in self.rows]
        self.dtype, self.device = heads[0].dtype, device_number(heads[0])
        if self.dtype.name not in STORAGE:
            raise TypeError(f"{op.name}: arrays are {self.dtype}, expected {', '.join(STORAGE)}; convert with astype")
        self.like = [array if is_dense(array) else empty_like(array) for array in heads]
        self.strides, self.dtypes = [array.strides for array in self.like], [self.dtype] * len(heads)
        # Arrays with gaps, or unlike their row's first, each with the copy that is updated in its place.
        self.staged = [(array, like) for array, like in zip(heads, self.like, strict=True) if array is not like]
        columns = {field: self._staged([column[i] for i in self.rows]) for field, column in fixed.items()}
        most = most_rows(op.variants[0].sources[0], self.dtype.name, self.device)
        with self.inside():
            for start in range(0, len(heads), most):
                part = {field: column[start : start + most] for field, column in columns.items()}
                before = sum(table.planned.grid[0] for table in self.tables)
                table = Table(op, self.device, (name, self.like[start : start + most]), part, before)
                self.tables.append(table)

    def __reduce__(self) -> tuple:
        """Copied and pickled as None: addresses and compiled functions are of these arrays, in this process, alone."""
        return type(None), ()

    def inside(self) -> AbstractContextManager:
        """A context in which the arrays' device is CuPy's current one."""
        return nullcontext() if self.device == EMULATOR else backend.require_cupy().cuda.Device(self.device)

    def _staged(self, column: list[Array | None]) -> list[Array | None]:
        """The arrays of a fixed column, or copies in the dtype and memory order of their row."""
        made = list(column)
        for i, (array, like) in enumerate(zip(column, self.like, strict=True)):
            if array is not None and not self._fits(array, like):
                made[i] = copy = empty_like(like)
                self.staged.append((array, copy))
        return made

    def _fits(self, array: Array, like: Array) -> bool:
        return array.dtype == self.dtype and memory_order(array) == memory_order(like)

    def launch(self, fresh: Fresh, settings: Settings, after: tuple) -> None:
        """Launch with these fresh arrays and settings."""
        if not self.tables:
            return
        if len(self.rows) < self.length:
            fresh = {field: [column[i] for i in self.rows] for field, column in fresh.items()}
        numbers = self._fed(settings) if callable(settings) else self._given(settings)
        with self.inside():
            each = len(numbers) // len(self.rows)  # bytes a row where they are fed
            fresh = {field: self._matched(column) for field, column in fresh.items()}
            for array, copy in self.staged:
                copy[...] = array
            start = 0
            for one in self.tables:
                end = start + one.count
                part = numbers[start * each : end * each]
                one.run({field: column[start:end] for field, column in fresh.items()}, part, after)
                start = end
            for array, copy in self.staged:
                array[...] = copy

    def _given(self, numbers: Numbers) -> Numbers:
        """The numbers of the rows that have elements."""
        if self.tables[0].takes_fed and capture.now.get() is not None:
            capture.refuse(
                f"{self.tables[0].call.operation}: settings are the numbers of one step, which replays would repeat; "
                "pass a function"
            )
        return [numbers[i] for i in self.rows] if numbers and len(self.rows) < self.length else numbers

    def _fed(self, settings: Callable[[], Numbers]) -> Array:
        """Device memory of bytes that each replay fills with the structs of all rows."""
        dtype, rows = self.tables[0].setting_dtype, self.rows

        def make() -> np.ndarray:
            numbers = settings()
            return np.array([numbers[i] for i in rows], dtype).view(np.uint8)

        memory = capture.fed(make, np.uint8, (len(rows) * dtype.itemsize,))
        assert memory is not None  # only a capture gives a function
        return memory

    def _matched(self, column: Arrays) -> Arrays:
        """The arrays in their rows' dtype and memory order: themselves, or copies."""
        strides, dtypes = [array.strides for array in column], [array.dtype for array in column]
        if strides == self.strides and dtypes == self.dtypes:
            return column
        made = list(column)
        for i, (array, like) in enumerate(zip(column, self.like, strict=True)):
            if not self._fits(array, like):
                made[i] = empty_like(like)
                made[i][...] = array
            else:  # strides of axes of length 1 may be any
                self.strides[i] = array.strides
        return made


def memory_order(array: Array) -> list[int]:
    """The strides that matter: those of axes longer than 1."""
    return [stride for stride, size in zip(array.strides, array.shape, strict=True) if size != 1]


def is_dense(array: Array) -> bool:
    """Whether the array fills its memory, in some order of its axes."""
    return _is_dense(array.shape, array.strides, array.itemsize)


@lru_cache(4096)
def _is_dense(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    expected = itemsize
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def empty_like(array: Array) -> Array:
    """New dense memory of an array's shape, dtype and order of axes."""
    return backend.array_module(array).empty_like(array)
