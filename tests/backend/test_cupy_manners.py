"""What a program on plain CuPy arrays counts on: its stream, device, allocator and capture, and that nothing waits."""

import re
from functools import partial

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, backend, ops, optim
from gpunn.cuda import resample
from gpunn.errors import CaptureError
from tests import counting
from tests.backend.graphs import captured
from tests.backend.graphs import stream as stream
from tests.backend.graphs import xp as xp
from tests.ops.test_devices import CALLS, W4, X, moved, tensors

# Ops that CuPy's own functions still compute in part: as those, they want the arrays' device to be the current one.
CUPYS = {"binary_cross_entropy_with_logits", "concatenate", "stack", "greater", "l1_loss", "logsumexp",
         "mse_loss", "pad and crop", "prelu", "var", "where"}  # fmt: skip
CUPYS |= {"cdist", "diag", "diag_embed", "dstack", "flip", "gather", "hstack", "index_add", "index_copy", "index_fill",
          "index_select", "masked_fill", "masked_select", "repeat", "repeat_interleave", "roll", "rot90", "scatter",
          "scatter_add", "take", "take_along_dim", "tile", "tril", "triu", "vstack"}  # fmt: skip
CUPYS |= {"alpha_dropout", "channel_shuffle", "embedding", "feature_alpha_dropout", "fold", "max_unpool1d",
          "max_unpool2d", "max_unpool3d", "pixel_shuffle", "pixel_unshuffle", "unfold"}  # fmt: skip
CUPYS |= {name for name in CALLS if name.endswith("_loss")} - {"cross_entropy", "ctc_loss", "nll_loss"}
CUPYS |= {"binary_cross_entropy", "glu", "kl_div", "rrelu"}
CUPYS |= {"acos", "acosh", "addcdiv", "addcmul", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "clamp_max",
          "clip by arrays", "cos", "cosh", "cosine_similarity", "cumprod", "cumsum", "div, rounded", "exp2", "fmod",
          "frac", "hypot", "kthvalue", "lerp", "lerp by arrays", "log10", "log2", "logaddexp", "median",
          "median of all", "mode", "nan_to_num", "nanmean", "nansum", "norm of order -inf", "norm of order 3", "pdist",
          "reciprocal", "round of decimals", "sin", "sinh", "sort", "std", "std of some axes", "std_mean", "tan",
          "topk", "trunc", "var_mean"}  # fmt: skip
# What a program's own capture has no use for, by the words in which it is refused.
NOT_CAPTURED = {
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d"), "each replay would drop the same elements"),
    **dict.fromkeys(("alpha_dropout", "feature_alpha_dropout"), "each replay would drop the same elements"),
    "stochastic_depth": "each replay would drop the same elements",
    "rrelu": "each replay would repeat the slopes",
    # Their indices, places or noise come from the host.
    **dict.fromkeys(("gumbel_softmax", "pdist"), "H2D transfers are disallowed"),
    "masked_select": "D2H transfers are disallowed",  # how many there are
}


def arguments_of(name, device="cuda"):
    function, *arguments = CALLS[name]
    return function, [moved(a, device) for a in arguments]


def values(y):
    return gpunn.to_numpy(y)


# ---------------------------------------------------------------- nothing waits
@pytest.mark.parametrize("name", sorted(set(CALLS) - {"masked_select"}))  # whose shape is a number of the device's
def test_no_call_waits_for_the_device(name, look_alike):
    function, *arguments = CALLS[name]
    inputs = tensors(arguments, "cuda")
    y = function(*inputs)
    gy = y.array.copy()
    with counting.device_work() as work:
        y = function(*inputs)
        if y.requires_grad:
            y.backward(gy)
    assert not work.reads, str(work)


