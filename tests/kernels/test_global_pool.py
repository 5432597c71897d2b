"""Pooling of whole images: how the work is shared, what the emulator counts, and sums in parts."""

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn import ops
from gpunn.cuda import adaptive_pool
from gpunn.cuda.adaptive_variants import AVG_FORWARD, MAX_BACKWARD, MAX_FORWARD, Adaptive
from gpunn.cuda.variants import tracing
from gpunn.engine.tensor import Tensor
from gpunn.layout import channels_first, channels_last
from gpunn.reference.close import assert_close

pytestmark = pytest.mark.usefixtures("emulator")
ONE = (1, 1)


def image(*shape, nhwc, dtype=np.float32):
    x = np.round(np.random.default_rng(0).standard_normal(shape) * 4).astype(dtype)
    given = host.EmulatedArray.of(x)
    return x, channels_first(channels_last(given).copy()) if nhwc else given


@pytest.mark.parametrize("nhwc", [True, False], ids=["channels-last", "row-major"])
def test_pixels_in_parts(nhwc):
    """As few images as leave a device idle: the last block joins what the others found."""
    shape = (1, 8, 37, 71)
    (plan,) = AVG_FORWARD.variants[0].plan(Adaptive("float32", True, shape, ONE, nhwc))
    assert plan.grid[1] > 1
    x, given = image(*shape, nhwc=nhwc)
    flat = x.reshape(*shape[:2], -1)
    with host.strict():
        mean = adaptive_pool.avg_forward(given, ONE)
    assert_close(np.asarray(mean), flat.astype(np.float64).mean(-1).reshape(*shape[:2], 1, 1), flat.shape[-1])
    x[0, 0, 3], x[0, 1, 5:, 7] = -np.inf, np.nan
    given[...] = host.EmulatedArray.of(x)
    with host.strict():
        y, index = adaptive_pool.max_forward(given, ONE)
        places = adaptive_pool.places(index, shape)
    want = flat.argmax(-1)
    want[0, 1] = np.flatnonzero(np.isnan(flat[0, 1]))[-1]
    assert np.array_equal(np.asarray(places).reshape(want.shape), want) and places.dtype == np.int64
    best = np.take_along_axis(flat, want[..., None], -1)[..., 0]
    assert np.array_equal(np.asarray(y).reshape(want.shape), best, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_each_pixel_is_read_and_written_once_by_16_bytes(dtype):
    x, given = image(1, 256, 7, 7, nhwc=True, dtype=dtype)
    size = x.nbytes // 32
    with host.counting() as counts:
        y, index = adaptive_pool.max_forward(given, ONE)
        mean = adaptive_pool.avg_forward(given, ONE)
        adaptive_pool.avg_backward(mean, x.shape)
        adaptive_pool.max_backward(y, index, x.shape)
    for name in ("global_avg_pool_forward", "global_max_pool_forward", "global_pool_backward"):
        found = counts[name]
        (hottest,) = found.hottest("global", 1)
        assert hottest.bytes_a_lane == 16 and hottest.excess == 1, found.table()
        sectors, passes = sum(site.sectors for site in found.sites if site.space == "global"), 1 + ("back" in name)
        assert sectors <= 1.15 * passes * size, found.table()
        assert found.conflict_ways in (0, 1), found.table()


def test_many_images_need_no_more_threads_than_a_device_has():
    """The last pool of ResNet-50 at batch 256: two threads a pack of channels, each 24 or 25 pixels."""
    job = Adaptive("float32", True, (256, 2048, 7, 7), ONE, True)
    (launch,) = MAX_FORWARD.variants[0].plan(job)
    assert (launch.grid, launch.args[-1]["rows"], launch.args[-1]["columns"]) == ((1024, 1), 2, 32)
    (launch,) = MAX_BACKWARD.variants[0].plan(job)
    assert launch.args[-1]["rows"] == 2


def test_an_index_is_written_only_where_a_gradient_or_the_user_wants_it():
    _, x = image(2, 4, 6, 9, nhwc=True)
    written = {}
    for name, run in {
        "none": lambda: ops.adaptive_max_pool2d(x, (4, 2)),
        "gradient": lambda: ops.adaptive_max_pool2d(Tensor(x, requires_grad=True), (4, 2)),
        "user": lambda: ops.adaptive_max_pool2d(x, (4, 2), return_indices=True),
    }.items():
        with host.counting() as counts, tracing() as calls:
            run()
        sites = counts["adaptive_max_pool_forward"].sites
        written[name] = sum(site.bytes for site in sites if site.write), [call.operation for call in calls]
    y = 2 * 4 * 4 * 2
    assert written == {
        "none": (4 * y, ["pool.adaptive_max_forward"]),
        "gradient": (5 * y, ["pool.adaptive_max_forward"]),
        "user": (5 * y, ["pool.adaptive_max_forward", "pool.places"]),
    }


def test_windows_that_tile_are_those_of_an_ordinary_pooling():
    _, x = image(2, 4, 6, 8, nhwc=True)
    with tracing() as calls:
        adaptive_pool.avg_backward(adaptive_pool.avg_forward(x, (3, 2)), x.shape)
        y, index = adaptive_pool.max_forward(x, (3, 2))
        adaptive_pool.max_backward(y, index, x.shape)
    names = ["avg_forward", "avg_backward", "max_forward", "max_backward"]
    assert [call.operation for call in calls] == [f"pool.{name}" for name in names]
