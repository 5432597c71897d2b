"""Functions on plain arrays: on each device, in each type and memory order, captured, and with nothing to read."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import ops
from gpunn.asked import dtype_of
from gpunn.backend import capture
from tests import counting
from tests.backend.graphs import Feed, captured
from tests.ops.array_calls import CALLS, EACH, GY, WEIGHT, X, called

# Each type has kernels of its own to be built.
TYPES = ["float64", "float32", "float16", "bfloat16"] if os.environ.get("CI") else ["float32"]
EMULATED = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")
PLACES = ["cpu", pytest.param("emulator", marks=EMULATED)]


def same(found, wanted, eps: float = 2.0**-23):
    """Whether results are those wanted, to some roundings of the largest."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        got, want = np.asarray(gpunn.to_numpy(one)), np.asarray(other)
        assert got.shape == want.shape
        if want.dtype.kind != "f":
            np.testing.assert_array_equal(got, want)
            continue
        largest = np.abs(want).max(initial=1.0)
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=0, atol=100 * eps * largest)


def on(device, dtype: object = np.float32):
    return lambda a: gpunn.to_device(a.astype(dtype) if a.dtype == np.float64 else a, device)


@EMULATED
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", CALLS)
def test_kernels_give_what_the_cpu_gives(name, dtype):
    kind = dtype_of("bf16") if dtype == "bfloat16" else np.dtype(dtype)
    rounded = called(name, lambda a: a.astype(kind).astype(a.dtype))
    found = called(name, on("emulator", kind))
    assert all(one.dtype == kind for one in found if one.dtype.kind in "fV" and one.shape == X.shape)
    same(found, rounded, {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-16, "bfloat16": 2.0**-13}[dtype])


@EMULATED
@pytest.mark.parametrize("name", CALLS)
def test_memory_of_any_order(name):
    wanted = called(name, on("cpu"))

    def last(a):
        a = on("emulator")(a)
        return a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2) if a.ndim == 4 else a

    def apart(a):
        return on("emulator")(np.repeat(a, 2, axis=-1))[..., ::2]

    same(called(name, last), wanted)
    same(called(name, apart), wanted)


@pytest.mark.parametrize("name", CALLS)
def test_launches_reads_and_captures(name, look_alike):
    xp = look_alike
    function, arguments, launches = CALLS[name]
    given = [on("cuda")(a) if isinstance(a, np.ndarray) else a for a in arguments]
    found = function(*given)
    with counting.device_work() as work:
        function(*given)
    assert sum(work.launches.values()) == launches, str(work)
    assert not work.reads and not work.copies
    stream, pool = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool()
    graph, held = captured(xp, stream, pool, lambda: function(*given))
    graph.launch(stream)
    found, held = (one if isinstance(one, tuple) else (one,) for one in (found, held))
    for one, other in zip(found, held, strict=True):
        if hasattr(one, "get"):
            assert one.get().tobytes() == other.get().tobytes()


# ---------------------------------------------------------------- batch norm
@pytest.mark.parametrize("device", PLACES)
@pytest.mark.parametrize("per_activation", [False, True])
def test_batch_norm_of_16_bits_beside_float32(per_activation, device):
    give, wide = on(device, np.float16), on(device)
    w, m, v = (wide(np.abs(a) + 0.5) for a in ([EACH] * 3 if per_activation else [WEIGHT] * 3))
    y, mean, rstd = ops.batch_norm_forward(give(X), m, v, w, w, per_activation=per_activation)
    gx, gw, gb = ops.batch_norm_backward(give(GY), give(X), w, mean, rstd=rstd, per_activation=per_activation)
    assert [one.dtype.name for one in (y, mean, rstd, gx, gw, gb)] == ["float16", *["float32"] * 2, "float16",
                                                                       *["float32"] * 2]  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("per_activation", [True, False])
def test_an_empty_batch_has_no_statistics(training, per_activation):
    w = EACH if per_activation else WEIGHT
    mean, var = w.copy(), w.copy()
    y, m, r = ops.batch_norm_forward(X[:0], mean, var, w, w, training, per_activation=per_activation)
    assert y.shape == (0, 8, 3, 4) and m.shape == r.shape == w.shape and np.isfinite(r).all()
    np.testing.assert_array_equal((mean, var), (w, w))
    gx, gw, gb = ops.batch_norm_backward(GY[:0], X[:0], w, m, rstd=r, training=training, per_activation=per_activation)
    assert gx.shape == y.shape and not gw.any() and not gb.any()


