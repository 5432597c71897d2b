"""Devices and the one stream of the look-alike of CuPy (tests/cupy_stand_in.py)."""

from __future__ import annotations

import threading


class _Current(threading.local):
    """CuPy's current device, the top of a stack: a thread's own."""

    def __init__(self):
        self.stack = [0]


class Device:
    current = _Current()

    def __init__(self, id):
        self.id = id
        self.attributes = {"MaxSharedMemoryPerBlock": 48 << 10}
        self.compute_capability = "00"  # for which nobody builds kernels

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


class Stream:
    """The null stream, which every call is in."""

    ptr = 0

    def synchronize(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass
