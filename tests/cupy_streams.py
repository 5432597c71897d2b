"""Streams and events of the look-alike of CuPy: outside of a capture everything has run when a call returns."""

from __future__ import annotations

import itertools
import threading

from tests import cupy_capture, cupy_errors, cupy_flights
from tests.cupy_device import Device, current_stream
from tests.cupy_errors import CUDARuntimeError

_handles = itertools.count(0x1000, 0x100)
NULL, PER_THREAD = 0, 2
_devices = {}  # of streams, by handle
busy = {}  # streams, by handle, in which a call of NCCL's waits for other ranks, and what for


class _Unlaunched(threading.local):
    """Streams, by handle, for which a thread's open group of NCCL's has calls that are not there yet."""

    def __init__(self):
        self.streams = set()

    def check(self, ptr):
        assert ptr not in self.streams, "a stream is asked for what an open group of NCCL's has not launched"


unlaunched = _Unlaunched()


def device_of(ptr):
    """A stream's device; -1 for that which is current when it is used."""
    return _devices.get(ptr, -1)


class Stream:
    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = NULL if null else PER_THREAD if ptds else next(_handles)
        self.device_id = _devices[self.ptr] = -1 if null or ptds else Device.now()
        self.is_non_blocking = non_blocking

    def __eq__(self, other):
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self):
        return self.ptr

    def _check_device(self):
        if self.device_id not in (-1, Device.now()):
            raise RuntimeError(
                f"The device that the stream is created on ({self.device_id})"
                f" does not match with the current device ({Device.now()})"
            )
        return Device.now()

    def __enter__(self):
        device = self._check_device()
        Device.current.entered.append((device, current_stream()))
        Device.current.streams[device] = self
        return self

    def __exit__(self, *exc_info):
        device, before = Device.current.entered.pop()
        Device.current.streams[device] = before

    def use(self):
        Device.current.streams[self._check_device()] = self
        return self

    @property
    def done(self):
        return _asked(cupy_capture.of(self.ptr))

    def synchronize(self):
        unlaunched.check(self.ptr)
        capture = cupy_capture.of(self.ptr)
        if capture is not None:
            raise capture.fail(cupy_errors.UNSUPPORTED)
        cupy_flights.land_in(self.ptr)

    def launch_host_func(self, callback, arg):
        capture = cupy_capture.of(self.ptr)
        if capture is None:
            callback(arg)
        else:
            capture.record("host", lambda: callback(arg))

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        cupy_flights.land(event._flights)
        mine, other = cupy_capture.of(self.ptr), event._capture
        if other is None:
            if mine is not None and event._stream is not None:  # recorded before, or in a stream that does not capture
                raise mine.fail(cupy_errors.ISOLATION)
        elif mine is None:
            other.join(self)
        elif mine is not other:
            raise mine.fail(cupy_errors.MERGE)
        elif self.ptr == mine.origin.ptr:
            mine.unjoined.discard(event._stream)

    def begin_capture(self, mode=None):
        if self.ptr in (NULL, 1):
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if cupy_capture.of(self.ptr) is not None:
            raise CUDARuntimeError(cupy_errors.ILLEGAL_STATE)
        mode = cupy_capture.RELAXED if mode is None else mode
        cupy_capture._live[self.ptr] = cupy_capture.Capture(self, mode)

    def end_capture(self):
        capture = cupy_capture.of(self.ptr)
        if capture is None:
            raise CUDARuntimeError(cupy_errors.ILLEGAL_STATE)
        return capture.end(self)

    def is_capturing(self):
        return cupy_capture.is_capturing(self)


Stream.null = Stream(null=True)
Stream.ptds = Stream(ptds=True)
Device.null = Stream.null
Device.synchronize = lambda self: cupy_capture.refuse_wait(self.id)


class ExternalStream(Stream):
    def __init__(self, ptr, device_id=-1):
        self.ptr, self.device_id, self.is_non_blocking = ptr, device_id, True


class Event:
    def __init__(self, block=False, disable_timing=False, interprocess=False):
        if interprocess and not disable_timing:
            raise ValueError("Timing must be disabled for interprocess events")
        self.ptr = next(_handles)
        self._stream = self._recorded = self._behind = None
        self._flights = ()

    @property
    def _capture(self):
        """The capture that the event was recorded in, as long as it goes on."""
        found = None if self._recorded is None else cupy_capture.of(self._recorded.origin.ptr)
        return found if found is self._recorded else None

    def record(self, stream=None):
        stream = current_stream() if stream is None else stream
        unlaunched.check(stream.ptr)
        self._stream, self._recorded = stream.ptr, cupy_capture.of(stream.ptr)
        self._behind = busy.get(stream.ptr)
        self._flights = tuple(cupy_flights.flying.get(stream.ptr, ()))

    @property
    def done(self):
        if not _asked(self._capture) or (self._behind is not None and busy.get(self._stream) is self._behind):
            return False
        cupy_flights.land(self._flights)
        return True

    def synchronize(self):
        if self._capture is not None:
            raise self._capture.fail(cupy_errors.CAPTURED_EVENT)
        cupy_flights.land(self._flights)


def _asked(capture):
    """CuPy's answer to "is it done?": not in a capture, and asking spoils that."""
    if capture is not None:
        capture.is_valid = False
    return capture is None