# ---------------------------------------------------------------- streams and captures
@pytest.mark.parametrize("name", sorted(set(CALLS) - set(NOT_CAPTURED)))
def test_a_programs_own_graph(name, xp, stream):
    """A capture of CuPy's around a call; its replay reads the inputs as they are then."""
    function, arguments = arguments_of(name)
    pool = xp.cuda.MemoryPool()
    graph, y = captured(xp, stream, pool, lambda: function(*arguments))
    changed = [a for a in arguments if isinstance(a, xp.ndarray) and a.dtype.kind == "f"]
    for a in changed:
        a *= 0.5
    graph.launch(stream)
    stream.synchronize()
    np.testing.assert_array_equal(values(y), values(function(*arguments)))


@pytest.mark.parametrize("name", sorted(NOT_CAPTURED))
def test_what_a_programs_own_graph_would_repeat_is_refused(name, xp, stream):
    function, arguments = arguments_of(name)
    with pytest.raises(RuntimeError, match=NOT_CAPTURED[name]):
        captured(xp, stream, xp.cuda.MemoryPool(), lambda: function(*arguments))


def test_a_wrong_index_in_a_programs_own_graph_is_told_at_each_replay(xp, stream):
    gy, indices, pool = moved(X[:, :, :2, :2], "cuda"), xp.zeros((2, 4, 2, 2), np.int64), xp.cuda.MemoryPool()
    with pytest.raises(CaptureError, match="max_pool2d_backward: it was never run on this stream"), stream:
        stream.begin_capture()
        try:
            ops.max_pool2d_backward(gy, indices, (2, 4, 6, 6))
        finally:
            stream.end_capture()
    graph, gx = captured(xp, stream, pool, lambda: ops.max_pool2d_backward(gy, indices, (2, 4, 6, 6)))
    graph.launch(stream)
    stream.synchronize()
    assert values(gx).any()
    indices[1, 2, 0, 0] = 36
    for _ in range(2):
        graph.launch(stream)
        stream.synchronize()
        with pytest.raises(IndexError, match=r"max_pool2d_backward: indices.1, 2, 0, 0. is 36, expected 0 to 35 in a "):
            values(gx)
    assert values(gx).any()


def test_what_a_programs_own_graph_reads_outlasts_the_known_shapes(xp, stream):
    x, pool = moved(X, "cuda"), xp.cuda.MemoryPool()
    call = partial(ops.interpolate, x, (9, 5), mode="bilinear")
    graph, y = captured(xp, stream, pool, call)
    resample._kept.clear()  # as many other shapes would do
    with stream, xp.cuda.using_allocator(pool.malloc):
        room = [xp.full(size, 7, np.uint8) for size in (24, 40, 512) for _ in range(40)]
    graph.launch(stream)
    stream.synchronize()
    assert room
    np.testing.assert_array_equal(values(y), values(call()))


def test_an_optimisers_step_is_refused_in_a_programs_own_graph(xp, stream):
    p = Tensor(moved(X, "cuda"), requires_grad=True)
    p.gradient = p.array * 1
    adam = optim.Adam([p])
    with pytest.raises(CaptureError, match=r"each replay would take the numbers of this step; capture it with"):
        captured(xp, stream, xp.cuda.MemoryPool(), adam.step)


def test_what_a_capture_made_is_not_kept_for_later(xp):
    """Tickets that a graph zeroes hold nothing before its first replay."""
    x, pool = moved(X, "cuda"), xp.cuda.MemoryPool()
    stream = xp.cuda.Stream(non_blocking=True)
    with stream, xp.cuda.using_allocator(pool.malloc):
        room = [xp.empty(1 << 16) for _ in range(9)]  # what the capture takes is in the pool
    del room
    with stream, xp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        in_graph = ops.batch_norm(x, None, None, training=True)
        graph = stream.end_capture()
        eager = values(ops.batch_norm(x, None, None, training=True))
        graph.launch(stream)
        stream.synchronize()
    np.testing.assert_array_equal(eager, values(in_graph))
    np.testing.assert_array_equal(eager, values(ops.batch_norm(x, None, None, training=True)))


