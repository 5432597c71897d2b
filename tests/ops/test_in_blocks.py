"""What the cpu computes in blocks of its own, beside NumPy's functions and math's, over several blocks and edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gpunn
from gpunn import ops
from gpunn.cpu.over import BLOCK, ROW, over, over_into

EDGES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38]


def numbers(size: int, seed: int, scale: float = 3.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(size) * scale).astype(np.float32)


@pytest.mark.parametrize("op, exact", [(ops.erf, math.erf), (ops.erfc, math.erfc)])
def test_error_function_of_float32(op, exact):
    x = np.concatenate([np.linspace(-5, 5, 3001, dtype=np.float32), np.float32(EDGES)])
    want = np.array([exact(v) for v in x.tolist()])
    np.testing.assert_allclose(op(x), want, rtol=6e-6, atol=1e-45)
    assert np.signbit(ops.erf(np.float32([-0.0]))).all()


@pytest.mark.parametrize("by", ["numbers", "edges", 1.5, -0.3, 0])
@pytest.mark.parametrize("name", ["remainder", "floor_divide"])
def test_remainders_have_numpys_bits(name, by):
    u = np.concatenate([numbers(BLOCK, 1, 100), np.round(numbers(BLOCK, 2)), np.float32(EDGES)])
    v = {
        "numbers": np.round(numbers(u.size, 3) * 4) / 4 + np.float32(0.125),
        "edges": np.resize(np.float32(EDGES), u.size),
    }
    divisor = v.get(by, by)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(u, divisor)
    np.testing.assert_array_equal(getattr(ops, name)(u, divisor), want)
    np.testing.assert_array_equal(np.signbit(getattr(ops, name)(u, divisor)[want == 0]), np.signbit(want[want == 0]))


def test_nan_to_num_in_a_block_of_many():
    x = numbers(2 * BLOCK + 3, 4)
    x[BLOCK + np.arange(len(EDGES))] = EDGES
    np.testing.assert_array_equal(ops.nan_to_num(x, 1.0, 2.0, -2.0), np.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-2.0))


@pytest.mark.parametrize("shape, axis", [((3, 1000), 1), ((4, 5, 7), 2), ((2, 9, 100), 1), ((2, 9, 3), 1), ((3, 1), 1)])
def test_running_sums(shape, axis):
    x = numbers(math.prod(shape), 5).reshape(shape)
    np.testing.assert_allclose(ops.cumsum(x, axis), np.cumsum(x, axis, dtype=np.float64), rtol=1e-6)
    assert np.signbit(ops.cumsum(np.full(shape, -0.0, np.float32), axis)).all()
    x[0, -1], x[1] = np.inf, np.nan
    np.testing.assert_allclose(ops.cumsum(x, axis), np.cumsum(x, axis, dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [1, 3, 9])
def test_topk_among_equal_and_infinite_ones(k, largest):
    x = np.round(numbers(4 * 100, 6)).reshape(4, 100)
    x[1, 2:] = -np.inf
    x[2, 2:] = np.inf
    order = np.argsort(-x if largest else x, axis=1, kind="stable")[:, :k]
    values, indices = ops.topk(x, k, 1, largest)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, 1))


@pytest.mark.parametrize("part", [np.s_[:, 1:], np.s_[:, :, ::2], np.s_[::-1], np.s_[..., :0], np.s_[0, 0, 0]])
def test_a_walk_over_parts_of_an_array(part):
    x = numbers(3 * 4 * 5 * 900, 7).reshape(3, 4, 5, 900)[part]
    other = np.asfortranarray(x)
    (y,) = over(lambda a, b, to: np.add(a, b, out=to), x, other)
    np.testing.assert_array_equal(y, x + x)


@pytest.mark.parametrize("axis, width", [(0, ROW), (1, ROW), (1, 3), (2, ROW)])
def test_a_walk_into_parts_of_an_array(axis, width):
    x = numbers(2 * 4 * 6 * width, 8).reshape(2, 4, 6, width)
    y = np.full(x.shape, np.nan, np.float32)
    for part, to in zip(np.split(x, 2, axis), np.split(y, 2, axis), strict=True):
        over_into(lambda a, b, made: np.add(a, b, out=made), (part, part[::-1]), (to,))
        np.testing.assert_array_equal(to, part + part[::-1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape, dim", [((3, 8, 5), 1), ((2, 2, 2 * BLOCK + 6), -1), ((0, 4), 1), ((4, 0), 1)])
def test_gradient_of_glu(dtype, shape, dim):
    x = gpunn.tensor(numbers(math.prod(shape), 9).reshape(shape).astype(dtype), requires_grad=True)
    u, v = (a.astype(np.float64) for a in np.split(x.numpy(), 2, dim))
    s = 1 / (1 + np.exp(-v))
    gy = numbers(u.size, 10).reshape(u.shape).astype(dtype)
    ops.glu(x, dim).backward(gy)
    assert x.grad is not None and x.grad.dtype == dtype
    want = np.concatenate([gy * s, gy * u * s * (1 - s)], dim)
    np.testing.assert_allclose(x.grad, want, rtol=16 * np.finfo(dtype).eps, atol=32 * np.finfo(dtype).eps)


def test_a_glu_keeps_the_digits_of_a_small_gate():
    """exp(90) is infinite in float32, exp(-90) is not zero: of a large half much is left."""
    y = ops.glu(np.array([1e38, np.inf, -90.0, -95.0], np.float32), 0)
    assert y[0] == pytest.approx(1e38 * math.exp(-90), rel=1e-5) and y[1] == np.inf


@pytest.mark.parametrize("shape", [(8, 700), (3, 2, 5), (2, (1 << 15) + 7), (0, 4), (3, 0), (70000, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_norms_of_rows_of_any_size(shape, dtype):
    x = numbers(math.prod(shape), 11).reshape(shape)
    if x.shape == (8, 700):
        x *= np.float32([1, 1e-30, 1e30, 0, 1e18, 1e-18, 1, 1])[:, None]
        x[6, 3], x[7, 5] = np.inf, np.nan
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
        want = np.sqrt((x.astype(np.float64) ** 2).sum(-1)).astype(dtype)
    np.testing.assert_allclose(ops.vector_norm(x, axis=-1), want, rtol=2 * np.finfo(dtype).eps, atol=1e-45)
    np.testing.assert_array_equal(ops.vector_norm(x[::-1], axis=-1), ops.vector_norm(x, axis=-1)[::-1])


def test_cosines_of_huge_and_tiny_rows():
    u, v = (numbers(6 * 500, seed).reshape(6, 500) for seed in (1, 2))
    sizes = np.float32([1, 1e-30, 1e30, 1e18, 1e-18, 1])[:, None]
    wide = [a.astype(np.float64) for a in (u, v)]
    want = (wide[0] * wide[1]).sum(1) / np.prod([np.sqrt((a * a).sum(1)) for a in wide], 0)
    np.testing.assert_allclose(ops.cosine_similarity(u * sizes, v, eps=0), want, atol=1e-6)
    u[5, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(ops.cosine_similarity(u, v)), np.arange(6) == 5)
