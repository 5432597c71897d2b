"""What the emulator counts in the tiled kernels' main loops: 16-byte coalesced loads, no bank conflicts."""

import math
import os

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.cuda import batch_norm, conv, dropout, loss, matmul, pool
from gpunn.cuda.signature import layout
from gpunn.cuda.variants import forced, tracing, use_variant
from gpunn.random import Draw
from gpunn.window import Window
from tests.thinned import one_in

pytestmark = pytest.mark.usefixtures("emulator")
WIN = Window.of((3, 3), 1, 1)


def channels_last(*shape, dtype=np.float32):
    array = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    return np.moveaxis(host.EmulatedArray.of(np.moveaxis(array, 1, -1).copy()), -1, 1)


def run(pass_, x, w, gy):
    if pass_ == "forward":
        return conv.forward(x, w, None, WIN, 1)
    if pass_ == "grad_input":
        return conv.grad_input(gy, w, x.shape, WIN, 1)
    return conv.grad_weight(gy, x, w.shape, WIN, 1)[0]


@pytest.mark.parametrize("dtype", one_in(2, [np.float32, np.float16]))
@pytest.mark.parametrize("tile", one_in(2, [64, 128]))
@pytest.mark.parametrize("pass_", ["forward", "grad_input", "grad_weight"])
def test_tiled_main_loops(pass_, tile, dtype):
    x, gy = channels_last(1, 32, 16, 16, dtype=dtype), channels_last(1, 128, 16, 16, dtype=dtype)
    w = host.EmulatedArray.of(np.ones((128, 32, 3, 3), dtype))
    with use_variant(f"conv2d.{pass_}", f"tiled{tile}"), host.counting() as counts:
        run(pass_, x, w, gy)
    counted = counts[f"conv2d_tiled_{pass_}"]
    loads = [site for site in counted.sites if site.space == "global" and not site.write]
    loads = [site for site in loads if "split.cuh" not in site.place]  # the parts, when all else is done
    assert loads and all(site.bytes_a_lane == 16 for site in loads), counted.table()
    assert counted.sector_excess <= 1.15, counted.table()
    assert counted.conflict_ways <= 1.1, counted.table()
    assert counted.barriers_per_block <= 1 + math.ceil(32 * 32 * 9 / 8)


@pytest.mark.parametrize(("tile", "across"), [(128, ""), (64, ""), (32, ""), (32, "a"), (32, "b")])
def test_the_main_loops_of_products(tile, across):
    """Operands along the depth or across it: 16-byte loads of whole sectors, and no two lanes on one bank."""
    a, b = (np.random.default_rng(i).standard_normal((128, 64)).astype(np.float32) for i in range(2))
    left = host.EmulatedArray.of(a.T.copy()).T if "a" in across else host.EmulatedArray.of(a)
    right = host.EmulatedArray.of(b) if "b" in across else host.EmulatedArray.of(b.T.copy()).T
    with use_variant("matmul.product", f"tile{tile}"), host.counting() as counts:
        matmul.matmul(left, right.T)
    counted = counts["gemm_tiled"]
    loads = [site for site in counted.sites if site.space == "global" and not site.write and site.bytes > 64]
    assert loads and all(site.bytes_a_lane == 16 for site in loads), counted.table()
    assert counted.sector_excess <= 1.15, counted.table()
    assert counted.conflict_ways <= 1.1, counted.table()


@pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of convolutions that are counted: in CI")
def test_each_rung_of_the_ladder_reads_less_than_the_one_before():
    x, w = channels_last(1, 32, 16, 16), channels_last(128, 32, 3, 3)
    sectors, shared = [], []
    for variant in ("naive", "shared", "blocked", "tiled128"):
        with use_variant("conv2d.forward", variant), host.counting() as counts:
            conv.forward(x, w, None, WIN, 1)
        (counted,) = counts.values()
        reads = [site for site in counted.sites if not site.write]
        sectors.append(sum(site.sectors for site in reads if site.space == "global"))
        shared.append(sum(site.instructions for site in reads if site.space == "shared"))
        assert counted.conflict_ways <= 1.1, counted.table()
    assert sectors[0] > 16 * sectors[1] and sectors[1] >= 4 * sectors[2] >= 8 * sectors[3]
    assert shared[1] >= 8 * shared[2] >= 32 * shared[3]


def test_rungs_are_taken_where_asked_for_alone():
    x, w = channels_last(1, 3, 5, 5), channels_last(2, 3, 3, 3)
    with tracing() as calls:
        conv.forward(x, w, None, WIN, 1)
    assert calls[0].variant == "naive" and "shared: a rung of the ladder" in calls[0].why


@pytest.mark.parametrize("pass_", ["forward", "grad_input"])
def test_depthwise_main_loops(pass_):
    x = channels_last(1, 128, 16, 16)
    w = host.EmulatedArray.of(np.ones((128, 1, 3, 3), np.float32))
    with use_variant(f"conv2d.{pass_}", "depthwise"), host.counting() as counts:
        conv.forward(x, w, None, WIN, 128) if pass_ == "forward" else conv.grad_input(x, w, x.shape, WIN, 128)
    counted = counts[f"conv2d_depthwise_{pass_}"]
    hottest = max((s for s in counted.sites if s.space == "global" and not s.write), key=lambda s: s.bytes)
    assert hottest.bytes_a_lane == 16 and counted.sector_excess <= 1.15, counted.table()
    assert counted.conflict_ways <= 1.3, counted.table()


