"""Windows of one and three dimensions: every variant that takes them, on the emulator, against plain loops."""

import numpy as np
import pytest

import gpunn.emulator as host
from gpunn.cuda import pool
from gpunn.cuda.variants import OPERATIONS, tracing, use_variant
from gpunn.layout import as_channels_last, channels_first
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from gpunn.window import Window

CASES = [
    ((2, 3, 17), Window.of(3, 2, 1, rank=1), False),
    ((2, 4, 12), Window.of(2, 2, 0, rank=1), True),
    ((1, 5, 11), Window.of(3, 1, 1, 2, rank=1), False),
    ((2, 3, 4, 5, 6), Window.of(2, 2, 0, rank=3), False),
    ((1, 4, 5, 4, 7), Window((3, 2, 3), (2, 1, 2), (1, 0, 1), (1, 1, 1)), True),
    ((1, 3, 7, 5, 6), Window((2, 3, 2), (2, 1, 1), (1, 1, 0), (3, 1, 2)), False),
    ((1, 2, 6, 9, 8), Window((7, 7, 7), (1, 2, 2), (3, 3, 3), (1, 1, 1)), False),
]


def stored(values, channels_last):
    if not channels_last:
        return host.EmulatedArray.of(values)
    return host.EmulatedArray.of(channels_first(as_channels_last(values)))


def each_variant(name, run):
    """Its result by every variant that takes the call; all have the same bits."""
    found = []
    for variant in OPERATIONS[f"pool.{name}"].variants:
        with use_variant(f"pool.{name}", variant.name), tracing():
            try:
                found.append(run())
            except ValueError as refusal:
                assert "does not take this call" in str(refusal)
    first = found[0]
    for other in found[1:]:
        for one, two in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, two)
    return first


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape, win, ceil", CASES, ids=str)
def test_all_variants_agree_with_plain_loops(shape, win, ceil, channels_last):
    rng = np.random.default_rng(sum(shape))
    values = np.round(rng.standard_normal(shape) * 4).astype(np.float32) / 4
    values.reshape(-1)[rng.integers(0, values.size, 3)] = [np.nan, -np.inf, np.inf]
    x, how = stored(values, channels_last), (win.size, win.stride, win.padding)
    want, window, plane = naive.max_pool(values, *how, win.dilation, ceil)
    y, index = each_variant("max_forward", lambda: pool.max_forward(x, win, ceil))
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(index, window)
    above = rng.standard_normal(want.shape).astype(np.float32)
    gy = stored(above, channels_last)
    (gx,) = each_variant("max_backward", lambda: (pool.max_backward(gy, index, shape, win),))
    assert_close(gx, naive.max_pool_backward(above, plane, shape), 27)
    if max(win.dilation) > 1:
        return
    x = stored(np.nan_to_num(values, posinf=1, neginf=-1), channels_last)
    for counted in (True, False):
        (y,) = each_variant("avg_forward", lambda counted=counted: (pool.avg_forward(x, win, ceil, counted),))
        assert_close(y, naive.avg_pool(x, *how, ceil, counted), win.positions)
        (gx,) = each_variant(
            "avg_backward", lambda counted=counted: (pool.avg_backward(gy, shape, win, ceil, counted),)
        )
        assert_close(gx, naive.avg_pool_backward(above, shape, *how, ceil, counted), win.positions)
