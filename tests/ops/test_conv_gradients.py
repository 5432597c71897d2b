"""Gradients of convolutions and transposed ones on plain arrays, one at a time, against PyTorch and plain loops."""

import ml_dtypes
import numpy as np
import pytest

import gpunn
from gpunn import ops
from gpunn.cpu import conv as cpu_conv
from gpunn.reference import naive
from gpunn.reference.cases import CONV1D, CONV2D, CONV3D
from gpunn.reference.close import assert_close
from tests import counting
from tests.parity import DTYPES, normal, torch

# PyTorch's remark on its own copy for even windows.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

CASES = [*CONV1D, *CONV2D[:3], CONV2D[8], CONV2D[9], *CONV2D[12:15], *CONV3D[1:4], CONV3D[-1]]
# rank of the op, shapes of x and weight, options
CONVS = [
    (1, (2, 4, 9), (6, 2, 3), {"stride": 2, "padding": 1, "groups": 2}),
    (1, (3, 8), (4, 3, 2), {"padding": "same"}),
    (2, (2, 3, 7, 6), (5, 3, 3, 2), {"stride": (2, 1), "padding": (0, 1), "dilation": (1, 2)}),
    (2, (3, 6, 5), (4, 3, 2, 4), {"padding": "same"}),
    (2, (1, 4, 5, 5), (4, 2, 3, 3), {"padding": "valid", "groups": 2}),
    (3, (2, 4, 3, 4, 5), (2, 2, 2, 3, 2), {"stride": (1, 2, 2), "padding": 1, "groups": 2}),
    (3, (2, 3, 4, 3), (2, 2, 2, 2, 3), {"padding": "same"}),
]
TRANSPOSED = [
    (1, (2, 4, 5), (4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
    (1, (2, 4), (2, 3, 2), {"dilation": 3, "output_padding": 2}),
    (2, (2, 3, 4, 3), (3, 4, 3, 2), {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 2)}),
    (2, (1, 3, 3), (1, 8, 3, 3), {"dilation": 2, "output_padding": 1}),
    (3, (2, 4, 2, 3, 3), (4, 1, 2, 3, 2), {"stride": (1, 2, 2), "output_padding": (0, 1, 0), "groups": 2}),
    (3, (2, 2, 3, 2), (2, 3, 2, 2, 2), {"padding": (0, 1, 1)}),
]
EVERY = [(f"conv{c[0]}d", *c[1:]) for c in CONVS] + [(f"conv_transpose{c[0]}d", *c[1:]) for c in TRANSPOSED]


def of_case(case, way):
    return getattr(ops, f"conv{len(case.stride)}d_{way}")


def theirs(name, x, w, gy_of, **options):
    """y of PyTorch in float64, a gradient for it, and its gradients of x, w and the bias."""
    t = torch()
    x, w = (t.tensor(a.astype(np.float64), requires_grad=True) for a in (x, w))
    filters = w.shape[0] if "transpose" not in name else w.shape[1] * options.get("groups", 1)
    b = t.zeros(filters, dtype=t.float64, requires_grad=True)
    y = getattr(t.nn.functional, name)(x, w, b, **options)
    gy = gy_of(*y.shape)
    y.backward(t.tensor(gy.astype(np.float64)))
    return gy, [a.grad.numpy() for a in (x, w, b)]


def alone(name, gy, x, w, **options):
    """The three gradients by a call each."""
    gx, gw, gb = (getattr(ops, f"{name}_grad_{what}") for what in ("input", "weight", "bias"))
    return gx(gy, w, x.shape, **options), gw(gy, x, w.shape, **options), gb(gy)


@DTYPES
@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_against_plain_loops(case, dtype):
    x, w, _, gy = case.arrays(dtype)
    found = (
        of_case(case, "grad_input")(gy, w, case.x, **case.geometry),
        of_case(case, "grad_weight")(gy, x, case.w, **case.geometry),
        of_case(case, "grad_bias")(gy),
    )
    assert all(type(a) is np.ndarray and a.dtype == dtype for a in found)
    assert_close(found[0], naive.conv_grad_input(gy, w, case.x, **case.geometry), case.terms_grad_input)
    assert_close(found[1], naive.conv_grad_weight(gy, x, case.w, **case.geometry), case.terms_grad_weight)
    assert_close(found[2], naive.conv_grad_bias(gy), case.terms_grad_weight)
    for one, other in zip(found, of_case(case, "backward")(gy, x, w, **case.geometry), strict=True):
        np.testing.assert_array_equal(one, other)


@DTYPES
@pytest.mark.parametrize(("name", "x", "w", "options"), EVERY, ids=str)
def test_each_against_pytorch(name, x, w, options, dtype):
    x, w = normal(*x).astype(dtype), normal(*w, seed=1).astype(dtype)
    gy, wanted = theirs(name, x, w, lambda *shape: normal(*shape, seed=2).astype(dtype), **options)
    for found in (alone(name, gy, x, w, **options), getattr(ops, f"{name}_backward")(gy, x, w, **options)):
        for got, want in zip(found, wanted, strict=True):
            assert got.dtype == dtype and got.shape == want.shape
            assert_close(got, want, 200)


@pytest.mark.parametrize(("name", "x", "w", "options"), [EVERY[i] for i in (0, 3, 5, 7, 8, 11)], ids=str)
def test_devices_agree(name, x, w, options, place):
    x, w = normal(*x).astype(np.float32), normal(*w, seed=1).astype(np.float32)
    gy, wanted = theirs(name, x, w, lambda *shape: normal(*shape, seed=2).astype(np.float32), **options)
    moved = [gpunn.to_device(a, place) for a in (gy, x, w)]
    for got, want in zip(alone(name, *moved, **options), wanted, strict=True):
        assert type(got) is type(moved[0])
        assert_close(gpunn.to_numpy(got), want, 200)


@pytest.mark.parametrize(("name", "x", "w", "options"), [EVERY[i] for i in (2, 5, 7, 11)], ids=str)
def test_any_strides_and_an_empty_batch(name, x, w, options):
    def strided(a):
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan)
        wide[..., ::2] = a
        return [np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1), wide[..., ::2], np.flip(np.flip(a).copy())]

    x, w = normal(*x), normal(*w, seed=1)
    gy = normal(*getattr(ops, name)(x, w, **options).shape, seed=2)
    wanted = alone(name, gy, x, w, **options)
    for gs, xs, ws in zip(strided(gy), strided(x), strided(w), strict=True):
        for got, want in zip(alone(name, gs, xs, ws, **options), wanted, strict=True):
            assert_close(got, want, 200)
    gx, gw, gb = getattr(ops, f"{name}_backward")(gy[:0], x[:0], w, **options)
    assert gx.shape == (0, *x.shape[1:]) and gw.shape == w.shape and not gw.any() and not gb.any()


