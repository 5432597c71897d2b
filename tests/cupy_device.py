"""Devices of the look-alike of CuPy (tests/cupy_stand_in.py), and which device and stream are current."""

from __future__ import annotations

import threading


class _Current(threading.local):
    """CuPy's current device, the top of a stack, and each device's current stream: a thread's own."""

    def __init__(self):
        self.stack = [0]
        self.streams = {}  # by device; the null stream where there is none
        self.entered = []  # (device, the stream before), of each block that is open


class Device:
    current = _Current()
    null = None  # the null stream (tests/cupy_streams.py)

    def __init__(self, id=None):
        self.id = Device.now() if id is None else id
        self.attributes = {"MaxSharedMemoryPerBlock": 48 << 10, "MaxSharedMemoryPerBlockOptin": 99 << 10}
        self.attributes["MultiProcessorCount"] = 21
        self.compute_capability = "00"  # for which nobody builds kernels
        self.pci_bus_id = f"0000:{self.id:02x}:00.0"

    def __enter__(self):
        self.current.stack.append(self.id)
        return self

    def __exit__(self, *exc_info):
        self.current.stack.pop()

    def use(self):
        self.current.stack[-1] = self.id

    @classmethod
    def now(cls):
        return cls.current.stack[-1]


def current_stream(device_id=-1):
    """The thread's current stream of a device."""
    return Device.current.streams.get(Device.now() if device_id == -1 else device_id, Device.null)
