"""`out=` of every op that makes an array: the same bits, in the caller's memory; what is refused, in which words."""

import gc
import inspect
from functools import partial

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.backend.memory import address, overlap
from gpunn.ops.out import with_out
from gpunn.restored import restored
from tests import counting
from tests.ops.test_devices import CALLS, LABELS, W4, X, moved
from tests.parity import torch
from tests.thinned import one_in

VIEWS = {"reshape", "flatten", "permute", "transpose", "squeeze", "unsqueeze", "expand_dims", "broadcast_to", "getitem"}
VIEWS |= {"view", "contiguous", "expand", "narrow", "select", "movedim", "moveaxis", "swapaxes", "swapdims", "t"}
VIEWS |= {"unflatten", "diagonal", "windows_along", "split", "chunk", "tensor_split", "unbind", "meshgrid"}
VIEWS |= {"broadcast_tensors", "atleast_1d", "atleast_2d", "atleast_3d"}
SEVERAL = {"rnn", "lstm", "gru", "lstm_cell", "multi_head_attention_forward"}  # results: tests of their own
SEVERAL |= {"sort", "topk", "kthvalue", "median", "mode", "var_mean", "std_mean"}  # tests/ops/test_order.py
MADE = sorted(name for name in CALLS if name.split(",")[0].split(" ")[0] not in VIEWS | SEVERAL)
STRAIGHT = ["relu", "conv2d", "max_pool2d", "batch_norm", "softmax", "add", "layer_norm", "dropout", "linear", "sum"]


def called(name, arguments, monkeypatch, out):
    """CALLS' call of this name on these arguments, its op with `out`."""
    op = name.split(",")[0].split(" ")[0]
    function, op_itself = CALLS[name][0], getattr(ops, op)
    given = partial(op_itself, out=out)
    monkeypatch.setattr(ops, op, given)
    return (given if function is op_itself else function)(*arguments)


def expected(name, place):
    function, *arguments = CALLS[name]
    arguments = [moved(a, place) for a in arguments]
    return function(*arguments), arguments


def like(y, strides="K"):
    """Memory for y that holds no number of its: lying as y does, or not."""
    xp = gpunn.backend.array_module(y)
    if strides == "K":
        out = xp.empty_like(y)
    else:  # every other element of columns
        wide = xp.empty_like(y, shape=tuple(2 * n for n in y.shape[::-1]) or (1,))
        out = wide[tuple(slice(None, None, 2) for _ in y.shape)].transpose() if y.ndim else wide.reshape(())
    out[...] = 99 if y.dtype.kind != "b" else True
    return out


@pytest.mark.parametrize("name, strides", one_in(3, [(name, how) for name in MADE for how in ("K", "odd")]))
def test_the_result_is_out(name, strides, place, monkeypatch):
    y, arguments = expected(name, place)
    out = like(y if gpunn.backend.is_array(y) else np.asarray(y), strides)
    assert called(name, arguments, monkeypatch, out) is out
    np.testing.assert_array_equal(gpunn.to_numpy(out), gpunn.to_numpy(y))


@pytest.mark.parametrize("name", STRAIGHT)
def test_a_kernel_writes_straight_into_memory_that_lies_right(name, look_alike, monkeypatch):
    y, arguments = expected(name, "cuda")
    with counting.device_work() as before:
        expected(name, "cuda")
    out = like(y)
    with counting.device_work() as work:
        called(name, arguments, monkeypatch, out)
    assert work.launches == before.launches, f"a copy into out: {work}"
    assert not work.reads


def test_every_op_that_makes_an_array_takes_out():
    public = {n: f for n, f in vars(ops).items() if inspect.isfunction(f) and not n.startswith("_") and n not in VIEWS}
    public = {n: f for n, f in public.items() if not n.startswith(("recurrent_", "allclose"))}  # what is no array, too
    lacking = {name for name, f in public.items() if "out" not in inspect.signature(f).parameters}
    assert not lacking, f"{sorted(lacking)} take no out: declare it, and decorate with gpunn.ops.out.with_out"


def test_several_results_take_a_tuple(place):
    x = moved(X, place)
    y, indices = ops.max_pool2d(x, 2, return_indices=True)
    outs = like(y), like(indices)
    assert ops.max_pool2d(x, 2, return_indices=True, out=outs) is outs
    for out, wanted in zip(outs, (y, indices), strict=True):
        np.testing.assert_array_equal(gpunn.to_numpy(out), gpunn.to_numpy(wanted))
    with pytest.raises(ValueError, match="max_pool2d: out has 1 arrays, expected 2, one a result; pass a tuple"):
        ops.max_pool2d(x, 2, return_indices=True, out=outs[0])


