"""In-place operators and assignment: in memory inside no_grad; while recording refused, or by a new array."""

import operator

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, no_grad, ops
from tests.ops.places import host, leaf, on

X = np.array([[0.5, 2.0], [1.5, -1.0]], np.float32)
Y = np.array([[2.0, 1.0], [3.0, 2.0]], np.float32)
OPERATORS = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow]
by_operator = pytest.mark.parametrize("change", OPERATORS, ids=lambda change: change.__name__)
PLAIN = {operator.ipow: operator.pow, operator.itruediv: operator.truediv}


def expected(change):
    return PLAIN.get(change, change)(X.copy(), Y)


@by_operator
def test_inside_no_grad_the_memory_changes(change, place):
    p = leaf(place, X)
    array, view, same = p.array, p.array[0], p
    with no_grad():
        got = change(p, Tensor(on(place, Y)))
    assert got is same and p.array is array and p.requires_grad and p.is_leaf
    np.testing.assert_allclose(host(p), expected(change), rtol=1e-6)
    np.testing.assert_allclose(host(view), expected(change)[0], rtol=1e-6)


@by_operator
def test_a_leaf_is_refused_while_recording(change, place):
    p = leaf(place, X)
    with pytest.raises(RuntimeError, match=r"a leaf that requires a gradient cannot be changed .* `with no_grad\(\):`"):
        change(p, on(place, Y))
    assert np.array_equal(host(p), X)


@by_operator
def test_while_recording_gradients_are_those_of_the_operator(change, place):
    """y = exp(x) keeps y for its gradient, which a change in memory would spoil."""
    found = []
    for of in (change, PLAIN.get(change, change)):
        x, other = leaf(place, X), leaf(place, Y)
        y = ops.exp(x)
        z = of(y, other)
        assert (z is y) == (of is change) or of in (operator.iadd, operator.isub, operator.imul)
        z.sum().backward()
        found.append((host(z.detach()), host(x.gradient), host(other.gradient)))
    for got, want in zip(*found, strict=True):
        np.testing.assert_array_equal(got, want)
    assert np.isfinite(found[0][1]).all()


def test_a_computed_value_changed_inside_no_grad_keeps_its_gradient(place):
    x = leaf(place, X)
    y = ops.exp(x)
    with no_grad():
        y *= 0
    assert not host(y.detach()).any()
    y.sum().backward()
    np.testing.assert_allclose(host(x.gradient), np.exp(X), rtol=1e-6)


def test_what_needs_no_gradient_changes_in_memory_which_no_gradient_then_reads(place):
    w, x = leaf(place, X), Tensor(on(place, Y))
    memory, product, total = x.array, w * x, w + x
    x += 1
    assert x.array is memory and np.array_equal(host(x), Y + 1)
    total.sum().backward()  # needs no values
    assert np.array_equal(host(w.gradient), np.ones_like(X))
    with pytest.raises(RuntimeError, match=r"a value \(2, 2\) that the gradient of 'mul' needs was changed in place"):
        product.sum().backward()
    assert np.array_equal(host(w.gradient), np.ones_like(X))
    loss = Tensor(on(place, 0.0))
    loss += (w * w).sum()
    assert loss.requires_grad and not loss.is_leaf


@pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])
def test_the_update_by_hand_trains_a_convolution(device, request):
    if device != "cpu" and not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    if device == "cuda":
        request.getfixturevalue("look_alike")
    layer = nn.Conv2d(2, 4, 3).to(device)
    x = Tensor(on(device, np.random.default_rng(0).normal(size=(2, 2, 5, 5))))
    strides, before = layer.weight.array.strides, host(layer.weight.array)
    y = layer(x)
    (y * y).sum().backward()
    grads = {name: host(p.gradient, np.float32) for name, p in layer.named_parameters()}
    with no_grad():
        for p in layer.parameters():
            p -= 0.1 * p.gradient
    assert layer.weight.array.strides == strides
    np.testing.assert_allclose(host(layer.weight.array), before - 0.1 * grads["weight"], rtol=1e-5, atol=1e-6)
    plain = [v.astype(np.float64) for v in map(gpunn.to_numpy, (x, layer.weight, layer.bias))]
    np.testing.assert_allclose(host(layer(x).detach()), ops.conv2d(*plain), rtol=1e-4, atol=1e-4)


def test_items_are_assigned(place):
    p = leaf(place, X)
    array = p.array
    with no_grad():
        p[0] = 7
        p[:, 1] -= Tensor(on(place, [1.0, 2.0]))
        p[Tensor(on(place, [[False, False], [True, False]], bool))] = np.float64(3)
    assert p.array is array and host(p).tolist() == [[7, 6], [3, -3]]
    x = Tensor(on(place, Y))
    y = leaf(place, X) + x
    x[0, 0] = 9
    assert host(x)[0, 0] == 9
    y.sum().backward()


def test_parts_of_a_leaf_are_refused_while_recording(place):
    p = leaf(place, X)
    for change in (lambda: p.__setitem__(0, 1), lambda: operator.isub(p[0], 1)):
        with pytest.raises(RuntimeError, match=r"setitem: a leaf that requires a gradient .* ops.where\(mask, y, x\)"):
            change()
    assert np.array_equal(host(p), X)


def test_what_does_not_fit_is_refused_and_changes_nothing(place):
    p, ints = leaf(place, X[0]), Tensor(on(place, [1, 2], np.int64))
    with no_grad():
        with pytest.raises(ValueError, match=r"add: in place, x is \(2,\) but the result is \(2, 2\), expected equal"):
            p += on(place, Y)
        with pytest.raises(TypeError, match=r"div: in place, x is int64 but the result is float32.*x.to\('float32'\)"):
            ints /= 2
        with pytest.raises(TypeError, match="setitem: in place, x is int64 but the result is float64"):
            ints[0] = 0.5
        with pytest.raises(ValueError, match=r"setitem: the part is \(2,\) but the value \(2, 2\), expected"):
            p[:] = on(place, Y)
        with pytest.raises(IndexError, match="index does not fit shape"):
            p[5] = 1
        with pytest.raises(ValueError, match=r"mul: elements of x \(2, 2\) share memory|mul: x is read-only"):
            x = Tensor(on(place, X[0])).broadcast_to((2, 2))
            x *= 2
        p *= on(place, Y[0], np.float64)  # a float of another width is not
    assert p.dtype == np.float32 and np.array_equal(host(p), X[0] * Y[0]) and host(ints).tolist() == [1, 2]


def test_read_only_memory_is_refused():
    fixed = np.ones(2)
    fixed.flags.writeable = False
    x = Tensor(fixed)
    with no_grad(), pytest.raises(ValueError, match=r"add: x is read-only, expected memory .* gpunn.tensor\(x\)"):
        x += 1
    x += 1  # a new array
    assert host(x).tolist() == [2, 2] and fixed.tolist() == [1, 1]
