"""Memory of the look-alike of CuPy: pools, poison, pinned memory, and what a graph owns."""

import ctypes
import gc
import weakref

import numpy as np
import pytest

from tests import counting, cupy_pointer
from tests.backend.graphs import X, captured, is_poison
from tests.backend.graphs import stream as stream
from tests.backend.graphs import xp as xp


def test_blocks_are_rounded_split_merged_and_of_one_stream(xp, stream):
    pool = xp.cuda.MemoryPool()
    with stream, xp.cuda.using_allocator(pool.malloc):
        a = xp.empty(1000, np.uint8)
        assert (pool.used_bytes(), pool.total_bytes(), pool.free_bytes(), pool.n_free_blocks()) == (1024, 1024, 0, 0)
        at = a.data.ptr
        del a
        assert (pool.used_bytes(), pool.free_bytes(), pool.n_free_blocks()) == (0, 1024, 1)
        b, c = xp.empty(1, np.uint8), xp.empty(1, np.uint8)
        assert (b.data.ptr, c.data.ptr, pool.total_bytes()) == (at, at + 512, 1024)
        view = b[:]
        del b, c
        pool.free_all_blocks()
        assert pool.total_bytes() == 1024, "a block that is split is kept"
        del view
        assert pool.n_free_blocks() == 1
        with xp.cuda.Stream(non_blocking=True):
            d = xp.empty(600, np.uint8)
        assert pool.total_bytes() == 2048 and d.data.ptr != at
        pool.free_all_blocks()
        assert pool.total_bytes() == 1024


def test_a_capture_lives_on_the_free_blocks(xp, stream):
    pool, x = xp.cuda.MemoryPool(), xp.asarray(X)
    with stream, xp.cuda.using_allocator(pool.malloc):
        xp.empty(1024, np.uint8)
        stream.begin_capture()
        first, second = x + 1, x + 2  # halves of the one block
        with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="Unsupported"):
            x + 3
        with pytest.raises(xp.cuda.runtime.CUDARuntimeError):
            stream.end_capture()
    assert second.data.ptr == first.data.ptr + 512 and pool.total_bytes() == 1024


def test_out_of_memory(xp, stream):
    pool = xp.cuda.MemoryPool()
    error = xp.cuda.memory.OutOfMemoryError
    with stream, xp.cuda.using_allocator(pool.malloc), cupy_pointer.limit(2048):
        kept = xp.empty(1024, np.uint8)
        xp.empty(600, np.uint8)
        assert xp.empty(700, np.uint8).size == 700
        with pytest.raises(error, match=r"Out of memory allocating 1,536 bytes \(allocated so far: 1,024 bytes\)"):
            xp.empty(1100, np.uint8)
        assert pool.total_bytes() == 1024, "free blocks were given back before it gave up"
        pool.set_limit(size=1500)
        with pytest.raises(error, match=r"limit set to: 1,500 bytes"):
            xp.empty(600, np.uint8)
    assert kept.size == 1024


def test_what_is_freed_is_poison(xp, stream):
    pool = xp.cuda.MemoryPool()
    with stream, xp.cuda.using_allocator(pool.malloc):
        a = xp.asarray(X)
        again = xp.ndarray((3, 4), np.float32, xp.cuda.MemoryPointer(xp.cuda.UnownedMemory(a.data.ptr, 48, None, 0), 0))
        np.testing.assert_array_equal(again.get(), X)
        del a
        assert is_poison(again)


def test_a_graph_keeps_nothing_alive(xp, stream):
    for where in ("pool", "NumPy's memory"):
        pool, out = xp.cuda.MemoryPool(), xp.empty((3, 4), np.float32)
        with stream, xp.cuda.using_allocator(pool.malloc if where == "pool" else xp.cuda.get_allocator()):
            if where == "pool":
                x = xp.asarray(X)
        if where != "pool":
            x = xp.asarray(X)
        graph, _ = captured(xp, stream, pool, lambda x=x, out=out: out.__setitem__(slice(None), x))
        graph.launch()
        np.testing.assert_array_equal(out.get(), X)
        del x
        gc.collect()
        graph.launch()
        assert is_poison(out), where


def test_a_graph_keeps_no_owner_of_foreign_memory_alive(xp, stream):
    """An allocator of one's own that passes on a pool's memory: its blocks come back inside the capture too."""
    pool, x, given = xp.cuda.MemoryPool(), xp.asarray(X), []

    class Block:
        def __init__(self, pointer):
            self.pointer = pointer

    def passed_on(size):
        block = Block(pool.malloc(size))
        given.append(weakref.ref(block))
        return xp.cuda.MemoryPointer(xp.cuda.UnownedMemory(block.pointer.ptr, size, block, 0), 0)

    with stream, xp.cuda.using_allocator(passed_on):
        (x + 1) + 2
        stream.begin_capture()
        found = ((x + 1) * 2 - 3) * 4
        graph = stream.end_capture()
    assert [reference() is None for reference in given[-4:]] == [True, True, True, False]
    graph.launch()
    np.testing.assert_array_equal(found.get(), ((X + 1) * 2 - 3) * 4)
    assert pool.total_bytes() == 1024


