"""PyTorch's files: zip archives of a pickle and of the storages that it refers to; and how they were before 1.6."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from gpunn.backend import Array
from gpunn.dtypes import named
from gpunn.serialization import types as t
from gpunn.serialization.reader import Reader
from gpunn.unpickling import Made, Refused

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a file before 1.6
PROTOCOL = 1001
PICKLE_BYTES = 1 << 28  # the tree of a large language model's optimiser has a few MB

Place = Callable[[Array, str], Array]


def read_zip(file: BinaryIO, size: int, place: Place) -> Made:
    """What an archive holds. Refused, or ValueError and what zipfile raises where it is damaged."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("a member is packed, expected all stored as PyTorch does")
        if sum(member.file_size for member in members) > size or len(set(names)) < len(names):
            raise ValueError(f"its members announce more than the {size:,} bytes of the file")
        root = next((name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")), None)
        if root is None:
            raise Refused("it is an archive of another kind, without PyTorch's data.pkl")
        if archive.getinfo(f"{root}data.pkl").file_size > PICKLE_BYTES:
            raise ValueError("its tree is too large")
        big = f"{root}byteorder" in names and archive.read(f"{root}byteorder") == b"big"
        return Reader(_Members(archive, root, big, place)).run(archive.read(f"{root}data.pkl"))


class _Members:
    """The storages of an archive, each read once; the archive compares its checksum."""

    def __init__(self, archive: zipfile.ZipFile, root: str, big: bool, place: Place):
        self.archive, self.root, self.big, self.place = archive, root, big, place
        self.found: dict[str, t.Storage] = {}

    def __call__(self, kind: t.StorageType, key: str, location: str, count: int) -> t.Storage:
        if key not in self.found:
            try:
                content = self.archive.read(f"{self.root}data/{key}")
            except KeyError:
                raise ValueError(f"the storage {key[:60]!r} is missing") from None
            flat = elements(content, kind.dtype, self.big)
            self.found[key] = t.Storage(self.place(flat, location), kind.dtype)
        return checked(self.found[key], kind, count)


def elements(content: bytes, dtype: str | None, big: bool = False) -> np.ndarray:
    """A storage's bytes as an array of its own, in this machine's byte order."""
    kind = np.dtype(np.uint8) if dtype is None else named(dtype)
    if len(content) % kind.itemsize:
        raise ValueError(f"a storage of {kind} has {len(content)} bytes")
    flat = np.frombuffer(bytearray(content), np.uint8 if dtype == "bool" else kind)
    if dtype == "bool":
        return flat != 0  # other bytes than 0 and 1 are no bools
    if big:
        if dtype is None:
            raise Refused("it has bytes of an unknown type in the other byte order")
        flat = flat.byteswap()
    return flat


def checked(storage: t.Storage, kind: t.StorageType, count: int) -> t.Storage:
    """The storage, which must be of this type and size."""
    if storage.dtype != kind.dtype or storage.array.size != count:
        raise ValueError(f"a storage has {storage.array.size} elements of {storage.dtype}, not {count} of {kind.dtype}")
    return storage


def read_legacy(content: bytes, place: Place) -> Made:
    """What a file of before 1.6 holds: five pickles, and the storages behind them. None where it is no such file."""
    parts, at = [], 0
    for _ in range(5):
        end = at + _length(content[at:])
        parts.append(content[at:end])
        at = end
        if len(parts) == 1 and Reader(_none).run(parts[0]) != MAGIC:
            raise Refused("it is no file of PyTorch's")
    about = Reader(_none).run(parts[2])
    if Reader(_none).run(parts[1]) != PROTOCOL or not isinstance(about, dict) or not about.get("little_endian"):
        raise Refused("it is of another protocol, or of the other byte order")
    keys = Reader(_none).run(parts[4])
    announced: dict[str, tuple[t.StorageType, str, int]] = {}

    def announce(kind: t.StorageType, key: str, location: str, count: int) -> t.Storage:
        width = 1 if kind.dtype is None else named(kind.dtype).itemsize
        if sum([n for _, _, n in announced.values()]) + count * width > len(content):
            raise ValueError("its storages announce more bytes than the file has")
        announced[key] = (kind, location, count * width)
        return t.Storage(np.empty(count, np.uint8 if kind.dtype is None else named(kind.dtype)), kind.dtype)

    Reader(announce).run(parts[3])  # which storages there are: their bytes follow without a type
    found: dict[str, t.Storage] = {}
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in announced for key in keys):
        raise ValueError("its list of storages is none")
    for key in keys:
        kind, location, nbytes = announced[key]
        raw = content[at + 8 : at + 8 + nbytes]  # behind the number of elements
        if len(raw) < nbytes:
            raise ValueError("it ends within a storage")
        found[key] = t.Storage(place(elements(raw, kind.dtype), location), kind.dtype)
        at += 8 + nbytes

    def storage(kind: t.StorageType, key: str, location: str, count: int) -> t.Storage:
        if key not in found:
            raise ValueError(f"the storage {key[:60]!r} is missing")
        return checked(found[key], kind, count)

    return Reader(storage).run(parts[3])


def _none(*_: object) -> t.Storage:
    raise Refused("it has a tensor where none belongs")


def _length(content: bytes) -> int:
    """Bytes of the pickle that content begins with."""
    for opcode, _, position in pickletools.genops(content):
        if opcode.name == "STOP":
            return int(position or 0) + 1
    raise ValueError("a pickle does not end")
