"""A struct by value that has pointers in it, with the arrays that they point to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gpunn.emulator.loader import Parameter
from gpunn.emulator.memory import byte_range


@dataclass(frozen=True)
class Struct:
    """An argument of a launch: a struct by value, and the arrays behind its pointers.

    value: the struct, a structured NumPy scalar of the C++ struct's layout. arrays: by the name of each pointer field
    (uint64, or a subarray of them), the arrays that it points to, in order, None for a null pointer; fewer than the
    field holds leave the rest null. Whatever addresses ``value`` has there are written anew for each run, so that a
    strict launch may work on copies. constant: the fields whose arrays the kernel only reads.
    """

    value: np.void
    arrays: Mapping[str, Sequence[np.ndarray | None]]
    constant: Collection[str] = ()

    def reached(self, kernel: str, name: str) -> Iterator[tuple[Parameter, np.ndarray, int]]:
        """Each array as a parameter of its own, ``table.x[3]``, and the byte of the struct where its address goes.

        Raises TypeError or ValueError for a field or an array that cannot be.
        """
        for field, arrays in self.arrays.items():
            offset, room = self._field(f"{kernel}: {name}", field)
            if len(arrays) > room:
                raise ValueError(f"{kernel}: {name}.{field} holds {room} pointers, got {len(arrays)} arrays")
            for i, array in enumerate(arrays):
                where = f"{name}.{field}[{i}]" if room > 1 else f"{name}.{field}"
                if array is None:
                    continue
                constant = field in self.constant
                if not isinstance(array, np.ndarray):
                    raise TypeError(f"{kernel}: {where} is {type(array).__name__}, expected an array, or None")
                if not constant and not array.flags.writeable:
                    raise ValueError(f"{kernel}: {where} is read-only, and the kernel writes it; pass a copy")
                byte_range(array, f"{kernel}: {where}")
                yield Parameter(where, array.dtype.str[1:], array.itemsize, True, constant), array, offset + 8 * i

    def cleared(self) -> bytes:
        """The struct's bytes with null in every pointer field."""
        copy = np.array(self.value).copy()  # np.array of a np.void alone is a view of the same bytes
        for field in self.arrays.keys() & set(copy.dtype.names or ()):
            copy[field] = 0
        return copy.tobytes()

    def _field(self, where: str, field: str) -> tuple[int, int]:
        """Where a pointer field begins, and how many pointers it holds."""
        fields = self.value.dtype.fields or {}
        if field not in fields or fields[field][0].base != np.uint64:
            known = ", ".join(name for name, found in fields.items() if found[0].base == np.uint64)
            raise ValueError(f"{where} has no pointer field {field!r}; its fields of uint64 are {known or 'none'}")
        kind, offset = fields[field][:2]
        return offset, int(np.prod(kind.shape, dtype=int))
