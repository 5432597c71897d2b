"""One launch over many arrays: the table that kernels/optim/table.cuh describes, built once and kept between steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.cuda import structs
from gpunn.cuda.dtypes import STORAGE, storage_macros
from gpunn.cuda.kernel import EMULATOR, Kernel, device_number, kernel
from gpunn.cuda.plans import Call, Launch, trace
from gpunn.cuda.problem import Tensors
from gpunn.cuda.variants import Operation, Variant

BLOCK, CHUNK = 256, 4096  # threads a block and elements a block: table.cuh's
FEWEST_ROWS = 16
SMALL, LARGE = 4096, 32764  # bytes of a kernel's parameters: before CUDA 12.1, and since

Columns = Mapping[str, Sequence[Any]]  # by the name of a pointer field: an array for each row, None where it has none
Settings = Sequence[tuple[float, ...]]


def operation(name: str, source: str, *after: str, then: tuple[str, ...] = ()) -> Operation:
    """The operation of a kernel over a table and the parameters after it; `then` are kernels launched next."""

    def plan(job: Tensors) -> tuple[Launch]:
        macros = {**storage_macros(job.dtype), "ROWS": rows_for(job.M)}
        return (Launch(source, macros, (job.blocks,), (BLOCK,), ("table", *after)),)

    takes = "any number of tensors of every size, alignment, memory order and dtype"
    return Operation(name, Variant("table", (source, *then), takes, lambda job: "", plan))


def run(
    op: Operation, kept: dict[str, Any], fixed: Columns, fresh: Columns, settings: Settings = (), after: tuple = ()
) -> None:
    """Launch over all rows, of one dtype and device, once, or more often where they do not fit into one table.

    fixed: arrays that stay the same from call to call, the first column without None; the table's part for them is
    made once and kept in the caller's dict ``kept``. fresh: arrays of each call. All of a row have one shape; memory
    order and dtype are the first column's, and copies are made of what differs. settings: a tuple a row, in the order
    of the kernel's struct Setting. after: the arguments that follow the table.
    """
    ids = [list(map(id, column)) for column in fixed.values()]
    tables = kept.get(op.name)
    if tables is None or tables.ids != ids:
        tables = kept[op.name] = Tables(op, fixed, ids)
    tables.launch(fresh, settings, after)


class Tables:
    """The tables of one or more launches over the same arrays."""

    def __init__(self, op: Operation, fixed: Columns, ids: list[list[int]]):
        self.ids, self.fixed = ids, fixed  # the arrays are held, so that their ids stay theirs
        head = next(iter(fixed.values()))
        self.rows = [i for i, array in enumerate(head) if array.size]
        self.length = len(head)
        self.tables: list[Table] = []
        if not self.rows:
            return
        heads = [head[i] for i in self.rows]
        self.dtype, self.device = heads[0].dtype, device_number(heads[0])
        if self.dtype.name not in STORAGE:
            raise TypeError(f"{op.name}: arrays are {self.dtype}, expected {', '.join(STORAGE)}; convert with astype")
        self.like = [array if is_dense(array) else empty_like(array) for array in heads]
        self.strides, self.dtypes = [array.strides for array in self.like], [self.dtype] * len(heads)
        self.staged: list[tuple[Any, Any]] = []  # arrays in another memory order, each with the copy that is updated
        columns = {
            field: self._staged([column[i] for i in self.rows], heads=column is head) for field, column in fixed.items()
        }
        most = most_rows(op.variants[0].sources[0], self.dtype.name, self.device)
        with self.inside():
            for start in range(0, len(heads), most):
                part = {field: column[start : start + most] for field, column in columns.items()}
                before = sum(table.planned.grid[0] for table in self.tables)
                self.tables.append(Table(op, self.dtype.name, self.device, part, before))

    def inside(self) -> AbstractContextManager:
        """A context in which the arrays' device is CuPy's current one."""
        return nullcontext() if self.device == EMULATOR else self.like[0].device

    def _staged(self, column: list[Any], heads: bool) -> list[Any]:
        """The arrays of a fixed column, or copies in the dtype and memory order of their row."""
        made = list(column)
        for i, (array, like) in enumerate(zip(column, self.like, strict=True)):
            if array is not None and not self._fits(array, like):
                made[i] = like if heads else empty_like(like)
                self.staged.append((array, made[i]))
        return made

    def _fits(self, array: Any, like: Any) -> bool:
        return array.dtype == self.dtype and memory_order(array) == memory_order(like)

    def launch(self, fresh: Columns, settings: Settings, after: tuple) -> None:
        """Launch with these fresh arrays and settings."""
        if not self.tables:
            return
        if len(self.rows) < self.length:
            fresh = {field: [column[i] for i in self.rows] for field, column in fresh.items()}
            settings = [settings[i] for i in self.rows] if settings else ()
        with self.inside():
            fresh = {field: self._matched(column) for field, column in fresh.items()}
            for array, copy in self.staged:
                copy[...] = array
            start = 0
            for one in self.tables:
                end = start + one.count
                one.run({field: column[start:end] for field, column in fresh.items()}, settings[start:end], after)
                start = end
            for array, copy in self.staged:
                array[...] = copy

    def _matched(self, column: Sequence[Any]) -> Sequence[Any]:
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


class Table:
    """One table and the launch that takes it."""

    def __init__(self, op: Operation, dtype: str, device: int, fixed: Columns, before: int):
        head = next(iter(fixed.values()))
        self.count, self.fixed = len(head), fixed
        sizes = np.array([array.size for array in head], np.int64)
        blocks = blocks_of(sizes)
        job = Tensors(dtype, False, self.count, int(sizes.sum()), int(blocks.sum()))
        variant, why = op.choose(job, device)
        assert variant.plan is not None
        (self.planned,) = variant.plan(job)
        self.call = Call(op.name, variant.name, why, str(job))
        self.kernel = kernel(self.planned.kernel, **self.planned.macros)
        self.kernel.check_grid(self.planned.grid, self.planned.block)
        self.layout = table_layout(self.kernel)
        self.table = np.zeros((), self.layout.dtype)
        self.value = self.table[()]  # a view: what is written into the table is what is passed
        self.table["size"][: self.count] = sizes
        self.table["first"][: self.count] = np.cumsum(blocks) - blocks
        self.table["rows"] = self.count
        fields = self.layout.dtype.fields or {}
        if "base" in fields:
            self.table["base"] = before  # blocks in the tables before this one
        self.settings = self.table["setting"][: self.count] if "setting" in fields else None
        self.device, self.on_host = device, device == EMULATOR
        self.function = self.kernel.bound(device)
        if not self.on_host:
            for field, column in fixed.items():
                self.point(field, column)

    def point(self, field: str, column: Sequence[Any]) -> None:
        """Write the addresses of a column's arrays. Raises ValueError for an array on another device."""
        memories = [None if array is None else array.data for array in column]
        if {memory.device_id for memory in memories if memory is not None} - {self.device}:
            raise ValueError(
                f"{self.kernel.source.file}: an array of {field} is not on cuda:{self.device}, where the others are; "
                "move it with to_device"
            )
        self.table[field][: self.count] = [0 if memory is None else memory.ptr for memory in memories]

    def run(self, fresh: Columns, settings: Settings, after: tuple) -> None:
        """Launch on the current stream."""
        if (calls := trace.get()) is not None:
            calls.append(self.call)
        if self.settings is not None:
            self.settings[...] = settings if len(set(map(id, settings))) > 1 else settings[0]
        argument: Any = self.value
        if self.on_host:
            constant = [field for field, reads in self.layout.pointers.items() if reads]
            argument = backend.require_emulator().Struct(self.value, {**self.fixed, **fresh}, constant)
        else:
            for field, column in fresh.items():
                self.point(field, column)
        try:
            self.function(self.planned.grid, self.planned.block, (argument, *after))
        except Exception as error:
            raise self.kernel.explained(error, (f"of {self.count} arrays", *after)) from error


