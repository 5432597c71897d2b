"""Losses with all their options: PyTorch, and the plain loop for cross-entropy."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def functional():
    return torch().nn.functional


def tensor(a):
    return None if a is None else torch().tensor(np.asarray(a), dtype=None if a.dtype.kind == "i" else torch().float64)


def labels(shape, classes, seed=9):
    return np.random.default_rng(seed).integers(0, classes, shape)


# ---------------------------------------------------------------- cross-entropy with class numbers
@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("ignored", [False, True], ids=["", "some ignored"])
@pytest.mark.parametrize("shape", [(7, 5), (2, 4, 3), (2, 3, 2, 4)], ids=str)
def test_cross_entropy_of_class_numbers(shape, ignored, weighted, smoothing, reduction, dtype):
    target = labels((shape[0], *shape[2:]), shape[1])
    if ignored:
        target.flat[::3] = -100
    weight = np.linspace(0.5, 2, shape[1]) if weighted else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    ours = None if weight is None else weight.astype(dtype)
    theirs = None if weight is None else tensor(weight.astype(dtype).astype(np.float64))
    compare(
        lambda x: ops.cross_entropy(x, target, ours, **options),
        lambda x: functional().cross_entropy(x, tensor(target), theirs, **options),
        normal(*shape) * 3,
        dtype=dtype,
        terms=shape[1] * target.size,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_entropy_against_the_plain_loop(reduction, smoothing):
    x, target, weight = normal(9, 4), labels(9, 4), np.array([1.0, 0.2, 3.0, 0.5])
    target[4] = -100
    t = Tensor(x, requires_grad=True)
    y = ops.cross_entropy(t, target, weight, reduction=reduction, label_smoothing=smoothing)
    options = (weight, -100, reduction, smoothing)
    assert_close(y.array, naive.cross_entropy(x, target, *options), 36)
    y.backward()
    assert_close(t.gradient, naive.cross_entropy_backward(x, target, *options), 36)


@pytest.mark.parametrize("ignore_index", [-1, 2, 0, 255])
def test_cross_entropy_ignore_index_of_the_users_choice(ignore_index):
    target = np.array([0, 2, 1, ignore_index, 2])
    compare(
        lambda x: ops.cross_entropy(x, target, ignore_index=ignore_index),
        lambda x: functional().cross_entropy(x, tensor(target), ignore_index=ignore_index),
        normal(5, 3),
        terms=15,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_ignored_rows_may_hold_anything(name, reduction):
    """An infinity or NaN in a row that does not count must not reach the loss."""
    x, target = normal(4, 3), np.array([1, -100, 2, 1])
    x[:, 0] = -np.inf  # a class that is masked out everywhere
    ours, theirs = getattr(ops, name), getattr(functional(), name)
    want = theirs(torch().tensor(x), tensor(target), reduction=reduction).numpy()
    assert_close(ours(x, target, reduction=reduction), want, 12)
    x[1] = np.nan
    assert_close(ours(x, target, reduction=reduction), want, 12)


def test_cross_entropy_of_a_masked_class_has_pytorchs_gradient():
    x, target = normal(4, 3), np.array([1, -100, 2, 1])
    x[:, 0] = -np.inf
    compare(
        lambda x: ops.cross_entropy(x, target), lambda x: functional().cross_entropy(x, tensor(target)), x, terms=12
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_with_everything_ignored_is_pytorchs(smoothing):
    """The mean over nothing is NaN, the sum 0, as in PyTorch; the gradient of the sum is 0."""
    x, target = normal(3, 4), np.full(3, -100)
    assert np.isnan(ops.cross_entropy(x, target, label_smoothing=smoothing))
    t = Tensor(x, requires_grad=True)
    y = ops.cross_entropy(t, target, reduction="sum", label_smoothing=smoothing)
    y.backward()
    assert y.item() == 0 and (t.gradient == 0).all()
    assert (ops.cross_entropy(x, target, reduction="none", label_smoothing=smoothing) == 0).all()


def test_cross_entropy_of_one_sample_without_a_batch():
    target = np.array(2)
    compare(
        lambda x: ops.cross_entropy(x, target),
        lambda x: functional().cross_entropy(x, torch().tensor(2)),
        normal(4),
        terms=9,
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint16])
def test_cross_entropy_takes_any_integer_labels(dtype):
    x, target = normal(5, 4), labels(5, 4)
    assert_close(ops.cross_entropy(x, target.astype(dtype)), naive.cross_entropy(x, target), 20)
    assert_close(ops.cross_entropy(x, Tensor(target.astype(dtype))), naive.cross_entropy(x, target), 20)


def test_cross_entropy_of_huge_scores_stays_finite():
    x = np.array([[1000.0, -1000.0, 0.0], [-1e4, 1e4, 0.0]])
    compare(
        lambda x: ops.cross_entropy(x, np.array([1, 1])),
        lambda x: functional().cross_entropy(x, torch().tensor([1, 1])),
        x,
        terms=4,
    )


def test_cross_entropy_of_an_empty_batch():
    y = ops.cross_entropy(np.zeros((0, 3)), np.zeros(0, np.int64), reduction="sum")
    assert y == 0
    assert ops.cross_entropy(np.zeros((0, 3)), np.zeros(0, np.int64), reduction="none").shape == (0,)


# ---------------------------------------------------------------- cross-entropy with probabilities
@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("shape", [(5, 4), (2, 4, 3)], ids=str)
def test_cross_entropy_of_probabilities(shape, weighted, smoothing, reduction, dtype):
    p = np.exp(normal(*shape, seed=3))
    p /= p.sum(1, keepdims=True)
    weight = np.array([0.5, 1.0, 2.0, 0.25]) if weighted else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    compare(
        lambda x, p: ops.cross_entropy(x, p, None if weight is None else weight.astype(dtype), **options),
        lambda x, p: functional().cross_entropy(x, p, tensor(weight), **options),
        normal(*shape) * 2,
        p,
        dtype=dtype,
        terms=60,
    )


# ---------------------------------------------------------------- nll
@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("shape", [(6, 4), (2, 4, 3)], ids=str)
def test_nll_loss(shape, weighted, reduction, dtype):
    target = labels((shape[0], *shape[2:]), 4)
    target.flat[1] = -100
    weight = np.array([0.5, 1.0, 2.0, 0.25]) if weighted else None
    compare(
        lambda x: ops.nll_loss(x, target, None if weight is None else weight.astype(dtype), reduction=reduction),
        lambda x: functional().nll_loss(x, tensor(target), tensor(weight), reduction=reduction),
        normal(*shape),
        dtype=dtype,
        terms=20,
    )


def test_nll_loss_ignore_index():
    target = np.array([0, 3, 1])
    compare(
        lambda x: ops.nll_loss(x, target, ignore_index=3),
        lambda x: functional().nll_loss(x, tensor(target), ignore_index=3),
        normal(3, 4),
        terms=9,
    )


# ---------------------------------------------------------------- regression
@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_regression_losses(name, reduction, dtype):
    ours, theirs = getattr(ops, name), getattr(functional(), name)
    compare(
        lambda x, t: ours(x, t, reduction=reduction),
        lambda x, t: theirs(x, t, reduction=reduction),
        normal(4, 3, 2),
        normal(4, 3, 2, seed=1),
        dtype=dtype,
        terms=24,
    )


def test_l1_at_zero_has_no_gradient():
    compare(ops.l1_loss, lambda x, t: functional().l1_loss(x, t), np.array([1.0, 2.0]), np.array([1.0, 5.0]))


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("weight", [None, (4, 3), (3,), (4, 1)], ids=str)
@pytest.mark.parametrize("pos_weight", [None, (3,), (1,)], ids=str)
def test_binary_cross_entropy_with_logits(pos_weight, weight, reduction, dtype):
    target = (normal(4, 3, seed=1) > 0).astype(np.float64)
    target[0] = 0.3
    made = [None if s is None else np.abs(normal(*s, seed=2)).astype(dtype) + dtype(0.1) for s in (weight, pos_weight)]
    compare(
        lambda x, t: ops.binary_cross_entropy_with_logits(
            x, t, weight=made[0], reduction=reduction, pos_weight=made[1]
        ),
        lambda x, t: functional().binary_cross_entropy_with_logits(
            x, t, weight=tensor(made[0]), reduction=reduction, pos_weight=tensor(made[1])
        ),
        normal(4, 3) * 3,
        target,
        dtype=dtype,
        terms=36,
    )


def test_binary_cross_entropy_of_huge_scores_stays_finite():
    x, t = np.array([1000.0, -1000.0, 1000.0, -1000.0]), np.array([1.0, 0.0, 0.0, 1.0])
    compare(
        lambda x: ops.binary_cross_entropy_with_logits(x, t),
        lambda x: functional().binary_cross_entropy_with_logits(x, tensor(t)),
        x,
    )


def test_a_loss_starts_the_backward_pass_without_an_argument():
    x = Tensor(normal(3, 4), requires_grad=True)
    loss = ops.cross_entropy(x, np.array([0, 1, 2]))
    assert loss.shape == ()
    loss.backward()
    assert x.gradient.shape == (3, 4)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_gradient_of_l1_loss_at_nan_is_pytorchs(reduction):
    values, target = np.array([np.nan, np.inf, 1, -2], np.float32), np.ones(4, np.float32)
    x, t = Tensor(values, requires_grad=True), torch().tensor(values, requires_grad=True)
    ops.l1_loss(x, target, reduction).sum().backward()
    torch().nn.functional.l1_loss(t, torch().tensor(target), reduction=reduction).sum().backward()
    assert np.array_equal(x.gradient, t.grad.numpy()) and x.gradient[0] == 0