def test_a_pointer_into_numpys_memory_keeps_the_bytes(xp, stream):
    given, out = [xp.asarray(X)], xp.empty(12, np.float32)
    graph, _ = captured(xp, stream, xp.cuda.MemoryPool(), lambda: out.data.copy_from_device_async(given[0].data, 48))
    given.clear()
    gc.collect()
    graph.launch()
    np.testing.assert_array_equal(out.get(), X.reshape(-1))


def test_a_graph_outlives_its_pool_as_poison(xp, stream):
    pool, x, out = xp.cuda.MemoryPool(), xp.asarray(X), xp.empty((3, 4), np.float32)
    with stream, xp.cuda.using_allocator(pool.malloc):
        y = x + 1
        x + 2  # what the capture needs
        stream.begin_capture()
        out[...] = y
        graph = stream.end_capture()
    graph.launch()
    np.testing.assert_array_equal(out.get(), X + 1)
    del pool, y
    gc.collect()
    graph.launch()
    assert is_poison(out)


def test_memory_freed_inside_a_capture_is_poison_from_there_on(xp, stream):
    pool, x, out = xp.cuda.MemoryPool(), xp.asarray(X), xp.empty((3, 4), np.float32)

    def work(is_wrong):
        y = x + 1
        pointer = xp.cuda.MemoryPointer(xp.cuda.UnownedMemory(y.data.ptr, 48, None, 0), 0)
        again = xp.ndarray((3, 4), np.float32, pointer)
        if is_wrong:
            del y
        out[...] = again

    for is_wrong in (False, True):
        graph, _ = captured(xp, stream, pool, lambda is_wrong=is_wrong: work(is_wrong))
        assert counting.graph_nodes(graph) == ["add", "setitem"]
        graph.launch()
        assert is_poison(out) == is_wrong


def test_a_block_from_before_a_capture_goes_to_whoever_comes_next(xp, stream):
    pool, x = xp.cuda.MemoryPool(), xp.asarray(X)
    with stream, xp.cuda.using_allocator(pool.malloc):
        before, out = x + 1, x + 2
        stream.begin_capture()
        out[...] = before
        del before
        graph = stream.end_capture()
        graph.launch()
        assert is_poison(out), "it read what was freed"
        after = x + 3
        graph.launch()
        np.testing.assert_array_equal(after.get(), X + 3)


def test_pinned_memory_is_the_hosts_and_the_devices(xp, stream):
    pinned = xp.cuda.alloc_pinned_memory(1000)
    host = np.frombuffer(pinned, np.float32, 250)
    pointer = xp.cuda.MemoryPointer(xp.cuda.UnownedMemory(pinned.ptr, 1000, pinned), 0)
    device = xp.ndarray((250,), np.float32, pointer)
    host[...] = 3
    assert (device + 1).sum().item() == 1000 and pinned.size() == 1024
    graph, _ = captured(xp, stream, xp.cuda.MemoryPool(), lambda: device.__imul__(2))
    host[0] = 7
    graph.launch()
    assert host[0] == 14 and host[1] == 12
    at = xp.cuda.runtime.hostAlloc(64, xp.cuda.runtime.hostAllocMapped)
    other = xp.ndarray((16,), np.int32, xp.cuda.MemoryPointer(xp.cuda.UnownedMemory(at, 64, None, 0), 0))
    other[...] = 5
    assert (ctypes.c_int32 * 16).from_address(at)[15] == 5
    del other
    xp.cuda.runtime.freeHost(at)


def test_allocators(xp):
    sizes = []

    def mine(size):
        sizes.append(size)
        return pool.malloc(size)

    pool = xp.cuda.MemoryPool()
    default = xp.cuda.get_allocator()
    assert default == xp.get_default_memory_pool().malloc
    with xp.cuda.using_allocator(mine):
        assert xp.cuda.get_allocator() is mine
        with pytest.raises(ValueError, match="Can't change the global allocator"):
            xp.cuda.set_allocator(None)
        xp.zeros(3, np.float32)
    xp.cuda.set_allocator(mine)
    xp.ones(5, np.float32)
    xp.cuda.set_allocator(default)
    xp.ones(7, np.float32)
    assert sizes == [12, 20]
