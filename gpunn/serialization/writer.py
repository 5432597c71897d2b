"""Writes a tree of plain values, arrays and Tensors as PyTorch's pickle: its opcodes, by hand, and storages beside it.

Nothing but the names of gpunn.serialization.types comes into a file, so that what reads it has no need to run anything,
`torch.load` with weights_only=True among others.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from typing import Any, SupportsFloat, SupportsInt

import numpy as np

from gpunn.backend import Array, Device, is_array, to_numpy
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import kind_of
from gpunn.nn.parameter import Parameter
from gpunn.serialization.refusals import check_dtype, remedy
from gpunn.serialization.storages import Storages, View
from gpunn.serialization.types import STORAGE_OF

DEPTH = 100  # of lists within lists
CORE = "numpy._core.multiarray"


class Writer:
    """The bytes of one pickle; `storages` gets what lies outside it."""

    def __init__(self, storages: Storages):
        self.storages, self.out = storages, bytearray(b"\x80\x02")
        self.memo: dict[int, int] = {}
        self.kept: list[Any] = []  # alive while their ids are in the memo
        self.depth = 0

    def written(self, value: object) -> bytes:
        """The whole pickle."""
        self.write(value, "obj")
        return bytes(self.out) + b"."

    def write(self, value: object, where: str) -> None:
        """The opcodes that make a value; TypeError for what has no place in a file, named by `where` it is."""
        if id(value) in self.memo:
            self.out += b"j" + struct.pack("<I", self.memo[id(value)])
            return
        self.depth += 1
        if self.depth > DEPTH:
            raise ValueError(f"save: {where[:60]}... nests deeper than {DEPTH}, expected less; flatten it")
        self.writer_of(value, where)(value, where)
        self.depth -= 1

    def writer_of(self, value: object, where: str) -> Callable[[Any, str], None]:
        """How values of this kind are written."""
        if isinstance(value, Tensor):
            return self.tensor
        if is_array(value):
            return self.array
        for kind, write in self.kinds():
            if isinstance(value, kind):
                return write
        raise TypeError(f"save: {where} is {kind_of(value)}, {remedy(value)}")

    def kinds(self) -> list[tuple[Any, Callable[[Any, str], None]]]:
        """By class, the first that fits."""
        return [
            ((type(None), bool, np.bool_), self.constant), ((int, np.integer), self.integer),
            ((float, np.floating), self.number), (str, self.text), (bytes, self.bytes),
            ((OrderedDict, Counter), self.mapping), (dict, self.table), (list, self.list), (tuple, self.tuple),
            ((set, frozenset), self.set), (np.dtype, self.dtype), (Device, self.device),
        ]  # fmt: skip

    def remember(self, value: object) -> None:
        """Writes it once: what comes again is that very object."""
        self.memo[id(value)] = len(self.memo)
        self.kept.append(value)
        self.out += b"r" + struct.pack("<I", self.memo[id(value)])

    def name(self, module: str, name: str) -> None:
        """A global's name."""
        self.out += f"c{module}\n{name}\n".encode()

    def constant(self, value: object, where: str) -> None:
        """None, True, False."""
        self.out += b"N" if value is None else b"\x88" if value else b"\x89"

    def integer(self, value: SupportsInt, where: str) -> None:
        """A whole number of any length up to 255 bytes."""
        number = int(value)
        if -(2**31) <= number < 2**31:
            self.out += b"J" + struct.pack("<i", number)
            return
        size = number.bit_length() // 8 + 1
        if size > 255:
            raise ValueError(f"save: {where} is a number of {size} bytes, expected up to 255")
        self.out += b"\x8a" + bytes([size]) + number.to_bytes(size, "little", signed=True)

    def number(self, value: SupportsFloat, where: str) -> None:
        """A float."""
        self.out += b"G" + struct.pack(">d", float(value))

    def text(self, value: str, where: str) -> None:
        """A str."""
        content = value.encode("utf-8", "surrogatepass")
        self.out += b"X" + struct.pack("<I", len(content)) + content

    def bytes(self, value: bytes, where: str) -> None:
        """Bytes, which this protocol has as a text that is encoded."""
        self.name("_codecs", "encode")
        self.text(value.decode("latin-1"), where)
        self.text("latin1", where)
        self.out += b"\x86R"

    def items(self, value: dict, where: str) -> None:
        """Keys and values of the dict that was begun."""
        self.out += b"("
        for key, item in value.items():
            if not isinstance(key, (str, bytes, int, float, bool, type(None), tuple, np.integer)):
                raise TypeError(f"save: {where} has the key {key!r}, expected strings and numbers; name it otherwise")
            self.write(key, where)
            self.write(item, f"{where}[{key!r}]")
        self.out += b"u"

    def table(self, value: dict, where: str) -> None:
        """A dict; what a subclass adds is left behind."""
        self.out += b"}"
        self.remember(value)
        self.items(value, where)

    def mapping(self, value: dict, where: str) -> None:
        """An OrderedDict or a Counter."""
        counter = isinstance(value, Counter)
        self.name("collections", "Counter" if counter else "OrderedDict")
        if counter:
            self.out += b"}"
            self.items(value, where)
            self.out += b"\x85R"
            self.remember(value)
        else:
            self.out += b")R"
            self.remember(value)
            self.items(value, where)

    def list(self, value: list, where: str) -> None:
        """A list."""
        self.out += b"]"
        self.remember(value)
        self.out += b"("
        for i, item in enumerate(value):
            self.write(item, f"{where}[{i}]")
        self.out += b"e"

    def tuple(self, value: tuple, where: str) -> None:
        """A tuple."""
        self.out += b"("
        for i, item in enumerate(value):
            self.write(item, f"{where}[{i}]")
        self.out += b"t"

    def set(self, value: Collection, where: str) -> None:
        """A set or a frozenset."""
        self.name("__builtin__", type(value).__name__)
        self.list(list(value), where)
        self.out += b"\x85R"

    def dtype(self, value: np.dtype, where: str) -> None:
        """A dtype under PyTorch's name."""
        check_dtype(value, where)
        self.name("torch", value.name)

    def device(self, value: Device, where: str) -> None:
        """A device."""
        self.name("torch", "device")
        self.text(value.type, where)
        self.integer(value.index, where)
        self.out += b"\x86R"

    def tensor(self, value: Tensor, where: str) -> None:
        """A Tensor or a Parameter, without its history and its gradient."""
        check_dtype(value.dtype, where)
        parameter = isinstance(value, Parameter)
        if parameter:
            self.name("torch._utils", "_rebuild_parameter")
        view = self.storages.view(data_of(value))
        typed = STORAGE_OF.get(value.dtype.name)
        self.name("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
        self.out += b"("
        self.storage(view, typed, where)
        for part in (view.offset, value.shape, view.strides, False if parameter else value.requires_grad):
            (self.tuple if isinstance(part, tuple) else self.write)(part, where)  # type: ignore[operator]
        self.name("collections", "OrderedDict")
        self.out += b")R"
        if not typed:
            self.name("torch", value.dtype.name)
        self.out += b"tR"
        if parameter:
            self.constant(value.requires_grad, where)
            self.name("collections", "OrderedDict")
            self.out += b")R\x87R"
        self.remember(value)

    def storage(self, view: View, typed: str | None, where: str) -> None:
        """The mark of a storage outside the pickle."""
        self.out += b"("
        self.text("storage", where)
        self.name("torch" if typed else "torch.storage", typed or "UntypedStorage")
        self.text(view.key, where)
        place = view.device
        self.text(f"cuda:{place.index}" if place.type == "cuda" else "cpu", where)
        self.integer(view.count if typed else view.count * view.itemsize, where)
        self.out += b"tQ"

    def array(self, value: Array, where: str) -> None:
        """An array of NumPy's, or the values of another, as NumPy's own pickles have it."""
        check_dtype(value.dtype, where)
        if value.dtype.name == "bfloat16":
            raise TypeError(f"save: {where} is an array of bfloat16, which NumPy's format lacks; pass a Tensor of it")
        content = np.ascontiguousarray(to_numpy(value)).reshape(value.shape)
        self.name(CORE, "_reconstruct")
        self.name("numpy", "ndarray")
        self.tuple((0,), where)
        self.bytes(b"b", where)
        self.out += b"\x87R"
        self.remember(value)
        self.out += b"("
        self.integer(1, where)
        self.tuple(content.shape, where)
        code = content.dtype.str[1:]
        self.name("numpy", "dtype")
        self.tuple((code, False, True), where)
        self.out += b"R"
        self.tuple((3, "<" if content.itemsize > 1 else "|", None, None, None, -1, -1, 0), where)
        self.out += b"b"
        self.constant(False, where)
        self.bytes(content.astype(content.dtype.newbyteorder("<"), copy=False).tobytes(), where)
        self.out += b"tb"
