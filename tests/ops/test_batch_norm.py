"""Batch normalisation: table against the plain loops, running statistics and options against PyTorch."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference import naive
from gpunn.reference.cases import BATCHNORM
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

EPS = 1e-5


def tensors(arrays):
    return [None if a is None else Tensor(a, requires_grad=True) for a in arrays]


def run(case, arrays, mean, var, training):
    """The op that fits the case, on Tensors: plain, or fused with residual and ReLU."""
    x, gamma, beta, residual = arrays
    if case.relu:
        return ops.batch_norm_relu(x, mean, var, gamma, beta, training=training, residual=residual)
    y = ops.batch_norm(x, mean, var, gamma, beta, training=training)
    return y if residual is None else y + residual


@DTYPES
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", BATCHNORM, ids=str)
def test_against_plain_loops(case, training, dtype):
    *arrays, gy = case.arrays(dtype)
    x, gamma, beta, residual = arrays
    channels = case.x[1]
    mean, var = np.linspace(-1, 1, channels).astype(dtype), np.linspace(0.5, 2, channels).astype(dtype)
    mean += dtype(case.offset)
    if training:
        want, m, v = naive.batch_norm_train(x, gamma, beta, EPS, residual, case.relu)
        running = (np.zeros(channels, dtype), np.ones(channels, dtype))
    else:
        want, m, v = naive.batch_norm_eval(x, gamma, beta, mean, var, EPS, residual, case.relu), mean, var
        running = (mean, var)
    ours = tensors(arrays)
    y = run(case, ours, *running, training)
    # Subtracting a mean far from 0 costs the digits that the offset takes.
    terms = case.terms + case.offset**2
    assert y.dtype == dtype
    assert_close(y.array, want, terms)
    y.backward(gy)
    wanted = naive.batch_norm_backward(gy, x, gamma, m, v, EPS, training, y.array if case.relu else None)
    for name, tensor, gradient in zip(("gx", "gweight", "gbias", "gresidual"), ours, wanted, strict=True):
        if tensor is not None:
            assert tensor.gradient.dtype == dtype
            assert_close(tensor.gradient, gradient, terms, what=name)
    if not case.relu:
        gx, gw, gb = ops.batch_norm_backward(gy, x, gamma, m.astype(dtype), v.astype(dtype), training=training)
        assert_close(gx, wanted[0], terms)
        assert gamma is None or assert_close(gw, wanted[1], terms) is None
        assert beta is None or assert_close(gb, wanted[2], terms) is None


@DTYPES
@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, 0.37])
@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5), (2, 4, 3, 5)], ids=str)
def test_running_statistics_follow_pytorch_over_three_batches(shape, momentum, dtype):
    t = torch()
    mean, var = np.full(4, 0.5, dtype), np.full(4, 2.0, dtype)
    their_mean, their_var = t.tensor(mean.astype(np.float64)), t.tensor(var.astype(np.float64))
    for step in range(3):
        x = (normal(*shape, seed=step) * 3 + step).astype(dtype)
        ops.batch_norm(x, mean, var, training=True, momentum=momentum)
        t.nn.functional.batch_norm(
            t.tensor(x.astype(np.float64)), their_mean, their_var, training=True, momentum=momentum
        )
        assert mean.dtype == var.dtype == dtype
        assert_close(mean, their_mean.numpy(), 40)
        assert_close(var, their_var.numpy(), 40)


def test_evaluation_leaves_the_running_statistics_alone():
    mean, var = np.zeros(3), np.ones(3)
    ops.batch_norm(normal(5, 3), mean, var)
    assert (mean == 0).all() and (var == 1).all()


def test_evaluations_gradient_belongs_to_the_statistics_it_was_computed_with():
    """A training batch between the forward and the backward pass of an evaluation moves the running ones in place."""
    mean, var, x = np.array([0.5]), np.array([4.0]), Tensor(normal(5, 1), requires_grad=True)
    weight = Tensor(np.ones(1), requires_grad=True)
    y = ops.batch_norm(x, mean, var, weight)
    ops.batch_norm(normal(5, 1, seed=1) * 9, mean, var, training=True, momentum=1.0)
    gy = normal(5, 1, seed=2)
    y.backward(gy)
    want = naive.batch_norm_backward(gy, x.array, np.ones(1), [0.5], [4.0], EPS, False)
    assert_close(x.gradient, want[0], 5)
    assert_close(weight.gradient, want[1], 5)


def test_training_without_running_statistics_uses_the_batch():
    compare(
        lambda x: ops.batch_norm(x, None, None, training=True),
        lambda x: torch().nn.functional.batch_norm(x, None, None, training=True),
        normal(4, 3, 5),
        terms=60,
    )


@pytest.mark.parametrize("eps", [1e-5, 0.1, 1.0])
@pytest.mark.parametrize("training", [True, False])
def test_eps_and_affine_against_pytorch(eps, training):
    functional = torch().nn.functional
    mean, var = normal(3), np.abs(normal(3)) + 0.5
    compare(
        lambda x, w, b: ops.batch_norm(x, mean.copy(), var.copy(), w, b, training, 0.1, eps),
        lambda x, w, b: functional.batch_norm(x, torch().tensor(mean), torch().tensor(var), w, b, training, 0.1, eps),
        normal(4, 3, 2, 5),
        normal(3, seed=2),
        normal(3, seed=3),
        terms=80,
    )


def test_two_values_a_channel():
    """The gradient all but cancels: its error is measured by the size of what was summed."""
    compare(
        lambda x: ops.batch_norm(x, None, None, training=True),
        lambda x: torch().nn.functional.batch_norm(x, None, None, training=True),
        normal(2, 3),
        terms=9,
        scale=20.0,
    )


def test_a_constant_channel_gives_the_bias_and_no_nan():
    x = np.full((4, 2, 3, 3), 7.0, np.float32)
    t = Tensor(x, requires_grad=True)
    y = ops.batch_norm(t, None, None, np.ones(2, np.float32), np.array([0.5, -1], np.float32), training=True)
    assert_close(y.array, np.broadcast_to(np.array([0.5, -1]).reshape(1, 2, 1, 1), x.shape))
    y.backward(np.ones_like(x))
    assert np.isfinite(t.gradient).all()


@pytest.mark.parametrize("training", [False, True])
def test_an_empty_batch_works(training):
    mean, var = np.zeros(3), np.ones(3)
    x = Tensor(np.zeros((0, 3, 4, 4)), requires_grad=True)
    weight = Tensor(np.ones(3), requires_grad=True)
    y = ops.batch_norm(x, mean, var, weight, training=training)
    assert y.shape == (0, 3, 4, 4)
    y.backward(np.zeros(y.shape))
    assert x.gradient.shape == x.shape and (weight.gradient == 0).all()
    assert (mean == 0).all() and (var == 1).all(), "an empty batch has no statistics to move towards"


def test_the_fused_op_equals_its_three_parts():
    x, residual = normal(3, 4, 5, 5), normal(3, 4, 5, 5, seed=1)
    w, b = normal(4, seed=2), normal(4, seed=3)
    mean, var, other_mean, other_var = np.zeros(4), np.ones(4), np.zeros(4), np.ones(4)
    fused, parts = tensors((x, w, b, residual)), tensors((x, w, b, residual))
    y = ops.batch_norm_relu(fused[0], mean, var, *fused[1:3], training=True, residual=fused[3])
    z = ops.relu(ops.batch_norm(parts[0], other_mean, other_var, *parts[1:3], training=True) + parts[3])
    assert_close(y.array, z.array, 9)
    gy = normal(*x.shape, seed=4)
    y.backward(gy)
    z.backward(gy)
    for a, c in zip(fused, parts, strict=True):
        assert_close(a.gradient, c.gradient, 75)
    assert_close(mean, other_mean, 9)
    assert_close(var, other_var, 9)


@pytest.mark.parametrize("layout", ["channels last", "reversed", "fortran"])
def test_any_strides_may_come_in(layout):
    x, gy = normal(3, 4, 5, 6), normal(3, 4, 5, 6, seed=1)

    def laid(a):
        if layout == "channels last":
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
        return np.flip(np.flip(a).copy()) if layout == "reversed" else np.asfortranarray(a)

    want, m, v = naive.batch_norm_train(x, None, None, EPS)
    t = Tensor(laid(x), requires_grad=True)
    y = ops.batch_norm(t, None, None, training=True)
    assert_close(y.array, want, 90)
    y.backward(laid(gy))
    assert_close(t.gradient, naive.batch_norm_backward(gy, x, None, m, v, EPS, True)[0], 90)


@pytest.mark.parametrize("batches", [np.zeros(1, np.int64), np.array(0.0)])
def test_a_count_that_is_none_is_refused(batches):
    x, statistics = np.ones((2, 3)), (np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match=r"batch_norm: num_batches_tracked is .*, expected one integer, of shape \(\)"):
        ops.batch_norm(x, *statistics, training=True, num_batches_tracked=batches)


def test_the_count_rises_in_training_alone():
    x, statistics, batches = np.arange(6.0).reshape(2, 3), (np.zeros(3), np.ones(3)), np.array(4)
    for training in (True, False, True):
        ops.batch_norm(x, *statistics, training=training, num_batches_tracked=batches)
    ops.batch_norm(x[:0], *statistics, training=True, num_batches_tracked=batches)
    assert batches == 6
