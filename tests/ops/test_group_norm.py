"""group_norm, layer_norm, instance_norm and local_response_norm."""

import numpy as np
import pytest

from gpunn import Tensor, gradcheck, ops
from tests.parity import DTYPES, compare, normal, torch

X = normal(2, 6, 4, 3)
W, B = normal(6, seed=1), normal(6, seed=2)
NHWC = np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@DTYPES
@pytest.mark.parametrize("x", [X, NHWC, X[:, :, ::-1]], ids=["nchw", "nhwc", "reversed"])
def test_parity(x, dtype):
    f = torch().nn.functional
    x = x + 3.0  # a mean beside the spread, as real activations have
    options = {"dtype": dtype, "terms": 400}
    compare(lambda *a: ops.group_norm(a[0], 3, *a[1:]), lambda *a: f.group_norm(a[0], 3, *a[1:]), x, W, B, **options)
    compare(lambda a: ops.group_norm(a, 6, eps=0.1), lambda a: f.group_norm(a, 6, eps=0.1), x, **options)
    w, b = normal(4, 3, seed=3), normal(4, 3, seed=4)
    compare(
        lambda *a: ops.layer_norm(a[0], (4, 3), *a[1:]),
        lambda *a: f.layer_norm(a[0], (4, 3), *a[1:]),
        x,
        w,
        b,
        **options,
    )
    compare(
        lambda *a: ops.instance_norm(a[0], None, None, *a[1:]),
        lambda *a: f.instance_norm(a[0], None, None, *a[1:]),
        *(x, W, B),
        **options,
    )
    for size in (1, 2, 5, 12):
        compare(
            lambda a, n=size: ops.local_response_norm(a, n, 0.5, 0.6, 2.0),
            lambda a, n=size: f.local_response_norm(a, n, 0.5, 0.6, 2.0),
            x,
            **options,
        )


def test_gradients_from_the_definition():
    assert gradcheck(lambda *a: ops.group_norm(a[0], 2, *a[1:]), [X, W, B])
    assert gradcheck(lambda *a: ops.layer_norm(a[0], 3, *a[1:]), [X, normal(3), normal(3)])
    assert gradcheck(lambda *a: ops.instance_norm(a[0], None, None, *a[1:]), [X, W, B])
    assert gradcheck(lambda a: ops.local_response_norm(a, 4, 0.7, 0.75, 1.5), [X])


@pytest.mark.parametrize("wrap", [lambda a: a, Tensor], ids=["arrays", "Tensors"])
@pytest.mark.parametrize("name", ["instance_norm", "batch_norm", "batch_norm_relu"])
def test_running_statistics_move_in_place(name, wrap):
    mean, var = np.zeros(6), np.ones(6)
    given = wrap(mean), wrap(var)
    training = {} if name == "instance_norm" else {"training": True}
    for _ in range(2):
        getattr(ops, name)(Tensor(X, requires_grad=True), *given, momentum=0.5, **training)
    each = X.var((2, 3), ddof=1).mean(0) if name == "instance_norm" else X.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(mean, 0.75 * X.mean((0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(var, 0.25 + 0.75 * each, rtol=1e-9)


def test_running_statistics_of_instance_norm_that_do_not_fit():
    with pytest.raises(ValueError, match="running_var requires a gradient, which instance_norm does not have"):
        ops.instance_norm(X, np.zeros(6), Tensor(np.ones(6), requires_grad=True))
    with pytest.raises(TypeError, match="instance_norm: x is float64 but running_mean is float32; convert one of them"):
        ops.instance_norm(X, np.zeros(6, np.float32), np.ones(6))


def test_running_statistics_of_instance_norm():
    t = torch()
    mean, var = np.zeros(6), np.ones(6)
    their_mean, their_var = t.zeros(6, dtype=t.double), t.ones(6, dtype=t.double)
    ops.instance_norm(X, mean, var, momentum=0.3)
    t.nn.functional.instance_norm(t.tensor(X), their_mean, their_var, momentum=0.3)
    np.testing.assert_allclose(mean, their_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(var, their_var.numpy(), rtol=1e-12)
    got = ops.instance_norm(X, mean, var, W, B, use_input_stats=False)
    want = t.nn.functional.instance_norm(
        t.tensor(X), their_mean, their_var, t.tensor(W), t.tensor(B), use_input_stats=False
    )
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-10)


def test_an_empty_batch():
    x = np.zeros((0, 6, 4, 3), np.float32)
    mean, var = np.zeros(6, np.float32), np.ones(6, np.float32)
    for y in (
        ops.group_norm(x, 2),
        ops.layer_norm(x, (4, 3)),
        ops.instance_norm(x, mean, var),
        ops.local_response_norm(x, 3),
    ):
        assert y.shape == x.shape
    assert not mean.any() and (var == 1).all()


def test_a_large_mean_beside_a_small_spread():
    x = (normal(2, 4, 64, 64) * 0.1 + 1000).astype(np.float32)
    y = ops.group_norm(x, 2, eps=0.0)
    want = (x.astype(np.float64) - x.mean((2, 3), dtype=np.float64, keepdims=True)) / 0.1
    assert abs(float(y.mean())) < 1e-2 and float(y.std()) == pytest.approx(1, rel=1e-3)
    assert np.abs(y - want).mean() < 0.05


def test_the_gradient_keeps_x_and_two_numbers_a_group():
    y = ops.group_norm(Tensor(X, requires_grad=True), 3)
    kept = [c.cell_contents for c in y._node.backward.__closure__]
    assert sum(c.size for c in kept if isinstance(c, np.ndarray)) == X.size + 2 * 2 * 3


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: ops.group_norm(X, 4),
            r"group_norm: x has 6 channels \(2, 6, 4, 3\), expected a multiple of num_groups=4",
        ),
        (lambda: ops.group_norm(X, 0), "group_norm: num_groups is 0, expected at least 1"),
        (lambda: ops.group_norm(X, 2, B[:5]), r"group_norm: weight is \(5,\), expected \(6,\), one a channel of x"),
        (lambda: ops.group_norm(X[0, 0, 0], 1), r"group_norm: x is \(3,\), expected \(N, C\) or \(N, C, \*\)"),
        (lambda: ops.group_norm(X, 2, eps=-1), "group_norm: eps is -1, expected at least 0"),
        (
            lambda: ops.layer_norm(X, (4, 4)),
            r"layer_norm: x is \(2, 6, 4, 3\), expected its last sizes to be normalized_shape \(4, 4\); set normalized",
        ),
        (lambda: ops.layer_norm(X, ()), r"layer_norm: normalized_shape has 0 entries \(\), expected an int or"),
        (lambda: ops.layer_norm(X, 3, B), r"layer_norm: weight is \(6,\), expected normalized_shape \(3,\)"),
        (lambda: ops.instance_norm(X[..., :1, :1]), r"instance_norm: x \(2, 6, 1, 1\) has one element a channel"),
        (
            lambda: ops.instance_norm(X, use_input_stats=False),
            "instance_norm: use_input_stats=False needs running_mean and running_var; pass both",
        ),
        (lambda: ops.instance_norm(X, B[:2]), r"instance_norm: running_mean is \(2,\), expected \(6,\)"),
        (lambda: ops.local_response_norm(X, 0), "local_response_norm: size is 0, expected at least 1"),
        (lambda: ops.local_response_norm(X[0, 0], 3), "local_response_norm: x has 2 dimensions .*, expected .N, C, L."),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