def test_running_statistics_move_in_any_memory_order():
    """Samples channels-last, statistics row-major: what moves is the user's own array."""
    last = X.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    wanted = EACH.copy(), EACH.copy()
    found = EACH.copy(), np.repeat(EACH, 2, axis=-1)[..., ::2]
    for x, running in ((X, wanted), (last, found)):
        y = ops.batch_norm_forward(x, *running, per_activation=True)[0]
        assert y.strides == x.strides
    same(found, wanted, 2.0**-52)
    assert not np.array_equal(wanted[0], EACH)


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("device", PLACES)
def test_a_state_gives_its_mask_again(device):
    x, gy = on(device)(X), on(device)(GY)
    gpunn.manual_seed(3)
    wanted = ops.dropout(x, 0.3), gpunn.random.get_state()
    gpunn.manual_seed(3)
    y, state = ops.dropout_forward(x, 0.3)
    assert gpunn.random.get_state() == wanted[1], "the stream goes on as dropout's does"
    np.testing.assert_array_equal(gpunn.to_numpy(y), gpunn.to_numpy(wanted[0]))
    mask = gpunn.to_numpy(ops.dropout_mask(state, 0.3, x))
    assert mask.dtype == bool and np.array_equal(mask, gpunn.to_numpy(y) != 0) and 0 < mask.mean() < 1
    for told in (state, ops.dropout_mask(state, 0.3, x)):
        gx = gpunn.to_numpy(ops.dropout_backward(gy, told, 0.3))
        np.testing.assert_allclose(gx, GY.astype(np.float32) * mask / 0.7, rtol=1e-6)


@pytest.mark.parametrize("device", PLACES)
def test_a_mask_is_rounded_once_as_a_state_is(device):
    kind, draw = np.dtype("float16"), gpunn.random.Draw(0, 0, 0)
    gy = on(device, kind)(GY)
    for p in (0.3, 1 - 1e-6):  # past float16 it is infinite, without a warning
        by_mask = ops.dropout_backward(gy, ops.dropout_mask(draw, p, gy), p)
        np.testing.assert_array_equal(gpunn.to_numpy(by_mask), gpunn.to_numpy(ops.dropout_backward(gy, draw, p)))
        assert by_mask.dtype == kind
    everything = ops.dropout_backward(gy, gpunn.to_device(np.ones(GY.shape, bool), device), p)
    assert np.isinf(gpunn.to_numpy(everything)).any()


@pytest.mark.parametrize("device", PLACES)
def test_dropping_nothing_and_all(device):
    x, before = on(device)(X), gpunn.random.get_state()
    y, state = ops.dropout_forward(x, 0)
    assert y is x and gpunn.random.get_state() == before
    assert gpunn.to_numpy(ops.dropout_mask(state, 0, x)).all() and ops.dropout_backward(y, state, 0) is y
    y, state = ops.dropout_forward(x, 1)
    assert not gpunn.to_numpy(y).any() and not gpunn.to_numpy(ops.dropout_mask(state, 1, x)).any()
    assert not gpunn.to_numpy(ops.dropout_backward(x, ops.dropout_mask(state, 1, x), 1)).any()
    out = np.empty_like(x)
    assert ops.dropout_forward(x, 0.5, out=out)[0] is out and ops.dropout_forward(x, 0, out=out)[0] is out
    assert ops.dropout_forward(x[:0], 0.5)[0].shape == (0, 8, 3, 4)


def test_a_captured_step_drops_other_elements_at_each_replay(look_alike):
    xp, x = look_alike, on("cuda")(X)
    stream, feed = xp.cuda.Stream(non_blocking=True), Feed(xp)
    with stream, xp.cuda.using_allocator(xp.cuda.MemoryPool().malloc):
        y, state = ops.dropout_forward(x, 0.5)
        ops.dropout_backward(y, state, 0.5)
        token = capture.now.set(feed)
        stream.begin_capture()
        try:
            y, state = ops.dropout_forward(x, 0.5)
            gx = ops.dropout_backward(x, state, 0.5)
        finally:
            capture.now.reset(token)
            graph = stream.end_capture()
    gpunn.manual_seed(7)
    masks = []
    for _ in range(2):
        feed.fill()
        graph.launch(stream)
        np.testing.assert_array_equal(gpunn.to_numpy(y), gpunn.to_numpy(gx))
        masks.append(gpunn.to_numpy(y))
    gpunn.manual_seed(7)
    for mask in masks:
        np.testing.assert_array_equal(mask, gpunn.to_numpy(ops.dropout(x, 0.5)))


# ---------------------------------------------------------------- activations
def test_what_a_slope_does_not_read_may_be_none():
    y = ops.relu(X)
    np.testing.assert_array_equal(ops.relu_backward(GY, None, y), ops.relu_backward(GY, X, y))
    np.testing.assert_array_equal(ops.gelu_backward(GY, X, None), ops.gelu_backward(GY, X, ops.gelu(X)))


@pytest.mark.parametrize("device", PLACES)
def test_a_gradient_that_does_not_pass_is_0_whatever_it_was(device):
    x, gy = (on(device)(np.array(a)) for a in ([-1.0, 9.0, np.nan, 1.0], [np.inf, np.nan, 2.0, 3.0]))
    for name in ("relu6", "hardtanh"):
        gx = gpunn.to_numpy(getattr(ops, f"{name}_backward")(gy, x, None))
        assert gx[:3].tolist() == [0, 0, 2], name


@EMULATED
def test_a_ceiling_that_16_bits_do_not_hold():
    x = gpunn.to_device(np.array([0.05, 0.3], np.float16), "emulator")
    y = ops.clipped_relu(x, 0.1)
    assert float(y[1]) < 0.1, "the case would be no case"
    assert ops.clipped_relu_backward(np.ones_like(x), x, y, 0.1).tolist() == [1, 0]
