"""Filters of images: values and gradients beside NumPy's pad, SciPy and PyTorch, on every device that is here."""

from typing import Any

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.reference import filter as oracle
from gpunn.reference.close import assert_close
from tests.parity import normal

NUMPY: dict[str, Any] = {
    "zeros": "constant", "reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "circular": "wrap"
}  # fmt: skip
NDIMAGE = {
    "zeros": "constant", "reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "circular": "grid-wrap"
}  # fmt: skip
ALSO = {"zero": "zeros", "mirror": "reflect", "modulo": "circular", "symmetric": "symmetric", "replicate": "replicate"}
SHAPES = [
    ((2, 3, 7, 9), (3, 3)),
    ((5, 6), (4, 2)),
    ((1, 8), (3, 5)),
    ((7, 1), (2, 2)),
    ((2, 9), (4,)),
    ((3, 4, 5), (2, 3, 3)),
]
FORWARD = {1: ops.filter1d, 2: ops.filter2d, 3: ops.filter3d}
BACKWARD = {1: ops.filter1d_backward, 2: ops.filter2d_backward, 3: ops.filter3d_backward}


@pytest.fixture(params=["cpu", "emulator", "cuda"])
def device(request):
    if not gpunn.is_available(request.param):
        pytest.skip(f"device {request.param} is not available here (gpunn doctor says why)")
    return request.param


