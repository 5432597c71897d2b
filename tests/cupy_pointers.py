"""Raw addresses in the look-alike: a struct by value may hold only those of arrays that live, on the current device."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn import emulator

_living: list[weakref.ref[Any]] = []  # without callbacks, which tests/counting.py would count
_room = [1024]
_lock = threading.RLock()


def born(array) -> None:
    """A device array was made."""
    with _lock:  # ranks may be threads
        if len(_living) >= _room[0]:
            forget_dead()
            _room[0] = max(1024, 2 * len(_living))
        _living.append(weakref.ref(array))


def forget_dead() -> None:
    """References to arrays that died are dropped now, not only when there are many."""
    with _lock:
        _living[:] = [reference for reference in _living if reference() is not None]


def bytes_at(ptr: int, size: int) -> tuple[np.ndarray, int] | None:
    """So many bytes from an address on, all in one living array, and that one's device; None where there is none.

    The array that begins there must be contiguous: what lies between its elements is not its own.
    """
    found, begins = None, []
    with _lock:
        living = [reference() for reference in _living]
    for array in living:
        memory = None if array is None else array._memory
        if memory is None or not memory.nbytes:
            continue
        low, high = np.lib.array_utils.byte_bounds(memory)
        whole = memory.flags.c_contiguous or memory.flags.f_contiguous
        if memory.__array_interface__["data"][0] == ptr:
            begins.append(whole)
        if whole and low <= ptr and ptr + size <= high:
            found = memory.ravel("K").view(np.uint8)[ptr - low : ptr - low + size], array.device.id
    assert not begins or any(begins), f"an array at {ptr:#x} is not contiguous"
    return found


def with_arrays(value: np.void) -> emulator.Struct:
    """What CuPy would pass as it is, a struct with addresses (its uint64), with the arrays that lie there.

    Every address must be where a living array of the current device begins.
    """
    fields = list(_pointer_fields(value.dtype))
    starts: dict[int, Any] = {}
    for array in [reference() for reference in _living] if fields else ():
        if array is None:
            continue
        memory = array._memory
        at = memory.__array_interface__["data"][0]
        if memory.nbytes and (at not in starts or starts[at]._memory.nbytes < memory.nbytes):
            starts[at] = array
    found = {}
    for name in fields:
        addresses = np.atleast_1d(value[name]).tolist()
        unknown = [hex(address) for address in addresses if address and address not in starts]
        assert not unknown, f"{name} holds {', '.join(unknown)}, where no living array begins"
        # `_values` asserts that the array's device is the current one
        found[name] = [starts[at]._values.view(emulator.EmulatedArray) if at else None for at in addresses]
    return emulator.Struct(value, found)


def _pointer_fields(dtype: np.dtype) -> Iterator[str]:
    for name, (kind, *_) in (dtype.fields or {}).items():
        if kind.base == np.uint64:
            yield name