def test_results_of_one_shape_do_not_mix(place):
    """batch_norm_backward's gradients of weight and bias are alike: neither may lie where the other is to go."""
    x, mean, var = moved(X, place), moved(np.zeros(4), place), moved(np.ones(4), place)
    gy = moved(X[::-1].copy(), place)
    wanted = ops.batch_norm_backward(gy, x, None, mean, var)
    outs = tuple(like(g) for g in wanted)
    ops.batch_norm_backward(gy, x, None, mean, var, out=outs)
    for out, g in zip(outs, wanted, strict=True):
        np.testing.assert_array_equal(gpunn.to_numpy(out), gpunn.to_numpy(g))


def test_parts_of_one_array(place):
    """The halves of a buffer, interleaved, are apart, though their bounds are not."""
    buffer = moved(np.stack([X, X], -1), place)
    x, out = buffer[..., 0], buffer[..., 1]
    ops.neg(x, out=out)
    np.testing.assert_array_equal(gpunn.to_numpy(out), -gpunn.to_numpy(x))


def test_overlap_of_strided_parts_is_numpys():
    rng, buffer = np.random.default_rng(0), np.zeros(60)

    def part():
        start = rng.integers(0, 36)
        a = buffer[start : start + rng.choice([0, 12, 24])].reshape(-1, 6)
        return a[:: rng.choice([1, -1, 2]), :: rng.choice([1, -1, 2, -3])].transpose(rng.permutation(2))

    for a, b in ((part(), part()) for _ in range(300)):
        assert overlap(a, b) == np.shares_memory(a, b)


def test_no_call_leaves_garbage_behind():
    """What refers to itself, as classes do, waits for the collector; what else dies meanwhile does not each time."""
    buffer = np.ones((2, 3, 8), np.float32)
    apart, between = np.empty((2, 3, 4), np.float32), buffer[..., 1::2]
    ops.relu(buffer[..., ::2], out=between)

    def garbage():
        gc.collect()
        for out in (apart, between):
            ops.relu(buffer[..., ::2], out=out)
        return gc.collect()

    gc.collect()
    gc.freeze()  # what other tests left is not looked through each time
    gc.disable()
    try:
        assert min(garbage() for _ in range(3)) == 0
    finally:
        gc.enable()
        gc.unfreeze()


def test_none(place):
    x = moved(X[:0], place)
    out = like(x)
    assert ops.relu(x, out=out) is out


def test_out_is_another_calls_business_after_an_error(place):
    """An op that fails leaves no destination behind."""
    x, out = moved(X, place), moved(np.zeros((2, 4, 5, 5)), place)
    with pytest.raises(ValueError, match="window"):
        ops.avg_pool2d(x, 9, out=out)
    assert address(ops.avg_pool2d(x, 2, 1)) != address(out)
    assert not gpunn.to_numpy(out).any()


def test_out_is_taken_once(place):
    """A part of an op that runs in a context of its own takes it from the others, too."""

    @with_out
    def same(x, *, out=None):
        positive = restored(ops.relu)(x)
        return positive - ops.relu(-x)

    x = moved(X, place)
    np.testing.assert_array_equal(gpunn.to_numpy(same(x, out=like(x))), gpunn.to_numpy(x))


A = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: ops.relu(x, out=x), ValueError, "relu: out shares memory with x, expected memory of its own; pass a "
            "copy of one of them"),
        (lambda x: ops.add(2, x, out=x), ValueError, "add: out shares memory with b"),
        (lambda x: ops.add(2, b=x, out=x), ValueError, "add: out shares memory with b"),
        (lambda x: ops.concatenate([x, x + 1], out=x), ValueError, "concatenate: out shares memory with xs"),
        (lambda x: ops.relu(x, out=ops.relu(x)[:1]), ValueError, r"relu: out is \(1, 3\), expected \(2, 3\); make it "
            r"with empty\(\(2, 3\)\)"),
        (lambda x: ops.greater(x, 0, out=ops.relu(x)), TypeError, "greater: out is float32, expected bool; make it "
            "with dtype='bool'"),
        (lambda x: ops.relu(x, out=(None,)), ValueError, "relu: out has None where the result is an "
            "array; pass an array there"),
        (lambda x: ops.relu(x, out=[1.0]), TypeError, "relu: out is a list, expected an array, or a tuple of them; "
            "pass a Tensor's .array"),
        (lambda x: ops.relu(x, out=Tensor(ops.relu(x))), TypeError, "relu: out is a Tensor, expected an array"),
        (lambda x: ops.relu(Tensor(x), out=ops.relu(x)), TypeError, "relu: out is for plain arrays, but got a Tensor; "
            "pass the .array of each"),
        (lambda x: ops.max_pool2d(x[None], 1, return_indices=True, out=(x[None] * 2,) * 2), ValueError, "max_pool2d: "
            "two arrays of out share memory, expected memory of their own; pass a copy"),
        (lambda x: ops.lstm(x, None, [(x[:1].repeat(8, 0), x[:1, :2].repeat(8, 0))], out=tuple(
            x[0, :1].reshape(1).repeat(n).reshape(-1, 2) for n in (4, 2, 2))), ValueError,
            r"lstm: out is \(array, array, array\), expected \(array, \(array, array\)\), as the results are"),
        (lambda x: ops.relu(x, out=(ops.relu(x),)), ValueError, r"relu: out is \(array\), expected array"),
    ],
)  # fmt: skip
def test_refused(call, error, words, place):
    x = moved(A, place)
    with pytest.raises(error, match=words):
        call(x)
    np.testing.assert_array_equal(gpunn.to_numpy(x), A)