def test_another_librarys_stream(xp, stream):
    x, external = moved(X, "cuda"), xp.cuda.ExternalStream(stream.ptr)
    with external, xp.cuda.using_allocator(xp.cuda.MemoryPool().malloc):
        ops.relu(x)
        stream.begin_capture()
        y = ops.relu(x)
        graph = stream.end_capture()
    assert counting.graph_nodes(graph) == ["activation_forward"]
    graph.launch(stream)
    stream.synchronize()
    np.testing.assert_array_equal(values(y), np.maximum(values(x), 0))


def test_a_stream_of_another_device(xp):
    with xp.cuda.Device(1):
        there = xp.cuda.Stream(non_blocking=True)
    x = moved(X, "cuda")
    words = (
        "the arrays are on cuda:0, but the current stream is one of cuda:1, to which their kernels cannot go; enter a "
        "stream of cuda:0, or cupy.cuda.Device(0)"
    )
    with xp.cuda.Device(1), there, counting.device_work() as work, pytest.raises(ValueError, match=re.escape(words)):
        ops.relu(x)
    assert not work.launches
    here = xp.cuda.Stream(non_blocking=True)
    with here, xp.cuda.Device(1), there:  # each device has a current stream, and the arrays' own is the one
        y = ops.relu(x)
    np.testing.assert_array_equal(values(y), np.maximum(values(x), 0))


# ---------------------------------------------------------------- devices
@pytest.mark.parametrize("name", sorted(set(CALLS) - CUPYS))
def test_the_arrays_device_is_where_a_call_runs(name, xp):
    function, *arguments = CALLS[name]
    with xp.cuda.Device(1):
        there = [moved(a, "cuda:1") for a in arguments]
    y = function(*there)
    assert y.device.id == 1
    with xp.cuda.Device(1):
        got = values(y)
    np.testing.assert_array_equal(got, values(function(*[moved(a, "cuda") for a in arguments])))


def test_arrays_of_two_devices(xp):
    x = moved(X, "cuda")
    with xp.cuda.Device(1):
        w = moved(W4, "cuda:1")
    with counting.device_work() as work:
        with pytest.raises(ValueError, match=r"conv2d: x is on cuda but w is on cuda:1; move one"):
            ops.conv2d(x, w, groups=2)
        with pytest.raises(ValueError, match="add: the inputs are on cuda and cuda:1"):
            ops.add(x[:1, :1, :3, :3], w[:1, :1])
    assert not work.launches


# ---------------------------------------------------------------- memory
def test_results_come_from_the_current_allocator(xp):
    given = []
    pool = xp.cuda.MemoryPool()

    def malloc(size):
        given.append(pool.malloc(size))
        return given[-1]

    x, w = moved(X, "cuda"), moved(W4, "cuda")
    ops.conv2d(x, w, groups=2)
    with xp.cuda.using_allocator(malloc):
        y = ops.conv2d(x, w, groups=2)
    assert y.data.ptr in [pointer.ptr for pointer in given]
    before = len(given)
    ops.conv2d(x, w, groups=2)
    assert len(given) == before


# ---------------------------------------------------------------- arrays of all kinds
def test_a_subclass_is_an_array(xp):
    class Image(xp.ndarray):
        pass

    x = Image._of(X.astype(np.float32))
    y = ops.conv2d(x, moved(W4, "cuda"), groups=2)
    assert type(y) is xp.ndarray, "of which results are, as they are of NumPy's for a subclass of that"
    np.testing.assert_array_equal(values(y), values(ops.conv2d(moved(X, "cuda"), moved(W4, "cuda"), groups=2)))
    assert gpunn.device(Tensor(x).device).type == "cuda"


