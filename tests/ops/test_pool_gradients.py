"""Gradients of pooling on plain arrays, in every rank: from places, from x and y, against PyTorch's and each other."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.backend import capture
from gpunn.cuda import pool_places
from gpunn.errors import PlaceError
from gpunn.reference.close import assert_close
from gpunn.window import Window
from tests import counting
from tests.backend.graphs import Feed
from tests.parity import torch

WINDOWS = [  # rank, x, options
    (1, (2, 3, 11), {"kernel_size": 3, "stride": 2, "padding": 1}),
    (1, (3, 9), {"kernel_size": 2, "stride": 1, "dilation": 3}),
    (2, (2, 3, 8, 7), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2),
        "ceil_mode": True}),
    (2, (3, 6, 7), {"kernel_size": 3, "stride": 1, "padding": 1}),
    (2, (0, 2, 4, 4), {"kernel_size": 2}),
    (3, (1, 2, 4, 5, 6), {"kernel_size": (2, 3, 2), "stride": (1, 2, 2), "ceil_mode": True}),
    (3, (2, 3, 4, 5), {"kernel_size": 2, "stride": 1}),
]  # fmt: skip
ADAPTIVE = [  # rank, x, output_size
    (1, (2, 3, 7), 3),
    (1, (3, 5), 7),
    (2, (2, 3, 7, 5), (3, 2)),
    (2, (2, 4, 4, 6), (2, 3)),
    (2, (0, 2, 4, 4), 2),
    (2, (3, 7, 5), 1),
    (3, (1, 2, 3, 4, 5), (2, 3, 1)),
    (3, (2, 3, 4, 5), 1),
]
WIDE = ["float32", *(["float64", "float16"] if os.environ.get("CI") else [])]


def given(shape, seed=0):
    """Few different numbers, so that windows have several maxima, and all of them float16's."""
    return np.random.default_rng(seed).integers(-6, 7, shape) / 4


class Numbers:
    """x, what a forward op gives of it, places and gy on a device; and PyTorch's gradient of all that."""

    def __init__(self, name, x_shape, place, dtype, *args, **options):
        self.x = gpunn.to_device(given(x_shape).astype(dtype), place)
        self.back = getattr(ops, f"{name}_backward")
        if "max" in name:
            self.y, self.indices = getattr(ops, name)(self.x, *args, return_indices=True, **options)
        else:
            self.y = getattr(ops, name)(self.x, *args, **options)
        self.gy = gpunn.to_device(given(self.y.shape, 1).astype(dtype), place)
        x = torch().tensor(given(x_shape), requires_grad=True)
        theirs = getattr(torch().nn.functional, name)(x, *args, **options)
        self.want = torch().autograd.grad(theirs, x, torch().tensor(given(self.y.shape, 1)))[0].numpy()

    def check(self, gx, terms=16):
        assert type(gx) is type(self.x) and gx.dtype == self.x.dtype
        assert_close(gpunn.to_numpy(gx), self.want, terms)


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize(("rank", "shape", "options"), WINDOWS, ids=str)
def test_max_from_places_and_from_x(rank, shape, options, dtype, place):
    on = Numbers(f"max_pool{rank}d", shape, place, dtype, **options)
    alone = on.back(on.gy, on.indices, shape)
    on.check(alone)
    assert gpunn.to_numpy(on.back(on.gy, on.indices.astype(np.int32), list(shape))).tobytes() == alone.tobytes()
    on.check(on.back(on.gy, on.indices, shape, **options))
    found = on.back(on.gy, x=on.x, y=on.y, **options)
    on.check(found)
    assert on.back(on.gy, x=on.x, **options).tobytes() == found.tobytes()


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize(("rank", "shape", "out"), ADAPTIVE, ids=str)
def test_adaptive_max_from_places_and_from_x(rank, shape, out, dtype, place):
    on = Numbers(f"adaptive_max_pool{rank}d", shape, place, dtype, out)
    on.check(on.back(on.gy, on.indices, shape))
    on.check(on.back(on.gy, x=on.x, y=on.y))
    on.check(getattr(ops, f"max_pool{rank}d_backward")(on.gy, on.indices, shape))


@pytest.mark.parametrize(("rank", "shape", "out"), ADAPTIVE, ids=str)
def test_adaptive_mean(rank, shape, out, place):
    on = Numbers(f"adaptive_avg_pool{rank}d", shape, place, "float32", out)
    on.check(on.back(on.gy, shape))


