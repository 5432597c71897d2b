"""Complex convolutions and their gradients: PyTorch's, and those of four real ones by plain loops."""

import numpy as np
import pytest

import gpunn
from gpunn import Pooling, ops
from gpunn.cpu.narrow import tf32
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from tests.ops.test_conv_gradients import EVERY, alone
from tests.parity import normal, torch

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")
PARTS = {"complex64": "float32", "complex128": "float64"}


def numbers(*shape, seed=0, dtype="complex128"):
    return (normal(*shape, seed=seed) + 1j * normal(*shape, seed=seed + 100)).astype(dtype)


def check(got, want, terms=400):
    """Part by part, on the scale of both."""
    got = gpunn.to_numpy(got)
    scale = np.abs(want).max(initial=0)
    for one, other in ((got.real, want.real), (got.imag, want.imag)):
        assert_close(one, other, terms, dtype=PARTS[got.dtype.name], scale=scale)


def four_products(product, x, w):
    real = product(x.real, w.real) - product(x.imag, w.imag)
    return real + 1j * (product(x.real, w.imag) + product(x.imag, w.real))


@pytest.mark.parametrize("dtype", PARTS)
def test_against_plain_loops(dtype):
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
    x, w, b = numbers(2, 4, 6, 5, dtype=dtype), numbers(6, 2, 3, 2, seed=1, dtype=dtype), numbers(6, dtype=dtype)
    want = four_products(lambda x, w: naive.conv(x, w, None, **options), x, w) + b[:, None, None]
    y = ops.conv2d(x, w, b, **options)
    assert y.dtype == dtype
    check(y, want)
    gy = numbers(*y.shape, seed=2, dtype=dtype)
    gx, gw, gb = ops.conv2d_backward(gy, x, w, **options)
    check(gx, four_products(lambda gy, w: naive.conv_grad_input(gy, w, x.shape, **options), gy, w.conj()))
    check(gw, four_products(lambda gy, x: naive.conv_grad_weight(gy, x, w.shape, **options), gy, x.conj()))
    check(gb, gy.sum((0, 2, 3)))


@pytest.mark.parametrize("dtype", PARTS)
@pytest.mark.parametrize(("name", "x", "w", "options"), EVERY, ids=str)
def test_against_pytorch(name, x, w, options, dtype):
    t = torch()
    x, w = numbers(*x, dtype=dtype), numbers(*w, seed=1, dtype=dtype)
    filters = w.shape[0] if "transpose" not in name else w.shape[1] * options.get("groups", 1)
    b = numbers(filters, seed=2, dtype=dtype)
    exact = [t.tensor(a.astype("complex128"), requires_grad=True) for a in (x, w, b)]
    wanted = getattr(t.nn.functional, name)(*exact, **options)
    y = getattr(ops, name)(x, w, b, **options)
    assert y.dtype == dtype
    check(y, wanted.detach().numpy())
    gy = numbers(*y.shape, seed=3, dtype=dtype)
    wanted.backward(t.tensor(gy.astype("complex128")))
    for found in (alone(name, gy, x, w, **options), getattr(ops, f"{name}_backward")(gy, x, w, **options)):
        for got, want in zip(found, exact, strict=True):
            assert got.dtype == dtype
            check(got, want.grad.numpy())


@pytest.mark.parametrize(("name", "x", "w", "options"), EVERY, ids=str)
def test_gradients_are_adjoints(name, x, w, options):
    """<y, gy> = <x, gx> = <w, gw>, the first conjugated: no PyTorch needed."""
    x, w = numbers(*x), numbers(*w, seed=1)
    y = getattr(ops, name)(x, w, **options)
    gy = numbers(*y.shape, seed=2)
    gx, gw, _ = getattr(ops, f"{name}_backward")(gy, x, w, **options)
    for a, b in ((x, gx), (w, gw)):
        assert abs(np.vdot(y, gy) - np.vdot(a, b)) <= 1e-14 * np.linalg.norm(y) * np.linalg.norm(gy)


@pytest.mark.parametrize(("name", "x", "w", "options"), [EVERY[i] for i in (1, 4, 8, 12)], ids=str)
def test_devices_agree(name, x, w, options, place):
    x, w = numbers(*x, dtype="complex64"), numbers(*w, seed=1, dtype="complex64")
    y = getattr(ops, name)(x, w, **options)
    gy = numbers(*y.shape, seed=2, dtype="complex64")
    moved = [gpunn.to_device(a, place) for a in (gy, x, w)]
    there = getattr(ops, name)(*moved[1:], **options)
    assert type(there) is type(moved[0]) and there.dtype == np.complex64
    check(there, y)
    for got, want in zip(alone(name, *moved, **options), alone(name, gy, x, w, **options), strict=True):
        assert type(got) is type(moved[0])
        check(got, want)


