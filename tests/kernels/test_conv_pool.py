"""Convolutions that pool their own output: how the work is shared, which calls are one launch, what is written."""

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.cuda import conv_pool
from gpunn.cuda.conv_pool_variants import BLOCKS, FUSED, SHARED, ConvPool, best_share, shares
from gpunn.cuda.variants import tracing, use_variant
from gpunn.reference.conv_pool import NETWORK_CONV_POOLS
from gpunn.window import Pooling, Window


def problem(case, wanted=True, dtype="float32"):
    conv = case.conv
    geometry = conv.x, conv.w, conv.y, conv.window(), conv.groups
    return ConvPool(dtype, True, *geometry, activation=case.activation, pool=case.pooling(), wanted=wanted)


@pytest.mark.parametrize("case", NETWORK_CONV_POOLS, ids=str)
def test_layers_of_known_networks_fill_an_h200(case):
    """At least three blocks for every two multiprocessors, in little shared memory, and few outputs more than asked."""
    job = problem(case)
    assert not FUSED.refusal(job) and not FUSED.avoid(job)
    share, (launch,) = best_share(job), FUSED.plan(job)
    assert np.prod(launch.grid) >= BLOCKS and launch.shared_bytes == share.shared <= SHARED
    assert launch.block[0] % 32 == 0 and 128 <= launch.block[0] <= 512
    places = np.prod(launch.grid) * share.tile_rows * share.cols * share.filters
    assert places <= 1.34 * np.prod(job.y)  # 8 of LeNet-5's 6 filters
    struct = launch.args[-1]
    assert struct["rows"] * launch.grid[0] >= job.x[0] * job.pooled[0]


def test_every_share_covers_the_output():
    """Rows of the convolution's output that a block holds reach as far as its windows, and the last one to the end."""
    for size, stride, height in ((2, 2, 11), (3, 2, 12), (2, 3, 13), (1, 4, 9), (3, 1, 7)):
        win, pool = Window.of(3, 1, 1), Pooling.avg(size, stride)
        shape = (1, 3, height, 8)
        job = ConvPool("float32", True, shape, (4, 3, 3, 3), (1, 4, height, 8), win, 1, pool=pool, wanted=True)
        for share in shares(job):
            bands = -(-job.pooled[0] // share.rows)
            for band in range(bands):
                first, last = band * share.rows, min(job.pooled[0], (band + 1) * share.rows)
                end = height if band == bands - 1 else max(last * stride, (last - 1) * stride + size)
                assert end - first * stride <= share.tile_rows and share.tile_rows % 2 == 0


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"dtype": "float64"}, "float64: sums are kept in float"),
        ({"groups": 3}, "one group, stride 1 and no dilation are taken"),
        ({"win": Window.of(3, 2)}, "one group, stride 1 and no dilation are taken"),
        ({"win": Window.of(8), "w": (4, 3, 8, 8)}, "has more than 7 rows or columns"),
        ({"pool": Pooling.max(2, padding=1)}, "no padding, no dilation and at most 256 positions are taken"),
        ({"pool": Pooling.max(3, 2, ceil_mode=True)}, "a window hangs over the edge"),
        ({"x": (1 << 29, 3, 12, 12)}, "536870912 images of 5 rows are more than a grid's 2147418112 blocks"),
        ({"w": (1 << 19, 3, 3, 3)}, "filters are more than a grid's 65535 blocks"),
        ({"x": (2, 3, 9, 9000)}, "a row of y needs more than 49152 bytes or 512 threads"),
    ],
)
def test_what_is_left_to_two_launches(changes, words):
    given = {"dtype": "float32", "x": (2, 3, 12, 12), "w": (4, 3, 3, 3), "win": Window.of(3), "groups": 1}
    given |= {"pool": Pooling.max(2)} | changes
    z = (given["x"][0], given["w"][0], *given["win"].out(given["x"][2:]))
    job = ConvPool(given.pop("dtype"), True, y=z, wanted=True, **given)
    assert words in FUSED.refusal(job)


def emulated(*shape):
    return host.EmulatedArray.of(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


@pytest.mark.usefixtures("emulator")
def test_a_layer_of_lenets_size_is_one_launch_each_way_and_a_larger_one_two_and_one():
    win, pool = Window.of(3, 1, 1), Pooling.max(2)
    for channels, calls in ((3, ["conv_pool.forward"]), (64, ["conv2d.forward", "pool.max_forward"])):
        x, w = emulated(1, channels, 6, 6), emulated(4, channels, 3, 3)
        with tracing() as found:
            y, kept = conv_pool.forward(x, w, None, win, 1, "relu", pool, True)
        assert [call.operation for call in found] == calls
        with tracing() as found:
            conv_pool.backward(y, kept, (1, 4, 6, 6), "relu", pool)
        assert [call.operation for call in found] == ["pool.max_backward"]
    with use_variant("conv_pool.forward", "fused"):  # which avoids sums of this length unless asked
        forced, _ = conv_pool.forward(x, w, None, win, 1, "relu", pool, True)
    np.testing.assert_allclose(forced, y, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_where_there_is_no_backward_the_result_alone_is_written(kind):
    x, w = emulated(2, 3, 8, 8), emulated(4, 3, 3, 3)
    pool, written = Pooling(kind, Window.of(2, 2)), []
    for wanted in (True, False):
        with host.counting() as counts:
            conv_pool.forward(x, w, None, Window.of(3, 1, 1), 1, "tanh", pool, wanted)
        sites = counts["conv2d_pooled_forward"].sites
        written.append(sum(site.bytes for site in sites if site.space == "global" and site.write))
    outputs, pooled = 2 * 4 * 8 * 8, 2 * 4 * 4 * 4
    assert written == [4 * pooled + (pooled if kind == "max" else 4 * outputs), 4 * pooled]
