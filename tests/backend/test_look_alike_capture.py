"""The look-alike of CuPy captures graphs: what it records, and what a replay computes."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from tests import counting
from tests.backend.graphs import X, captured, is_poison
from tests.backend.graphs import stream as stream
from tests.backend.graphs import xp as xp

EVERYTHING = {
    "arithmetic": lambda xp, x: (x * 2 + 1) / (x + 1) - 3.0**x,
    "ufunc": lambda xp, x: xp.exp(xp.maximum(x, 2)),
    "numpy scalar first": lambda xp, x: np.float32(2) * x,
    "compare": lambda xp, x: x > 3,
    "sum": lambda xp, x: x.sum(axis=0),
    "sum to one number": lambda xp, x: xp.sum(x),
    "argmax": lambda xp, x: x.argmax(axis=1),
    "astype": lambda xp, x: x.astype(np.float64),
    "column-major copy": lambda xp, x: x.T.copy(),
    "reshape that copies": lambda xp, x: x.T.reshape(-1),
    "slice": lambda xp, x: x[::-1, 1:3] + 0,
    "gather": lambda xp, x: x[x.argmax(axis=0)],
    "take": lambda xp, x: xp.take_along_axis(x, x.argsort(axis=1), 1),
    "concatenate": lambda xp, x: xp.concatenate([x, x[:1]]),
    "stack": lambda xp, x: xp.stack([x, x]),
    "where": lambda xp, x: xp.where(x > 5, x, -x),
    "zeros_like": lambda xp, x: xp.zeros_like(x),
    "ones": lambda xp, x: xp.ones((2, 3), np.float32),
    "full": lambda xp, x: xp.full((2, 3), 7),
    "one number": lambda xp, x: x * xp.asarray(2.0, np.float32),
    "windows": lambda xp, x: xp.lib.stride_tricks.as_strided(x, (3, 3, 2), (16, 4, 4)).sum(axis=2),
    "broadcast": lambda xp, x: xp.broadcast_to(x[:, :1], (3, 5)) * 2,
    "divmod": lambda xp, x: xp.divmod(x, 2),
    "empty": lambda xp, x: x[:0].sum(axis=0),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_replay_computes_into_the_same_memory(name, xp, stream):
    pool, x = xp.cuda.MemoryPool(), xp.asarray(X)
    graph, found = captured(xp, stream, pool, lambda: EVERYTHING[name](xp, x))
    found = found if isinstance(found, tuple) else (found,)
    assert all(is_poison(one) for one in found)
    for add in (0, 1):
        x += add
        graph.launch()
        expected = EVERYTHING[name](xp, x)
        for one, other in zip(found, expected if isinstance(expected, tuple) else (expected,), strict=True):
            assert one.dtype == other.dtype and one.strides == other.strides
            assert one.get().tobytes() == other.get().tobytes()


IN_PLACE = {
    "+=": lambda xp, y: y.__iadd__(1),
    "out": lambda xp, y: xp.multiply(y, 3, out=y),
    "sum, out": lambda xp, y: xp.sum(y, axis=0, out=y[0]),
    "method, out": lambda xp, y: y.max(axis=1, out=y[0, :3]),
    "set a row": lambda xp, y: y.__setitem__(1, 5),
    "set by index": lambda xp, y: y.__setitem__(xp.ones(1, int), y[:1]),
    "fill": lambda xp, y: y.fill(4),
    "add.at": lambda xp, y: xp.add.at(y, xp.zeros(2, int), y[1:]),
    "memset": lambda xp, y: y.data.memset_async(0, 8),
    "memcpy": lambda xp, y: y.data.copy_from_device_async(y[1:].data, 16),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_writes_in_place_runs_at_the_replay_alone(name, xp, stream):
    y, other = xp.asarray(X), xp.asarray(X)
    graph, _ = captured(xp, stream, xp.cuda.MemoryPool(), lambda: IN_PLACE[name](xp, y))
    IN_PLACE[name](xp, other)  # as the warm-up did
    for _ in range(2):
        np.testing.assert_array_equal(y.get(), other.get())
        graph.launch()
        IN_PLACE[name](xp, other)
    np.testing.assert_array_equal(y.get(), other.get())


def test_views_cost_no_node_and_names_are_told(xp, stream):
    x = xp.asarray(X)
    with counting.device_work() as work:
        graph, _ = captured(xp, stream, xp.cuda.MemoryPool(), lambda: (x.T[1:].reshape(3, 3, 1) + 1).sum())
    assert counting.graph_nodes(graph) == ["add", "sum"]
    assert work.launches == {"add": 2, "sum": 2}  # run once, captured once
    with counting.device_work() as work:
        graph.launch()
    assert work.launches == {"graph": 1}
    assert graph.debug_dot_str().count("label") == 2


@pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")
def test_our_kernels_are_recorded_with_their_arguments(xp, stream):
    x, pool = xp.asarray(X.reshape(1, 1, 3, 4)), xp.cuda.MemoryPool()

    def work():
        t = Tensor(x, requires_grad=True)
        y = ops.max_pool2d(ops.relu(t - 4.0), 2)
        y.backward(xp.ones_like(y.array))
        return y.array, t.gradient

    graph, found = captured(xp, stream, pool, work)
    assert {"activation_forward", "staged_max_pool2d_forward"} <= set(counting.graph_nodes(graph))
    for add in (0, 3):
        x += add
        graph.launch()
        for one, other in zip(found, work(), strict=True):
            np.testing.assert_array_equal(one.get(), other.get())


def test_a_kernels_table_of_pointers_keeps_its_addresses(xp, stream):
    if not gpunn.is_available("emulator"):
        pytest.skip("kernels run on the emulator here")
    from gpunn import optim

    p = Tensor(xp.asarray(X), requires_grad=True)
    p.gradient = xp.asarray(np.ones_like(X))
    sgd = optim.SGD([p], 0.5)
    state = {}
    # The rule alone: a step of an optimizer refuses a capture that is not gpunn's.
    graph, _ = captured(
        xp, stream, xp.cuda.MemoryPool(), lambda: sgd.update(p.array, p.gradient, state, sgd.param_groups[0])
    )
    np.testing.assert_array_equal(p.array.get(), X - 0.5)
    p.gradient *= 2
    graph.launch()
    np.testing.assert_array_equal(p.array.get(), X - 1.5)