class OnGpu:
    """An array of numba's, as it tells of itself."""

    def __init__(self, array, **more):
        self.array = array
        shape, strides = array.shape, array.strides
        self.__cuda_array_interface__ = {"shape": shape, "strides": strides, "typestr": array.dtype.str, "version": 3,
                                         "data": (array.data.ptr, False), **more}  # fmt: skip


def test_an_array_of_numbas_is_read_where_it_lies(xp):
    memory = moved(X, "cuda")
    for x in (memory, memory[:, ::2], memory.transpose(3, 2, 1, 0)):
        with counting.device_work() as work:
            found = backend.asarray(OnGpu(x))
        assert not work.reads and not work.copies and not work.launches
        assert found.data.ptr == x.data.ptr and found.strides == x.strides
        np.testing.assert_array_equal(values(ops.relu(OnGpu(x))), np.maximum(values(x), 0))
    empty = backend.asarray(OnGpu(memory[:0], data=(0, False)))
    assert empty.shape == (0, 4, 6, 6)
    with pytest.raises(TypeError, match=r"got a tests OnGpu of .* that cannot be taken over .it has a mask."):
        backend.asarray(OnGpu(memory, mask=memory))


def test_numbas_stream_goes_first(xp, stream, monkeypatch):
    """The current stream waits for an event of the other one; the host does not."""
    waited = []
    monkeypatch.setattr(xp.cuda.Stream, "wait_event", lambda self, event: waited.append((self.ptr, event._stream)))
    with stream:
        backend.asarray(OnGpu(moved(X, "cuda"), stream=0x7700))
    backend.asarray(OnGpu(moved(X, "cuda"), stream=None))
    assert waited == [(stream.ptr, 0x7700)]


class ByDlpack:
    """PyTorch's or JAX's array on a GPU, as it speaks DLPack: what it is asked for is kept."""

    dtype = "float32"

    def __init__(self, array, asked):
        self.array, self.asked = array, asked

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **options):
        self.asked.append(options.get("stream"))
        return self.array


def test_dlpack_is_told_the_current_stream(xp, stream, monkeypatch):
    asked = []
    monkeypatch.setitem(xp._own, "from_dlpack", lambda x: x.__dlpack__(stream=xp.cuda.get_current_stream().ptr or 1))
    x = moved(X, "cuda")
    with stream:
        found = backend.asarray(ByDlpack(x, asked))
    assert asked == [stream.ptr] and found.data.ptr == x.data.ptr


def test_pytorchs_memory_is_shared():
    torch = pytest.importorskip("torch")
    t = torch.ones(2, 3)
    assert np.shares_memory(backend.asarray(t), t.numpy())
    y = ops.relu(np.ones(3, np.float32))
    assert torch.from_dlpack(y).data_ptr() == y.ctypes.data


def test_jaxs_memory_is_shared_and_never_written():
    jax = pytest.importorskip("jax.numpy")
    j = jax.arange(6.0)
    found = backend.asarray(j)
    assert found.ctypes.data == np.asarray(j).ctypes.data and not found.flags.writeable
    np.testing.assert_array_equal(ops.mul(j, 2.0), 2 * np.arange(6))
    x = Tensor(j)
    with gpunn.no_grad():
        x += 1
    np.testing.assert_array_equal(np.asarray(j), np.arange(6))


# ---------------------------------------------------------------- many calls
@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_many_calls_grow_no_memory(place, look_alike):
    """Blocks that Python has, before and after some thousand calls from known plans."""
    x, w = moved(X, place), moved(W4, place)
    calls = [partial(ops.conv2d, x, w, groups=2), partial(ops.relu, x), partial(ops.max_pool2d, x, 2),
             partial(ops.softmax, x, 1), partial(ops.batch_norm, x, None, None, training=True)]  # fmt: skip

    def run(times):
        with counting.dry():
            for _ in range(times):
                for call in calls:
                    call()

    run(50)
    grown = counting.blocks_grown(run, 25, 300)
    assert grown < 50, f"{grown} blocks in 2,500 calls"