@pytest.mark.parametrize("name", ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"])
def test_what_is_not_needed_is_none_and_not_computed(name, monkeypatch):
    rank = int(name[-2])
    x, w = normal(2, 3, *[4] * rank), normal(3, 3, *[2] * rank)
    gy = normal(*getattr(ops, name)(x, w).shape)
    backward = getattr(ops, f"{name}_backward")
    every = backward(gy, x, w)
    transposed = "transpose" in name
    passes = {"x": "forward" if transposed else "grad_input", "weight": "grad_weight"}
    for needs in ((), ("x",), ["weight"], ("bias",), ("bias", "x"), ("weight", "bias"), {"weight", "x"}):
        with monkeypatch.context() as patch:
            for of, one in passes.items():
                if of not in needs:
                    patch.setattr(cpu_conv, one, None)
            if "bias" not in needs or ("weight" in needs and not transposed):
                patch.setattr(cpu_conv, "grad_bias", None)
            found = backward(gy, x, w, needs=needs)
        for of, got, want in zip(("x", "weight", "bias"), found, every, strict=True):
            assert (got is None) == (of not in needs)
            if got is not None:
                assert_close(got, want, 60)


def test_sixteen_bits(place):
    name, x, w, options = EVERY[9]
    x, w = (np.round(8 * normal(*shape)) / 8 for shape in (x, w))
    gy, wanted = theirs(name, x, w, lambda *shape: np.round(8 * normal(*shape, seed=2)) / 8, **options)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        moved = [gpunn.to_device(a.astype(dtype), place) for a in (gy, x, w)]
        for got, want in zip(alone(name, *moved, **options), wanted, strict=True):
            assert got.dtype == dtype
            assert_close(gpunn.to_numpy(got), want, 1, dtype=dtype)


@pytest.mark.parametrize("name", ["conv2d", "conv3d", "conv_transpose1d", "conv_transpose3d"])
def test_a_gradient_is_one_launch_and_the_host_waits_for_none(name, look_alike):
    """Of arrays that lie as kernels read them; the sums of a split one, a second."""
    rank = int(name[-2])
    x, w = normal(2, 4, *[4] * rank).astype(np.float32), normal(4, 4, *[3] * rank).astype(np.float32)
    gy = getattr(ops, name)(x, w, padding=1)
    gy, x, w = (gpunn.to_device(np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1), "cuda") for a in (gy, x, w))
    alone(name, gy, x, w, padding=1)
    with counting.device_work() as work:
        alone(name, gy, x, w, padding=1)
    assert work.launches.total() <= 3 + 2 and not work.reads, str(work)


def test_under_a_precision_gradients_multiply_in_it_too():
    x, w, gy = (normal(*s).astype(np.float32) for s in ((1, 2, 5), (3, 2, 2), (1, 3, 4)))
    with gpunn.precision("bf16"):
        narrow = ops.conv1d_backward(gy, x, w)
    rounded = [a.astype(ml_dtypes.bfloat16).astype(np.float32) for a in (gy, x, w)]
    for got, want in zip(narrow, ops.conv1d_backward(*rounded), strict=True):
        assert got.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(got, want.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("rank", [1, 3])
def test_conv_transpose_of_other_ranks_against_pytorch(rank):
    theirs = getattr(torch().nn.functional, f"conv_transpose{rank}d")
    for name, x, w, options in EVERY:
        if name == f"conv_transpose{rank}d":
            x, w, b = normal(*x), normal(*w, seed=1), normal(w[1] * options.get("groups", 1), seed=2)
            want = theirs(*map(torch().tensor, (x, w, b)), **options).numpy()
            assert_close(getattr(ops, name)(x, w, b, **options), want, 200)


def test_out_of_what_is_needed_and_none_for_the_rest():
    x, w, gy = normal(2, 3, 4, 5), normal(4, 3, 2, 2), normal(2, 4, 3, 4)
    gx, gw = np.empty_like(x), np.empty_like(w)
    outs = gx, None, None
    assert ops.conv2d_backward(gy, x, w, needs=("x",), out=outs) is outs
    ops.conv2d_grad_weight(gy, x, w.shape, out=gw)
    np.testing.assert_array_equal(gx, ops.conv2d_backward(gy, x, w)[0])
    np.testing.assert_array_equal(gw, ops.conv2d_backward(gy, x, w)[1])
    with pytest.raises(ValueError, match="conv2d_backward: out has None where the result is an array; pass an array"):
        ops.conv2d_backward(gy, x, w, needs=("x", "weight"), out=outs)
    with pytest.raises(ValueError, match="conv2d_backward: out has an array where the result is None; pass None there"):
        ops.conv2d_backward(gy, x, w, needs=(), out=outs)
