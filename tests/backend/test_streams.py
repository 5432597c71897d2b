"""Zeros that launches of one stream hand on, and numbers that a capture is fed with."""

import numpy as np
import pytest

from gpunn.backend import capture, streams
from gpunn.cuda.kernel import Kernel
from gpunn.cuda.plans import Call, Launch, Output, Plan, Tickets
from gpunn.cuda.signature import Layout as Of
from gpunn.cuda.signature import layout
from gpunn.emulator import EmulatedArray
from gpunn.errors import CaptureError


def test_tickets_are_zeros_kept_for_the_next_launch():
    first = streams.tickets(streams.EMULATOR, 3)
    assert len(first) >= 3 and not first.any() and first.dtype == np.int32
    assert streams.tickets(streams.EMULATOR, 2) is first
    larger = streams.tickets(streams.EMULATOR, len(first) + 1)
    assert len(larger) > len(first) and not larger.any()
    assert streams.tickets(streams.EMULATOR, 1) is larger


def test_those_of_a_capture_are_its_own():
    """They are zeros from its first replay on, which a launch beside it cannot wait for."""

    class Feed:
        pass

    before = streams.tickets(streams.EMULATOR, 1)
    token = capture.now.set(Feed())
    try:
        assert streams.tickets(streams.EMULATOR, 1) is before
        larger = streams.tickets(streams.EMULATOR, 2 * len(before))
    finally:
        capture.now.reset(token)
    assert len(larger) == 2 * len(before) and streams.tickets(streams.EMULATOR, 1) is before


def test_each_device_and_stream_has_its_own(look_alike):
    assert streams.tickets(0, 1) is streams.tickets(0, 5)
    first = streams.tickets(0, 1)
    with look_alike.cuda.Device(1):
        assert streams.tickets(1, 1) is not first


def a_plan(monkeypatch, function):
    """A plan of one launch that takes x, y and tickets, and calls function(x, y, tickets) in the kernel's place."""
    monkeypatch.setattr(Kernel, "bound", lambda *_: lambda grid, block, args: function(*args))
    for check in ("check_count", "check_memory", "explained"):
        monkeypatch.setattr(Kernel, check, lambda _, *given: given[0])
    x = Of(*layout(EmulatedArray.of(np.ones(4, np.float32))))
    launch = Launch("reduce/sum_parts", {"T": "float", "ACC": "float"}, (1,), (32,), ("x", "y", Tickets(7), 1))
    return Plan(Call("test", "one", "", None), (launch,), {"x": x}, {"y": Output((4,), np.float32)})


def test_a_launch_that_fails_leaves_nobody_its_tickets(monkeypatch):
    seen = []

    def fails(x, y, tickets, *_):
        seen.append(tickets)
        tickets[0] = 5
        raise KeyboardInterrupt

    plan = a_plan(monkeypatch, fails)
    with pytest.raises(KeyboardInterrupt):
        plan(EmulatedArray.of(np.ones(4, np.float32)))
    assert len(seen[0]) >= 7
    assert not streams.tickets(streams.EMULATOR, 7).any()


def test_nothing_is_fed_outside_of_a_capture():
    assert capture.fed(lambda: pytest.fail("called"), np.int64) is None


def test_outside_of_a_capture_nothing_is_asked_or_refused():
    capture.guard(lambda: pytest.fail("asked"))
    capture.refuse("dropout: x is on cpu")


def test_inside_a_capture_the_feed_gives_the_memory():
    class Feed:
        def __init__(self):
            self.guards = []

        def add(self, make, dtype, shape):
            return np.full(shape, make(), dtype)

        def guard(self, holds):
            self.guards.append(holds)

    feed = Feed()
    token = capture.now.set(feed)
    try:
        assert capture.fed(lambda: 3, np.int64, (2,)).tolist() == [3, 3]
        capture.guard(bool)
        assert feed.guards == [bool]
        with pytest.raises(CaptureError, match="dropout: x is on cpu"):
            capture.refuse("dropout: x is on cpu")
    finally:
        capture.now.reset(token)
