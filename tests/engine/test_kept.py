"""What a graph keeps for its backward pass: counted as what goes when the graph goes, and gone after backward."""

import functools
import tracemalloc

import numpy as np
import pytest

from gpunn import Tensor, models, ops
from gpunn.backend import require_cupy
from gpunn.backend.memory import block_of, watched
from gpunn.engine.kept import arrays_kept, bytes_kept, nodes_behind
from gpunn.engine.record import record

KIB = 1024


def leaf(shape, dtype=np.float32):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype), requires_grad=True)


def kept(y, *besides):
    return sum(bytes_kept(nodes_behind([y._node]), besides).values())


@pytest.mark.parametrize(
    ("op", "arrays"),
    [
        (lambda x: x + 1, 0),
        (lambda x: x - x, 0),
        (lambda x: x * 2.0, 0),
        (lambda x: ops.relu(x), 1),
        (lambda x: ops.tanh(ops.tanh(x)), 2),
        (lambda x: ops.exp(x) + ops.exp(x), 2),
        (lambda x: ops.relu(ops.relu(x)[:, ::2]), 1.5),  # a part of the first has all of its memory
        (lambda x: x.reshape(-1).sum(), 0),
        (lambda x: ops.softmax(x, 1), 1),
    ],
)
def test_what_an_op_keeps(op, arrays):
    x = leaf((32, 32))
    assert kept(op(x), x.array) == arrays * 4 * KIB


def test_each_memory_counts_once_and_where_it_is_first_kept():
    x = leaf((16, 16))
    y = ops.tanh(x)
    z = ops.relu(y * y)
    sizes = {node.name: size for node, size in zip(nodes_behind([z._node]), _sizes(z), strict=True)}
    assert sizes == {"leaf": 0, "tanh": KIB, "mul": 0, "relu": KIB}


def _sizes(y):
    return bytes_kept(nodes_behind([y._node])).values()


def test_arrays_in_tuples_dicts_partials_methods_and_functions_are_found():
    held = [np.full(n, 1.0) for n in range(1, 7)]

    class Keeper(tuple):
        def method(self, gy):
            return gy

    def inner(gy):
        return held[0]

    def default(gy, array=held[4]):
        return array

    def backward(gy, needs):
        return inner(gy), parts, unset

    parts = ({"a": held[1]}, functools.partial(np.add, held[2]), Keeper([held[3]]).method, default, [held[5]])
    y = record("odd", np.zeros(1), (leaf(1),), backward)
    assert {len(a) for a in arrays_kept(y._node)} == {1, 2, 3, 4, 5, 6}
    unset = None


@pytest.mark.parametrize("name", ["lenet5", "alexnet_lite", "resnet20"])
def test_the_count_is_what_goes_with_the_graph(name):
    """Measured by the allocations that end when nobody holds the loss: the count misses no holder of an array."""
    model = models.create(name)
    x, labels = np.zeros((16, *models.input_shape(name)), np.float32), np.arange(16) % 10
    ops.cross_entropy(model(x), labels)  # scratch memory and plans exist
    besides = [*(p.array for p in model.parameters()), *(b.array for b in model.buffers()), x, labels]
    tracemalloc.start()
    try:
        loss = ops.cross_entropy(model(x), labels)
        counted = kept(loss, *besides)
        with_it, _ = tracemalloc.get_traced_memory()
        del loss
        without, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counted <= with_it - without <= counted * 1.01 + 64 * KIB  # closures and nodes besides


def test_backward_frees_it_on_the_way():
    x, still = leaf((64, 256)), []

    def probe(gy, needs):
        still.append(sum(bytes_kept(nodes).values()))
        return (gy,)

    with watched("cpu") as use:
        y = x
        for i in range(20):
            y = record("probe", y.array, (y,), probe) if i == 10 else y
            y = ops.tanh(y)
        nodes = nodes_behind([y._node])
        assert kept(y) == 20 * 64 * KIB
        loss = y.sum()
        del y
        loss.backward()
    assert still == [10 * 64 * KIB]  # those before the probe
    assert sum(bytes_kept(nodes).values()) == 0
    assert 20 * 64 * KIB <= use.peak < 24 * 64 * KIB and use.now < 2 * 64 * KIB


def test_memory_is_its_owners():
    a = np.zeros((8, 8))
    assert block_of(a) == block_of(a[1:, ::2].T) == (a.ctypes.data, 512)
    assert block_of(a).key != block_of(a.copy()).key


def test_a_watch_inside_a_watch_and_inside_tracing():
    tracemalloc.start()
    try:
        with watched("cpu") as outer:
            a = np.zeros(100_000, np.uint8)
            del a
            with watched("cpu") as inner:
                b = np.zeros(50_000, np.uint8)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert 50_000 <= inner.peak < 60_000 and 50_000 <= outer.now < 60_000
    assert len(b) == 50_000


def test_on_a_gpu_the_allocator_is_watched(look_alike):
    xp = require_cupy()
    with xp.cuda.using_allocator(xp.cuda.MemoryPool().malloc):
        before = xp.zeros(1000, np.float32)
        with watched("cuda") as outer:
            a = xp.zeros(100_000, np.uint8)
            with watched("cuda") as inner:
                b = xp.zeros(50_000, np.uint8)
                del a, before
    assert block_of(b[5:]) == block_of(b) and 50_000 <= block_of(b).nbytes < 50_512
    assert 50_000 <= inner.peak < 50_512 and 150_000 <= outer.peak < 151_024
    assert 46_000 <= outer.now < 46_512  # what was there before is gone