@pytest.mark.parametrize(("rank", "shape", "options"), WINDOWS, ids=str)
def test_mean_and_norm(rank, shape, options, place):
    options = {key: value for key, value in options.items() if key != "dilation"}
    on = Numbers(f"avg_pool{rank}d", shape, place, "float32", **options, count_include_pad=False)
    on.check(on.back(on.gy, shape, **options, count_include_pad=False))
    options.pop("padding", None)
    if 0 in shape:  # PyTorch's refuses it
        return
    on = Numbers(f"lp_pool{rank}d", shape, place, "float32", 2, **options)
    on.check(on.back(on.gy, on.x, on.y, 2, **options), 64)


def test_any_strides_and_either_memory_order(place):
    x = given((2, 5, 6, 7)).astype(np.float32)
    y, indices = ops.max_pool2d(x, 3, 2, 1, return_indices=True)
    gy = given(y.shape, 1).astype(np.float32)
    want = ops.max_pool2d_backward(gy, indices, x.shape)
    last = [np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (gy, indices)]
    stepped = [np.repeat(a, 2, axis=3)[..., ::2] for a in (gy, indices)]
    turned = [a[::-1].copy()[::-1] for a in (gy, indices)]
    for above, at in ((last[0], last[1]), (last[0], indices), (gy, stepped[1]), (stepped[0], last[1]), turned):
        above, at = (gpunn.to_device(a, place) for a in (above, at))
        for gx in (
            ops.max_pool2d_backward(above, at, x.shape),
            ops.max_pool2d_backward(above, at, x.shape, 3, 2, 1),
        ):
            np.testing.assert_array_equal(gpunn.to_numpy(gx), want)


def test_bits_are_the_same_at_every_run_and_those_of_the_cpu(place):
    """Of places that no window gives, thirds and sevenths are added up in the order of gy."""
    rng = np.random.default_rng(0)
    gy, indices = rng.standard_normal((2, 3, 17, 19)).astype(np.float32), rng.integers(-1, 12, (2, 3, 17, 19))
    want = ops.max_pool2d_backward(gy, indices, (2, 3, 3, 4))
    for _ in range(2):
        above, at = (gpunn.to_device(a, place) for a in (gy, indices))
        gx = ops.max_pool2d_backward(above, at, (2, 3, 3, 4))
        assert gpunn.to_numpy(gx).tobytes() == want.tobytes()


def test_a_window_of_as_many_positions_as_an_index_counts(place):
    """All of a byte's values are positions of a 16x16 window: none is left for places of -1."""
    x = gpunn.to_device(given((1, 2, 17, 16)).astype(np.float32), place)
    y, indices = ops.max_pool2d(x, 16, return_indices=True)
    indices[:, 1] = -1
    for gx in (
        ops.max_pool2d_backward(y, indices, x.shape, 16),
        ops.adaptive_max_pool2d_backward(y, gpunn.to_device(np.array([[[[255]], [[-1]]]]), place), (1, 2, 16, 16)),
    ):
        gx = gpunn.to_numpy(gx)
        assert gx[0, 0].sum() == gpunn.to_numpy(y)[0, 0].item() and not gx[0, 1].any()
    indices[:, 1] = 256  # below the first window
    with pytest.raises(PlaceError, match=r"indices\[0, 1, 0, 0\] is 256 in a plane of 17x16, expected a place in its"):
        gpunn.to_numpy(ops.max_pool2d_backward(y, indices, x.shape, 16))


def test_windows_with_nan_and_infinities_go_as_forward_has_it(place):
    x = given((1, 2, 5, 5)).astype(np.float32)
    x[0, 0, 1:3, 1:3], x[0, 1, :3] = np.nan, -np.inf
    t = Tensor(gpunn.to_device(x, place), requires_grad=True)
    y, indices = ops.max_pool2d(t, 3, 2, return_indices=True)
    gy = gpunn.to_device(given(y.shape, 1).astype(np.float32), place)
    y.backward(gy)
    want = gpunn.to_numpy(t.gradient)
    for gx in (
        ops.max_pool2d_backward(gy, indices.array, x.shape),
        ops.max_pool2d_backward(gy, x=t.array, y=y.array, kernel_size=3, stride=2),
    ):
        np.testing.assert_array_equal(gpunn.to_numpy(gx), want)


