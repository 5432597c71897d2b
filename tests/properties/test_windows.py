"""Windows: their positions counted one by one, and gradients as the transpose of what is linear, at any geometry."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gpunn import Tensor, Window, ops
from tests.properties.drawn import few, gradient, normal

small = st.integers(1, 3)
axes = st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), small)


def positions(n, size, stride, padding, dilation, ceil_mode):
    """How many windows start at -padding and every stride on, each with its elements inside the padded axis."""
    inside, count = range(-padding, n + padding), 0
    while all(-padding + count * stride + i * dilation in inside for i in range(size)):
        count += 1
    hangs_over = -padding + (count - 1) * stride + (size - 1) * dilation < n + padding - 1
    starts_inside = -padding + count * stride < n
    return count + (ceil_mode and count > 0 and hangs_over and starts_inside)


@few
@given(st.lists(axes, min_size=1, max_size=3), st.booleans())
def test_positions(drawn, ceil_mode):
    sizes, *geometry = zip(*drawn, strict=True)
    window = Window(*geometry)
    want = tuple(positions(n, k, s, p, d, ceil_mode) for n, k, s, p, d in drawn)
    assume(all(want) and not (ceil_mode and any(2 * p > k for _, k, _, p, _ in drawn)))  # as pooling
    assert window.out(sizes, ceil_mode) == want
    assert window.extent == tuple((k - 1) * d + 1 for _, k, _, _, d in drawn)
    p = window.out(sizes)
    left_over = tuple(n - m for n, m in zip(sizes, window.transposed_out(p, (0,) * len(p)), strict=True))
    assert window.transposed_out(p, left_over) == sizes
    assert all(0 <= n < s for n, (_, _, s, _, _) in zip(left_over, drawn, strict=True))


def transposed(function, *arrays):
    """<function(arrays), gy> = <array, its gradient>, for each array that the function is linear in."""
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    y = function(*tensors)
    gy = normal(*y.shape, seed=9)
    y.backward(gy)
    want = float((y.array * gy).sum())
    for i, x in enumerate(tensors):
        assert float((x.array * gradient(x)).sum()) == pytest.approx(want, rel=1e-10, abs=1e-10), f"array {i}"


@st.composite
def convolutions(draw, rank):
    """x and w of a convolution and its options; some sizes leave a remainder, some kernels are as large as x."""
    groups, n, c, k = draw(small), draw(small), draw(small), draw(small)
    kernel, stride, dilation = ([draw(st.integers(1, 3)) for _ in range(rank)] for _ in range(3))
    padding = [draw(st.integers(0, 2)) for _ in range(rank)]
    least = [max((r - 1) * d + 1 - 2 * p, 1) for r, d, p in zip(kernel, dilation, padding, strict=True)]
    sizes = [m + draw(st.integers(0, 4)) for m in least]
    x, w = normal(n, c * groups, *sizes), normal(k * groups, c, *kernel, seed=1)
    return x, w, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@few
@given(st.sampled_from([1, 2, 3]).flatmap(convolutions))
def test_convolution(drawn):
    x, w, options = drawn
    op = {1: ops.conv1d, 2: ops.conv2d, 3: ops.conv3d}[x.ndim - 2]
    transposed(lambda x, w: op(x, w, **options), x, w)
    bias = np.arange(w.shape[0]) * 1.0
    added = op(x, w, bias, **options) - op(x, w, **options)
    np.testing.assert_allclose(added, np.broadcast_to(bias.reshape(-1, *[1] * (x.ndim - 2)), added.shape), atol=1e-12)


@few
@given(convolutions(2))
def test_transposed_convolution_is_the_gradient_of_a_convolution(drawn):
    x, w, options = drawn
    y = ops.conv2d(x, w, **options)
    gy = normal(*y.shape, seed=2)
    geometry = (options[name] for name in ("stride", "padding", "dilation"))
    along = zip(x.shape[2:], y.shape[2:], w.shape[2:], *geometry, strict=True)
    rest = [n - ((p - 1) * s - 2 * q + d * (r - 1) + 1) for n, p, r, s, q, d in along]
    gx = ops.conv_transpose2d(gy, w, **options, output_padding=rest)
    np.testing.assert_allclose(gx, ops.conv2d_backward(gy, x, w, **options)[0], atol=1e-12)
    transposed(lambda gy, w: ops.conv_transpose2d(gy, w, **options, output_padding=rest), gy, w)


@few
@given(st.tuples(axes, axes), st.booleans(), st.booleans())
def test_pooling(drawn, ceil_mode, include):
    sizes, kernel, stride, padding, dilation = (list(part) for part in zip(*drawn, strict=True))
    assume(all(positions(n, k, s, p, d, False) and 2 * p <= k for n, k, s, p, d in drawn))
    x = normal(2, 3, *sizes)
    transposed(lambda x: ops.avg_pool2d(x, kernel, stride, padding, ceil_mode, include), x)
    flat = ops.avg_pool2d(np.full((1, 1, *sizes), 2.5), kernel, stride, padding, ceil_mode, False)
    np.testing.assert_allclose(flat, 2.5, rtol=1e-14)
    t = Tensor(x, requires_grad=True)
    y, indices = ops.max_pool2d(t, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    assume(np.isfinite(y.array).all())  # a dilated window may lie in the padding alone
    won = np.take_along_axis(x.reshape(6, -1), indices.array.reshape(6, -1), 1)
    np.testing.assert_array_equal(y.array, won.reshape(y.shape))
    transposed(lambda x: ops.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode), x)


HOW = [("nearest", None), ("bilinear", True), ("bilinear", False)]


@few
@given(st.tuples(*[st.integers(1, 9)] * 4), st.sampled_from(HOW))
def test_resampling(drawn, how):
    (h, w, p, q), (mode, corners) = drawn, how
    transposed(lambda x: ops.interpolate(x, (p, q), mode=mode, align_corners=corners), normal(2, 1, h, w))
    flat = ops.interpolate(np.full((1, 1, h, w), 2.5), (p, q), mode=mode, align_corners=corners)
    np.testing.assert_allclose(flat, 2.5, rtol=1e-14)
    transposed(lambda x: ops.adaptive_avg_pool2d(x, (p, q)), normal(2, 1, h, w))
    transposed(lambda x: ops.adaptive_max_pool2d(x, (p, q)), normal(2, 1, h, w))
