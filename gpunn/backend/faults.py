"""Numbers out of range on a device: noted there by the kernel that meets one, raised at the next host read.

A kernel cannot raise, and an op that asked it would wait for the device. So what takes labels or places launches with
the record of its device and stream; the first offence is written there, a loss becomes NaN and its gradient 0, a
gradient of no place is dropped, and gpunn.to_numpy, through which Tensors are read, raises IndexError (`RangeError`)
and clears the record. Where no such kernel was launched since the last look, a read costs nothing more. CuPy's own
reads look at no record.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from gpunn.backend import capture
from gpunn.backend.contract import Array
from gpunn.backend.loading import require_cupy, require_emulator
from gpunn.backend.streams import EMULATOR, Place, in_program_capture, place_on
from gpunn.errors import CaptureError, RangeError

FIELDS = 5  # a ticket, 0 between launches; then serial (0: none), number, row and call of the first offence
# From the number, its row, and what is known of the call (the op first) to the error.
Erring: TypeAlias = Callable[..., RangeError]


@dataclass
class Record:
    """What one stream of one device notes; `pending` says that a kernel got it since it was last looked at.

    `replayed`: a graph of the program's own has got it, whose replays nobody announces.
    """

    state: Any
    stream: Any
    pending: bool = False
    replayed: bool = False


_records: dict[Place, Record] = {}
_serials, _ids = itertools.count(1), itertools.count()
_last = 0
_calls: dict[tuple, int] = {}  # (what makes the words, and of what): the number of such calls


def watch(array: Array, erring: Erring, op: str, *known: Any) -> tuple[Any, int, int, Array | None]:
    """(state, serial, call) for a kernel about to be launched on the current stream of `array`'s device.

    A wrong number raises erring(number, row, op, *known); what is known is hashable. While a graph is captured each
    replay has a serial number of its own: in the device memory that comes last.
    """
    global _last
    device = EMULATOR if isinstance(array, np.ndarray) else array.device.id
    (place, stream), by_program = place_on(device), in_program_capture(device)
    record = _records.get(place)
    if record is None:
        if by_program or capture.now.get() is not None:
            raise CaptureError(
                f"{op}: it was never run on this stream, and each replay would clear its record; run it once"
            )
        record = _records[place] = _new_record(array, stream)
    record.replayed |= by_program
    what = (erring, op, *known)
    call = _calls[what] if what in _calls else _calls.setdefault(what, next(_ids))
    if (feed := capture.now.get()) is not None:
        return record.state, 0, call, feed.add(partial(_begin, record), np.int64, ())
    record.pending, _last = True, next(_serials)
    return record.state, _last, call, None


def _begin(record: Record) -> int:
    """The serial number of a replayed launch that may note something in this record."""
    global _last
    record.pending, _last = True, next(_serials)
    return _last


def last_serial() -> int:
    """The serial number of the last call that may have met a wrong number."""
    return _last


def _new_record(array: Any, stream: Any) -> Record:
    if stream is None:
        return Record(require_emulator().EmulatedArray.of(np.zeros(FIELDS, np.int64)), None)
    with array.device:
        return Record(require_cupy().zeros(FIELDS, np.int64), stream)


def check() -> None:
    """Raise the RangeError of the first offence that a kernel noted since the last look, if there is one."""
    for (_, _, thread), record in list(_records.items()):
        mine = thread in (0, threading.get_ident())  # what only another thread can wait for is its own
        if mine and (record.pending or record.replayed):
            record.pending = False
            if record.stream is None:
                _look(record, np.asarray)
            else:  # in the kernel's own stream, so that it has finished
                with capture.alone(), record.state.device, record.stream:
                    _look(record, require_cupy().asnumpy)


def _look(record: Record, read: Any) -> None:
    _, serial, number, row, call = read(record.state).tolist()
    if serial:
        record.state[...] = 0
        erring, *known = next(what for what, noted in _calls.items() if noted == call)
        error = erring(number, row, *known)
        error.call = serial
        raise error