# ---------------------------------------------------------------- places that there are not
WRONG = [  # call, the wrong places by their position, what the error says of the first
    ((), {(1, 1, 1, 0): 99, (1, 0, 1, 1): 12}, r"indices\[1, 0, 1, 1\] is 12, expected 0 to 11 in a plane of 3x4"),
    ((), {(0, 1, 0, 0): -2}, r"indices\[0, 1, 0, 0\] is -2, expected 0 to 11 in a plane of 3x4, or -1 where none won"),
    ((), {(1, 1, 1, 1): 2**40}, r"indices\[1, 1, 1, 1\] is 1099511627776, expected 0 to 11"),
    ((2, (1, 2)), {(1, 1, 1, 1): 99, (1, 1, 1, 0): 2}, r"indices\[1, 1, 1, 0\] is 2 in a plane of 3x4, expected a "
        r"place in its window \(2x2, stride 1x2, padding 0\); pass the forward call's options"),
    ((2, (1, 2)), {(0, 0, 0, 0): -7}, r"indices\[0, 0, 0, 0\] is -7, expected 0 to 11"),
]  # fmt: skip
PLACES = np.array([[0, 2], [5, 7]])


def wrong_call(place, options, wrong, order="C"):
    indices = np.tile(PLACES, (2, 2, 1, 1))
    for at, value in wrong.items():
        indices[at] = value
    indices = np.moveaxis(np.moveaxis(indices, 1, -1).copy(), -1, 1) if order == "NHWC" else indices
    gy = np.ones_like(indices, np.float32)  # in the memory order of the places
    return ops.max_pool2d_backward(gpunn.to_device(gy, place), gpunn.to_device(indices, place), (2, 2, 3, 4), *options)


@pytest.mark.parametrize("order", ["C", "NHWC"])
@pytest.mark.parametrize(("options", "wrong", "words"), WRONG)
def test_the_first_wrong_place_is_named(options, wrong, words, order, place):
    with pytest.raises(PlaceError, match=f"^max_pool2d_backward: {words}"):
        gx = wrong_call(place, options, wrong, order)
        assert place != "cpu"
        gpunn.to_numpy(gx)
    if place == "cpu":
        return
    want = np.zeros((2, 2, 12), np.float32)
    for at in np.ndindex(2, 2, 2, 2):  # what is right was added all the same, and nothing else
        want[at[:2]][PLACES[at[2:]]] += at not in wrong
    np.testing.assert_array_equal(gpunn.to_numpy(gx).reshape(2, 2, 12), want)


def test_an_adaptive_window_and_other_ranks(place):
    gy = gpunn.to_device(np.ones((1, 2), np.float32), place)
    for op, at, words in (
        ("adaptive_max_pool1d_backward", [0, 1], r"indices\[0, 1\] is 1 in a plane of 5, expected a place in its "
            r"window \(adaptive, 5 to 2\)"),
        ("max_pool1d_backward", [5, 1], r"indices\[0, 0\] is 5, expected 0 to 4 in a plane of 5,"),
    ):  # fmt: skip
        with pytest.raises(IndexError, match=f"{op}: {words}"):
            gpunn.to_numpy(getattr(ops, op)(gy, gpunn.to_device(np.array([at]), place), (1, 5)))


def test_minus_one_is_no_fault(place):
    gx = wrong_call(place, (2, (1, 2)), {(0, 0, 0, 0): -1})
    assert gpunn.to_numpy(gx).sum() == 15


def test_many_blocks_name_the_first_of_all(place):
    """Of 9 planes the wrong places are those of the last ones; a loss and its labels share the record."""
    indices = np.zeros((3, 3, 2, 300), np.int64)
    indices[2, 1, 1, 299], indices[2, 2, 0, 0] = 40, 41
    gy = np.ones(indices.shape, np.float32)
    above, at = (gpunn.to_device(a, place) for a in (gy, indices))
    with pytest.raises(PlaceError, match=r"indices\[2, 1, 1, 299\] is 40"):
        gpunn.to_numpy(ops.max_pool2d_backward(above, at, (3, 3, 5, 8)))
    logits = gpunn.to_device(np.zeros((2, 3), np.float32), place)
    assert gpunn.to_numpy(ops.cross_entropy(logits, gpunn.to_device(np.array([0, 2]), place))) > 0