@pytest.mark.parametrize("variant", ["depthwise", "tiled64", "gather", "blocked", "shared", "naive"])
def test_weights_in_the_kernels_order_are_read_as_they_are(variant):
    """Of K, R, S, C memory no plan moves the weight, whatever the variant; of another order each does, once."""
    groups = 8 if variant == "depthwise" else 1
    x, last = channels_last(1, 8, 5, 5), channels_last(8, 8 // groups, 3, 3)
    other = host.EmulatedArray.of(np.asarray(last).transpose(3, 2, 1, 0).copy().transpose(3, 2, 1, 0))
    with use_variant("conv2d.forward", variant):
        plans = [conv._forward(layout(x), layout(w), None, None, WIN, groups, None, forced()) for w in (last, other)]
        here, there = (conv.forward(x, w, None, WIN, groups) for w in (last, other))
    assert [[i for i, _ in plan.moves] for plan in plans] == [[], [1]]
    assert np.array_equal(here, there)


@pytest.mark.parametrize("pass_", ["forward", "grad_input"])
def test_gathering_main_loops_have_no_bank_conflicts(pass_):
    x, gy = channels_last(1, 6, 16, 16), channels_last(1, 70, 16, 16)
    w = host.EmulatedArray.of(np.ones((70, 6, 3, 3), np.float32))
    with use_variant(f"conv2d.{pass_}", "gather"), host.counting() as counts:
        run(pass_, x, w, gy)
    assert counts[f"conv2d_gather_{pass_}"].conflict_ways <= 1.1


@pytest.mark.parametrize(
    "pass_, variant, ways",
    [
        ("forward", "narrow128", 1.3),
        ("forward", "narrow64x16", 1.3),
        ("grad_input", "narrow256", 1.3),
        ("grad_weight", "narrow32x32", 1.35),  # its packs are stored one number at a time
    ],
)
def test_narrow_main_loops_fetch_16_bytes_a_lane(pass_, variant, ways):
    x, gy = channels_last(1, 32, 16, 16), channels_last(1, 16, 16, 16)
    w = host.EmulatedArray.of(np.ones((16, 32, 3, 3), np.float32))
    with use_variant(f"conv2d.{pass_}", variant), host.counting() as counts:
        run(pass_, x, w, gy)
    counted = counts[f"conv2d_narrow_{pass_}"]
    hottest = max((s for s in counted.sites if s.space == "global" and not s.write), key=lambda s: s.bytes)
    assert hottest.bytes_a_lane == 16, counted.table()
    assert counted.conflict_ways <= ways, counted.table()


def test_pooling_and_normalisation_read_16_bytes_a_lane_and_whole_sectors():
    x = channels_last(2, 32, 16, 16)
    with host.counting() as counts:
        y, index = pool.max_forward(x, Window.of((2, 2), 2), False)
        pool.max_backward(y, index, x.shape, Window.of((2, 2), 2))
        normal, mean, rstd, _ = batch_norm.train_forward(x, None, None, 1e-5, None, True)
        batch_norm.train_backward(x, x, None, mean, rstd, normal)
        batch_norm.eval_forward(x, None, None, mean, rstd, 1e-5)
    wide = ("strip_max_pool2d_forward", "batch_norm_forward", "batch_norm_apply", "batch_norm_backward")
    for name in wide:
        hottest = max((s for s in counts[name].sites if s.space == "global" and not s.write), key=lambda s: s.bytes)
        assert hottest.bytes_a_lane == 16 and hottest.excess <= 1.15, counts[name].table()


@pytest.mark.parametrize(
    "shape, size, stride, nhwc, most",
    [
        ((4, 6, 28, 28), 2, 2, True, 1.1),  # LeNet's channels
        ((2, 7, 23, 19), 2, 2, False, 1.1),  # rows of 19 begin anywhere
        ((1, 16, 25, 25), 3, 2, True, 1.3),
        ((1, 16, 24, 24), 2, 2, True, 1.15),
        ((2, 3, 30, 31), 3, 1, False, 1.3),
    ],
)
def test_pooling_moves_what_must_move_and_little_else(shape, size, stride, nhwc, most):
    x = channels_last(*shape) if nhwc else host.EmulatedArray.of(np.ones(shape, np.float32))
    win = Window.of(size, stride)
    with host.counting() as counts:
        y, index = pool.max_forward(x, win, False)
        pool.max_backward(y, index, x.shape, win)
        mean = pool.avg_forward(x, win, False, True)
        pool.avg_backward(mean, x.shape, win, False, True)
    assert len(counts) == 4
    for name, counted in counts.items():
        least = x.nbytes + y.nbytes + ("max" in name) * index.nbytes
        assert 32 * (counted.global_load_sectors + counted.global_store_sectors) <= most * least, name
        assert nhwc is False or counted.conflict_ways <= 1, counted.table()


@pytest.mark.parametrize("shape", [(16, 1000), (2, 5, 32, 16)], ids=["a warp a row", "a lane a row"])
def test_scores_are_read_whole_sectors_at_a_time(shape):
    x = host.EmulatedArray.of(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    labels = host.EmulatedArray.of(np.zeros((shape[0], *shape[2:]), np.int64))
    with host.counting() as counts:
        value, backward, *_ = loss.cross_entropy(x, labels, None, -100, "mean", 0.0)
        backward(value)
    for name in ("cross_entropy_forward", "cross_entropy_backward"):
        hottest = counts[name].hottest("global", 2)
        assert all(site.excess <= 1.15 for site in hottest), counts[name].table()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dropout_moves_four_elements_a_lane(dtype):
    x = host.EmulatedArray.of(np.ones((8, 512), dtype))
    with host.counting() as counts:
        dropout.drop(x, x.shape, 0.5, Draw(1, 0, 0))
    found = counts["dropout"]
    assert {site.bytes_a_lane for site in found.sites} <= {8, 16}, found.table()
    assert found.sector_excess <= (1 if dtype != np.float64 else 2), found.table()
