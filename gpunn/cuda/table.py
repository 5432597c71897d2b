"""The argument of a multi-tensor kernel, as kernels/optim/table.cuh describes it: one struct of pointers, by value."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend.contract import Array, Arrays, Numbers, States
from gpunn.cuda import structs
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import Kernel, kernel
from gpunn.cuda.plans import Call, trace
from gpunn.cuda.problem import Tensors
from gpunn.cuda.variants import Operation

BLOCK, CHUNK = 256, 4096  # threads a block and elements a block: table.cuh's
FEWEST_ROWS = 16
SMALL, LARGE = 4096, 32764  # bytes of a kernel's parameters: before CUDA 12.1, and since

Columns = Mapping[str, States]  # by the name of a pointer field: an array for each row, None where it has none
Fresh = Mapping[str, Arrays]


class Table:
    """One table and the launch that takes it."""

    def __init__(self, op: Operation, device: int, head: tuple[str, list[Array]], fixed: Columns, before: int):
        name, arrays = head
        self.count, self.fixed = len(arrays), {name: arrays, **fixed}
        sizes = np.array([array.size for array in arrays], np.int64)
        blocks = blocks_of(sizes)
        job = Tensors(arrays[0].dtype.name, False, self.count, int(sizes.sum()), int(blocks.sum()))
        variant, why = op.choose(job, device)
        assert variant.plan is not None
        (self.planned,) = variant.plan(job)
        self.call = Call(op.name, variant.name, why, job)
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
        self.setting_dtype = fields["setting"][0].base if "setting" in fields else np.dtype([])
        self.takes_fed = self.settings is not None and self.kernel.source.parameters[-1].name == "fed"
        self.device, self.on_host = device, device == EMULATOR
        self.function = self.kernel.bound(device)
        if not self.on_host:
            for field, column in self.fixed.items():
                self.point(field, column)

    def point(self, field: str, column: States) -> None:
        """Write the addresses of a column's arrays. Raises ValueError for an array on another device."""
        memories: list[Any] = [None if array is None else array.data for array in column]
        if {memory.device_id for memory in memories if memory is not None} - {self.device}:
            raise ValueError(
                f"{self.kernel.source.file}: an array of {field} is not on cuda:{self.device}, where the others are; "
                "move it with to_device"
            )
        self.table[field][: self.count] = [0 if memory is None else memory.ptr for memory in memories]

    def run(self, fresh: Fresh, settings: Numbers | Array, after: tuple) -> None:
        """Launch on the current stream; an array of settings holds the bytes of the structs."""
        if (calls := trace.get()) is not None:
            calls.append(self.call)
        if self.settings is not None:
            if not backend.is_array(settings):
                self.settings[...] = settings if len(set(map(id, settings))) > 1 else settings[0]
            if self.takes_fed:
                after = (*after, settings if backend.is_array(settings) else None)
        argument: Any = self.value
        if self.on_host:
            constant = [field for field, reads in self.layout.pointers.items() if reads]
            argument = backend.require_emulator().Struct(self.value, {**self.fixed, **fresh}, constant)
        else:
            for field, column in fresh.items():
                self.point(field, column)
        try:
            others = after if self.on_host else [np.uint64(0) if one is None else one for one in after]
            self.function(self.planned.grid, self.planned.block, (argument, *others))
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


@cache
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
