"""Ops that only move elements, and broadcasting: NumPy moves the elements' numbers, and those say the gradient."""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn_numpy

from gpunn import Tensor, ops
from tests.properties.drawn import few, gradient, normal, places, scattered, shapes


def moves(ours, numpys, shape):
    """ours(x) holds the elements that NumPy says, and sends each gradient back to where its element was."""
    x = Tensor(normal(*shape), requires_grad=True)
    y, index = ours(x), numpys(places(shape))
    np.testing.assert_array_equal(y.array, x.array.reshape(-1)[index])
    gy = normal(*y.shape, seed=1)
    y.backward(gy)
    np.testing.assert_allclose(gradient(x), scattered(index, gy, shape), rtol=1e-12, atol=1e-12)


@few
@given(shapes, st.data())
def test_order(shape, data):
    dims = data.draw(st.permutations(range(len(shape))))
    moves(lambda x: ops.permute(x, dims), lambda n: n.transpose(dims), shape)
    moves(lambda x: ops.permute(ops.permute(x, dims), np.argsort(dims)), lambda n: n, shape)
    a, b = data.draw(st.tuples(*[st.integers(-len(shape), len(shape) - 1)] * 2))
    moves(lambda x: ops.transpose(x, a, b), lambda n: n.swapaxes(a, b), shape)


@few
@given(shapes, st.data())
def test_shape(shape, data):
    split = data.draw(st.integers(0, len(shape)))
    joined = (int(np.prod(shape[:split])), -1)
    moves(lambda x: ops.reshape(x, joined), lambda n: n.reshape(joined), shape)
    moves(lambda x: ops.reshape(ops.flatten(x), shape), lambda n: n, shape)
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    moves(lambda x: ops.unsqueeze(x, axis), lambda n: np.expand_dims(n, axis), shape)
    moves(lambda x: ops.squeeze(ops.unsqueeze(x, axis), axis), lambda n: n, shape)
    moves(ops.squeeze, np.squeeze, shape)
    wide = (*data.draw(shapes), *(3 if n == 1 else n for n in shape))[-6:]
    moves(lambda x: ops.broadcast_to(x, wide), lambda n: np.broadcast_to(n, wide), shape)


@few
@given(shapes, st.data())
def test_index(shape, data):
    index = data.draw(drawn_numpy.basic_indices(shape, allow_newaxis=True))
    moves(lambda x: x[index], lambda n: n[index], shape)
    rows = data.draw(st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=5))
    moves(lambda x: ops.getitem(x, rows), lambda n: n[rows], shape)
    mask = normal(*shape, seed=2) > 0
    moves(lambda x: x[mask], lambda n: n[mask], shape)


MODES: dict[str, Any] = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@few
@given(shapes, st.sampled_from(sorted(MODES)), st.data())
def test_pad(shape, mode, data):
    longest = {"reflect": [n - 1 for n in shape], "circular": shape}.get(mode, [3] * len(shape))
    widths = [data.draw(st.tuples(st.integers(0, n), st.integers(0, n))) for n in longest]
    flat = [n for pair in widths[::-1] for n in pair]  # PyTorch's order
    middle = tuple(slice(before, before + n) for (before, _), n in zip(widths, shape, strict=True))
    for padding in (widths, flat):
        moves(lambda x, padding=padding: ops.pad(x, padding, mode)[middle], lambda n: n, shape)
        if mode != "constant":
            moves(lambda x, p=padding: ops.pad(x, p, mode), lambda n: np.pad(n, widths, MODES[mode]), shape)
    outside = ops.pad(np.zeros(shape), widths, "constant", 2)
    assert outside.sum() == 2 * (outside.size - int(np.prod(shape)))


@few
@given(shapes, st.data())
def test_join(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    parts = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    whole = (*shape[:axis], sum(parts), *shape[axis + 1 :])

    def pieces(x):
        return [x[(slice(None),) * axis + (slice(a, b),)] for a, b in pairwise([0, *np.cumsum(parts)])]

    moves(lambda x: ops.concatenate(pieces(x)[::-1], axis), lambda n: np.concatenate(pieces(n)[::-1], axis), whole)
    moves(lambda x: ops.stack([x, x], axis), lambda n: np.stack([n, n], axis), shape)


# op: (value, slope by a, slope by b) of two numbers
PAIRS = {
    "add": (lambda a, b: a + b, lambda a, b: 1, lambda a, b: 1),
    "sub": (lambda a, b: a - b, lambda a, b: 1, lambda a, b: -1),
    "mul": (lambda a, b: a * b, lambda a, b: b, lambda a, b: a),
    "div": (lambda a, b: a / b, lambda a, b: 1 / b, lambda a, b: -a / b**2),
    "maximum": (np.maximum, lambda a, b: a > b, lambda a, b: b > a),
    "minimum": (np.minimum, lambda a, b: a < b, lambda a, b: b < a),
}


@few
@given(st.sampled_from(sorted(PAIRS)), drawn_numpy.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4))
def test_broadcasting(name, drawn):
    value, *slopes = PAIRS[name]
    arrays = [normal(*shape, seed=i) for i, shape in enumerate(drawn.input_shapes)]
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    y, gy = getattr(ops, name)(*tensors), normal(*drawn.result_shape, seed=2)
    y.backward(gy)
    np.testing.assert_allclose(y.array, value(*arrays), rtol=1e-14)
    for x, slope in zip(tensors, slopes, strict=True):
        index = np.broadcast_to(places(x.shape), y.shape)
        np.testing.assert_allclose(gradient(x), scattered(index, gy * slope(*arrays), x.shape), rtol=1e-11, atol=1e-11)