# ---------------------------------------------------------------- what a call asks of the device
def test_no_call_waits_for_the_device(look_alike):
    arrays = np.ones((2, 3, 3, 4), np.float32), np.ones((2, 3, 2, 2), np.float32), np.tile(PLACES, (2, 3, 1, 1))
    x, gy, indices = (gpunn.to_device(a, "cuda") for a in arrays)
    window = {"kernel_size": 2, "stride": (1, 2)}
    calls = {
        "max_pool_scatter": lambda: ops.max_pool2d_backward(gy, indices, x.shape),
        "pool_positions": lambda: ops.max_pool2d_backward(gy, indices, x.shape, **window),
        "adaptive_max_pool_backward": lambda: ops.adaptive_max_pool2d_backward(gy, indices, x.shape),
        "staged_max_pool2d_forward": lambda: ops.max_pool2d_backward(gy, x=x, **window),
    }
    for name, call in calls.items():
        call()
        with counting.device_work() as work:
            call()
        assert not work.reads and not work.copies and work.launches[name] == 1, str(work)
        assert work.launches.total() == (1 if name == "max_pool_scatter" else 2), str(work)


def test_each_replay_of_a_graph_notes_its_own_places(look_alike):
    gy = gpunn.to_device(np.ones((1, 1, 2, 2), np.float32), "cuda")
    indices = gpunn.to_device(PLACES[None, None], "cuda")
    stream, pool, feed = look_alike.cuda.Stream(non_blocking=True), look_alike.cuda.MemoryPool(), Feed(look_alike)
    with stream, look_alike.cuda.using_allocator(pool.malloc):
        ops.max_pool2d_backward(gy, indices, (1, 1, 3, 4))
        token = capture.now.set(feed)
        stream.begin_capture()
        try:
            gx = ops.max_pool2d_backward(gy, indices, (1, 1, 3, 4))
        finally:
            capture.now.reset(token)
            graph = stream.end_capture()
    for wrong in (12, 0, 99):
        indices[0, 0, 0, 0] = wrong
        feed.fill()
        graph.launch(stream)
        if wrong:
            with pytest.raises(PlaceError, match=rf"indices\[0, 0, 0, 0\] is {wrong}, expected 0 to 11"):
                gpunn.to_numpy(gx)
        else:
            assert gpunn.to_numpy(gx).sum() == 4


def test_nothing_is_launched_for_what_is_refused(look_alike):
    gy = gpunn.to_device(np.ones((1, 1, 2, 2), np.float32), "cuda")
    good = gpunn.to_device(PLACES[None, None], "cuda")
    for indices, error in (
        (good[:, :, :1], ValueError),
        (good.astype(np.uint8), TypeError),
        (PLACES[None, None], ValueError),
    ):
        with (
            counting.device_work() as work,
            pytest.raises(error, match=r"max_pool2d_backward: (indices|gy is)"),
        ):
            ops.max_pool2d_backward(gy, indices, (1, 1, 3, 4))
        assert not work.launches, str(work)


def test_out_takes_the_gradient(place):
    gy, indices = (gpunn.to_device(a, place) for a in (np.ones((1, 1, 2, 2), np.float32), PLACES[None, None]))
    out = gpunn.to_device(np.full((1, 1, 3, 4), 9, np.float32), place)
    for options in ({}, {"kernel_size": 2, "stride": (1, 2)}):
        assert ops.max_pool2d_backward(gy, indices, (1, 1, 3, 4), **options, out=out) is out
        assert gpunn.to_numpy(out).sum() == 4


def test_a_plane_of_many_pieces_has_threads_for_each():
    """What one block owns is bounded, so that a long row is shared by many."""
    for inputs, outputs, lanes, blocks in ((49, 9, 32, 1), (3136, 784, 256, 1), (1 << 20, 1 << 19, 256, 256)):
        job = pool_places.Planes("float32", True, 1, 1, inputs, outputs, False, "int64")
        (launch,) = pool_places.SCATTER.variants[0].plan(job)
        assert (launch.block, launch.grid) == ((lanes,), (blocks,))
    assert not pool_places.is_spare(Window.of(16).positions) and pool_places.is_spare(Window.of(17).positions)
