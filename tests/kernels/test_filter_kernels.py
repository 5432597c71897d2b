"""The kernels that filter images: which takes what, what they round, and what they move."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, emulator, ops
from gpunn.cuda.variants import tracing, use_variant
from tests.parity import normal

pytestmark = pytest.mark.usefixtures("emulator")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_are_rounded_once(dtype):
    """A result is the nearest number of the type to what float32 sums make of the stored ones."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    x, kernel, gy = (
        Tensor(normal(*s, seed=i)).to("emulator").to(dtype).array for i, s in enumerate(((6, 8), (3, 3), (6, 8)))
    )
    wide = [np.asarray(gpunn.to_numpy(a), np.float32) for a in (x, kernel, gy)]
    exact = ops.filter2d(wide[0], wide[1], "mirror"), ops.filter2d_backward(wide[2], *wide[:2], "mirror")[0]
    found = ops.filter2d(x, kernel, "mirror"), ops.filter2d_backward(gy, x, kernel, "mirror")[0]
    ulp = 2.0 ** (-11 if dtype == "float16" else -8)
    for one, two in zip(found, exact, strict=True):
        assert one.dtype == x.dtype
        off = abs(gpunn.to_numpy(one).astype(np.float64) - two)
        assert (off <= ulp * abs(two) * 1.01 + 1e-6).all()


def test_which_kernel_takes_what():
    kernel = gpunn.to_device(np.ones((3, 3), np.float32), "emulator")
    wide, tiny = (gpunn.to_device(np.ones(shape, np.float32), "emulator") for shape in ((32, 16), (100, 3, 3)))
    with tracing() as calls:
        ops.filter2d(wide, kernel)
        ops.filter2d(tiny, kernel)
        ops.filter2d(wide, gpunn.to_device(np.ones((8, 7), np.float32), "emulator"))
    assert [call.variant for call in calls] == ["tile", "naive", "naive"]
    assert "less than a warp" in calls[1].why
    assert "8 x 7 taps are more than the 49 that registers hold" in calls[2].why
    with use_variant("filter.forward", "naive"), tracing() as calls:
        ops.filter2d(wide, kernel)
    assert calls[0].variant == "naive"
    with use_variant("filter.forward", "tile"), pytest.raises(ValueError, match="the filter has a depth"):
        ops.filter3d(tiny, gpunn.to_device(np.ones((3, 3, 3), np.float32), "emulator"))


def test_a_tile_moves_little_more_than_the_image_once():
    """Of two tiles by four: x with a halo that an L2 cache holds, y once; every access of packs free of conflicts."""
    x = gpunn.to_device(normal(128, 512).astype(np.float32), "emulator")
    kernel = gpunn.to_device(normal(5, 5).astype(np.float32), "emulator")
    with emulator.counting() as counted:
        ops.filter2d(x, kernel, "mirror")
    (found,) = counted.values()
    once = x.nbytes // 32
    assert found.global_store_sectors == once
    loads = max(site.sectors for site in found.sites if site.space == "global" and site.bytes_a_lane == 16)
    assert loads <= 1.25 * once, found.table()  # 68 rows by 34 packs, a tile of 64 by 32
    assert found.conflict_ways <= 1.05
    assert all(site.excess == 1 for site in found.sites if site.space == "shared" and not site.write), found.table()