def blocks_of(sizes: Any) -> Any:
    """The blocks of arrays of so many elements."""
    return -(-sizes // CHUNK)


def rows_for(count: int) -> int:
    """The rows of the table for so many arrays: a power of two, so that few are compiled."""
    rows = FEWEST_ROWS
    while rows < count:
        rows *= 2
    return rows


def table_layout(compiled: Kernel) -> structs.Layout:
    """The layout of a kernel's struct Table."""
    return structs.layout(compiled.source.text, "Table", dict(compiled.macros))


@cache
def most_rows(source: str, dtype: str, device: int) -> int:
    """The most rows of a table that a kernel takes by value on this device."""
    limit, rows = parameter_bytes(device) - 64, FEWEST_ROWS  # 64: what may follow the table
    while table_layout(kernel(source, **storage_macros(dtype), ROWS=2 * rows)).dtype.itemsize <= limit:
        rows *= 2
    return rows


def parameter_bytes(device: int) -> int:
    """How large all parameters of a kernel may be together: 32,764 bytes since CUDA 12.1, else 4 KB."""
    if device == EMULATOR:
        return LARGE
    cuda = backend.require_cupy().cuda
    new = cuda.nvrtc.getVersion() >= (12, 1) and cuda.runtime.driverGetVersion() >= 12010
    return LARGE if new else SMALL


def memory_order(array: Any) -> list[int]:
    """The strides that matter: those of axes longer than 1."""
    return [stride for stride, size in zip(array.strides, array.shape, strict=True) if size != 1]


def is_dense(array: Any) -> bool:
    """Whether the array fills its memory, in some order of its axes."""
    expected = array.itemsize
    for stride, size in sorted(zip(array.strides, array.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def empty_like(array: Any) -> Any:
    """New dense memory of an array's shape, dtype and order of axes."""
    return backend.array_module(array).empty_like(array)