def test_views_an_empty_batch_and_inputs_left_alone():
    wide = numbers(2, 3, 6, 10)
    x, w = wide[:, ::-1, :, ::2], numbers(3, 4, 2, 2, seed=1).swapaxes(0, 1)
    before = wide.copy()
    check(ops.conv2d(x, w), ops.conv2d(x.copy(), w.copy()))
    last = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    check(
        ops.conv2d_grad_weight(numbers(2, 4, 5, 4), last, w.shape),
        ops.conv2d_grad_weight(numbers(2, 4, 5, 4), x, w.shape),
    )
    np.testing.assert_array_equal(wide, before)
    assert ops.conv2d(x[:0], w).shape == (0, 4, 5, 4)
    gx, gw, gb = ops.conv2d_backward(numbers(0, 4, 5, 4), x[:0], w)
    assert gx.shape == (0, 3, 6, 5) and not gw.any() and not gb.any() and gw.dtype == gb.dtype == np.complex128


@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, -np.inf), complex(np.nan, 1)])
def test_what_is_not_finite_reaches_its_windows_and_nothing_else(value):
    x, w = numbers(1, 1, 8), numbers(1, 1, 3, seed=1)
    clean = ops.conv1d(x, w)
    x[0, 0, 3] = value
    y = ops.conv1d(x, w)
    hit = np.isin(np.arange(6), [1, 2, 3])
    assert not np.isfinite(y[0, 0, hit].real).any() and not np.isfinite(y[0, 0, hit].imag).any()
    np.testing.assert_array_equal(y[0, 0, ~hit], clean[0, 0, ~hit])


def test_rounding_is_on_the_scale_of_both_parts():
    """As conv_complex.py says: a part that is far smaller has the other's rounding errors."""
    x, w = numbers(1, 4, 50, dtype="complex64"), numbers(3, 4, 5, seed=1, dtype="complex64")
    x.imag *= 1e-6
    want = four_products(lambda x, w: naive.conv(x, w, None, (1,), (0,), (1,), 1), x, w.real + 0j)
    check(ops.conv1d(x, (w.real + 0j).astype(np.complex64)), want, terms=40)


def test_a_residual_of_every_rank():
    for rank in (1, 2, 3):
        x, w, r = numbers(1, 2, *[3] * rank), numbers(2, 2, *[2] * rank, seed=1), numbers(1, 2, *[2] * rank, seed=2)
        op = getattr(ops, f"conv{rank}d")
        check(op(x, w, residual=r), op(x, w) + r)


def test_tf32_rounds_the_operands_of_the_three_products_and_16_bits_are_refused():
    x, w = numbers(1, 2, 9, dtype="complex64"), numbers(3, 2, 3, seed=1, dtype="complex64")
    with gpunn.precision("tf32"):
        y = ops.conv1d(x, w)
    p = ops.conv1d(tf32(x.real + x.imag), tf32(w.real))
    q = ops.conv1d(tf32(x.real), tf32(w.imag - w.real))
    r = ops.conv1d(tf32(x.imag), tf32(w.real + w.imag))
    np.testing.assert_array_equal(y, (p - r) + 1j * (p + q))
    for precision in ("bf16", "fp16"):
        with gpunn.precision(precision):
            with pytest.raises(
                TypeError, match=r"conv1d: x is complex64, .* expected gpunn.precision 'fp32' or 'tf32'"
            ):
                ops.conv1d(x, w)
            check(ops.conv1d(x.astype("complex128"), w.astype("complex128")), ops.conv1d(*map(np.complex128, (x, w))))


def test_refusals():
    x, w = numbers(1, 2, 4, 4), numbers(2, 2, 3, 3)
    with pytest.raises(TypeError, match=r'x is complex128 but w is float64; .* w with .astype\("complex128"\)'):
        ops.conv2d(x, w.real)
    with pytest.raises(TypeError, match=r'x is float64 but w is complex128; .* x with .astype\("complex128"\)'):
        ops.conv2d(x.real, w)
    with pytest.raises(TypeError, match="conv2d: activation is 'relu' of complex128 numbers, expected None"):
        ops.conv2d(x, w, activation="relu")
    with pytest.raises(TypeError, match=r"conv2d: pool is .* of complex128 numbers, expected None"):
        ops.conv2d(x, w, pool=Pooling.max(2))
    with pytest.raises(TypeError, match="conv2d_grad_input: gy is complex128 but w is complex64; convert one"):
        ops.conv2d_grad_input(x, w.astype("complex64"), (1, 2, 6, 6))
    with pytest.raises(TypeError, match="relu: x is complex128, expected real numbers, float32 or float64"):
        ops.relu(x)