def test_out_that_cannot_be_written_to():
    out = np.zeros(3)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="relu: out is read-only, expected an array that can be written to"):
        ops.relu(np.ones(3), out=out)
    with pytest.raises(ValueError, match=r"relu: out is of dtype >f8"):
        ops.relu(np.ones(3), out=np.zeros(3, ">f8"))
    for strides in ((8, 0), (8, 8), (0, 8), (-8, 8), (16, 8)):
        shared = np.lib.stride_tricks.as_strided(np.zeros(6)[2:], (2, 3), strides)
        with pytest.raises(ValueError, match="relu: out has elements that share memory, expected one place for"):
            ops.relu(np.ones((2, 3)), out=shared)


def test_out_of_another_device(place, look_alike):
    x = moved(A, place)
    other = np.zeros((2, 3), np.float32) if place != "cpu" else look_alike.zeros((2, 3), np.float32)
    with counting.device_work() as work, pytest.raises(ValueError, match=r"relu: x is on .* but out is on "):
        ops.relu(x, out=other)
    assert not work.launches
    if place != "cpu":  # where the result of a list is
        with pytest.raises(ValueError, match=rf"relu: the result is on cpu but out is on {place}.*; move one"):
            ops.relu([1.0, -1.0], out=moved(np.zeros(2), place))


def test_another_librarys_memory():
    x = np.array([-1.0, 2.0])
    with pytest.raises(ValueError, match="relu: out shares memory with x, expected memory of its own"):
        ops.relu(torch().from_numpy(x), out=x)
    assert ops.relu(torch().from_numpy(x), out=np.empty(2)).tolist() == [0, 2]
    with pytest.raises(TypeError, match=r"relu: out is a torch Tensor, .* of another library's an array over"):
        ops.relu(x, out=torch().zeros(2))
    with pytest.raises(ValueError, match="batch_norm_forward: running_mean is a torch Tensor, expected"):
        ops.batch_norm_forward(np.ones((3, 2)), torch().zeros(2), torch().ones(2))


def test_the_caller_is_named(place):
    x = moved(X, place)
    with pytest.raises(ValueError, match=r"^dropout_forward: out shares memory with x,"):
        ops.dropout_forward(x, out=x)
    with pytest.raises(ValueError, match=r"^dropout_forward: out is \(2, 3\), expected"):
        ops.dropout_forward(x, out=moved(A, place))


def test_labels_are_inputs_too(place):
    labels = moved(LABELS, place)
    with pytest.raises(ValueError, match="cross_entropy: out shares memory with target"):
        ops.cross_entropy(moved(X[:, :, 0, 0], place), labels, reduction="none", out=labels)


def test_a_convolution_straight_into_a_channels_last_array(look_alike):
    x, w = moved(X, "cuda"), moved(W4, "cuda")
    y = ops.conv2d(x, w, groups=2)
    assert y.strides[1] == 4, "in memory channels come last"
    out = like(y.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    with counting.device_work() as work:
        ops.conv2d(x, w, groups=2, out=out)
    assert [name for name in work.launches if "forward" in name] and "copyto" not in work.launches, str(work)


@pytest.mark.parametrize("forward", [ops.batch_norm, ops.batch_norm_forward, ops.batch_norm_relu, ops.instance_norm])
def test_running_statistics_stay_where_out_is_wrong(forward, place):
    x, mean, var = moved(X, place), moved(np.zeros(4), place), moved(np.ones(4), place)
    options = {} if forward is ops.instance_norm else {"training": True}
    outs = (like(x[:1]), None, None) if forward is ops.batch_norm_forward else like(x[:1])
    with pytest.raises(ValueError, match=r"out is \(1, 4, 6, 6\), expected \(2, 4, 6, 6\)"):
        forward(x, mean, var, out=outs, **options)
    np.testing.assert_array_equal(gpunn.to_numpy(mean), np.zeros(4))
