"""A thread pool that grows takes no work away from callers of the smaller one."""

from __future__ import annotations

import threading

from gpunn.cpu import threads


def test_work_for_the_pool_before_is_still_done(monkeypatch):
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threads, "_pool_size", 0)
    small = threads._executor(1)
    large = threads._executor(3)  # another caller, before the first has handed in its work
    assert small is not large
    assert small.submit(threading.get_ident).result() != threading.get_ident()