def by_windows(x, kernel, border):
    """Through NumPy's own pad and views of every window."""
    lead, mode = x.ndim - kernel.ndim, NUMPY[border]
    around = [(0, 0)] * lead + [(n // 2, n - 1 - n // 2) for n in kernel.shape]
    axes = tuple(range(lead, x.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, around, mode), kernel.shape, axes)
    return (windows * kernel).sum(tuple(range(-kernel.ndim, 0)))


@pytest.mark.parametrize("border", NUMPY)
@pytest.mark.parametrize(("shape", "size"), SHAPES, ids=str)
def test_values_are_those_of_padded_windows(shape, size, border):
    x, kernel = normal(*shape), normal(*size, seed=1)
    assert_close(FORWARD[len(size)](x, kernel, border), by_windows(x, kernel, border), terms=kernel.size)


@pytest.mark.parametrize("border", NDIMAGE)
@pytest.mark.parametrize(
    ("shape", "size"), [((5, 6), (3, 4)), ((2, 3), (7, 9)), ((1, 4), (2, 3)), ((11,), (4,))], ids=str
)
def test_values_are_those_of_scipy(shape, size, border):
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")
    x, kernel = normal(*shape), normal(*size, seed=1)
    want = ndimage.correlate(x, kernel, mode=NDIMAGE[border])
    assert_close(FORWARD[len(size)](x, kernel, border), want, terms=kernel.size)
    turned = kernel[(slice(None, None, -1),) * kernel.ndim]
    if all(n % 2 for n in size):
        want = ndimage.convolve(x, kernel, mode=NDIMAGE[border])
        assert_close(FORWARD[len(size)](x, turned, border), want, terms=kernel.size)


@pytest.mark.parametrize("border", NUMPY)
@pytest.mark.parametrize(("shape", "size"), [*SHAPES[:3], ((2, 2), (5, 6)), SHAPES[4]], ids=str)
def test_the_gradients_are_the_adjoint(shape, size, border, device):
    """<F(x, k), gy> = <x, gx> = <k, gk>, linear as it is in both, and each element the oracle's."""
    x, kernel, gy = (normal(*s, seed=i).astype(np.float32) for i, s in enumerate((shape, size, shape)))
    there = [gpunn.to_device(a, device) for a in (gy, x, kernel)]
    y = gpunn.to_numpy(FORWARD[len(size)](there[1], there[2], border))
    gx, gk = map(gpunn.to_numpy, BACKWARD[len(size)](*there, border))
    whole = [float((a.astype(float) * b).sum()) for a, b in ((y, gy), (x, gx), (kernel, gk))]
    assert whole == pytest.approx([whole[0]] * 3, rel=1e-4, abs=1e-4)
    assert_close(gx, oracle.grad_input(gy, kernel, border), terms=kernel.size)
    assert_close(gk, oracle.grad_kernel(gy, x, size, border), terms=x.size)


@pytest.mark.parametrize("border", ALSO)
def test_tensors_get_what_backward_gives_and_float64_differences(border):
    x, kernel = Tensor(normal(2, 4, 5), requires_grad=True), Tensor(normal(3, 2, seed=1), requires_grad=True)
    assert gpunn.gradcheck(lambda x, k: ops.filter2d(x, k, border), (x, kernel))
    y = ops.filter2d(x, kernel, border)
    gy = normal(*y.shape, seed=2)
    found = gpunn.grad(y, [x, kernel], gy)
    for one, two in zip(found, ops.filter2d_backward(gy, x.array, kernel.array, ALSO[border]), strict=True):
        np.testing.assert_array_equal(one, two)


def test_backward_gives_what_is_asked_for():
    gy, x, kernel = normal(3, 4), normal(3, 4, seed=1), normal(3, 3, seed=2)
    gx, gk = ops.filter2d_backward(gy, x, kernel, "mirror")
    alone = ops.filter2d_backward(gy, x, kernel, "mirror", needs=("x",))
    np.testing.assert_array_equal(alone[0], gx)
    assert alone[1] is None
    alone = ops.filter2d_backward(gy, x, kernel, "mirror", needs=("kernel",))
    assert alone[0] is None
    np.testing.assert_array_equal(alone[1], gk)


def test_nothing_in_nothing_out(device):
    kernel = gpunn.to_device(np.ones((3, 3), np.float32), device)
    for shape in ((0, 4, 5), (2, 0, 5), (2, 4, 0)):
        x = gpunn.to_device(np.ones(shape, np.float32), device)
        assert ops.filter2d(x, kernel, "mirror").shape == shape
        gx, gk = ops.filter2d_backward(x, x, kernel, "mirror")
        assert gx.shape == shape
        assert not gpunn.to_numpy(gk).any()


def test_views_of_any_strides(device):
    """Reversed, transposed, repeated and stepped ones, and channels-last images: y is row-major."""
    whole = gpunn.to_device(normal(2, 8, 6, 5).astype(np.float32), device)
    kernel = gpunn.to_device(normal(6, 3, seed=1).astype(np.float32), device)[::-2]
    for view in (whole[:, ::2, ::-1], whole.transpose(0, 3, 2, 1), whole[..., 1:], whole.transpose(0, 2, 3, 1)[:, 1:]):
        y = ops.filter2d(view, kernel, "circular")
        want = by_windows(gpunn.to_numpy(view).astype(float), gpunn.to_numpy(kernel).astype(float), "circular")
        assert_close(gpunn.to_numpy(y), want, terms=9)
        assert y.flags.c_contiguous


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [(2, 1, 0, 3), (0, 0, 1, 0), (-1, 2, 1, -1), (0, 0, 0, 0)], ids=str)
def test_the_gradient_of_a_pad_is_its_adjoint(padding, mode, device):
    """On arrays and of Tensors, through few slices: <pad(x), gy> = <x, gx>, for every x of one element."""
    x = gpunn.to_device(normal(2, 5, 4), device)
    given = Tensor(x, requires_grad=True)
    y = ops.pad(given, padding, mode)
    gy = gpunn.to_device(normal(*y.shape, seed=1), device)
    gx = ops.pad_backward(gy, x.shape, padding, mode)
    (recorded,) = gpunn.grad(y, [given], gy)
    np.testing.assert_array_equal(gpunn.to_numpy(recorded), gpunn.to_numpy(gx))
    for at in ((0, 0, 0), (1, 4, 3), (0, 1, 1), (1, 3, 2)):
        one = np.zeros(x.shape)
        one[at] = 1
        assert float(gpunn.to_numpy(gx)[at]) == pytest.approx((ops.pad(one, padding, mode) * gpunn.to_numpy(gy)).sum())
