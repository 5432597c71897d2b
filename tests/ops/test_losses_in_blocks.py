"""Losses over many blocks, in every memory order and on nothing; CTC against PyTorch, and against all its ways."""

import itertools

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from tests.parity import normal, torch

LOSSES = {
    "smooth_l1_loss": lambda x, t: (x, t),
    "huber_loss": lambda x, t: (x, t),
    "poisson_nll_loss": lambda x, t: (x, abs(t)),
    "gaussian_nll_loss": lambda x, t: (x, t, abs(t) + 0.1),
    "binary_cross_entropy": lambda x, t: (1 / (1 + np.exp(-x)), t > 0),
    "kl_div": lambda x, t: (x, abs(t)),
    "soft_margin_loss": lambda x, t: (x, np.where(t > 0, 1.0, -1.0)),
    "hinge_embedding_loss": lambda x, t: (x, np.where(t > 0, 1.0, -1.0)),
    "margin_ranking_loss": lambda x, t: (x, t, np.sign(x)),
}
X = np.random.default_rng(0).standard_normal((2, 5, 7, 2001)).astype(np.float32)  # several blocks, the last not full


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_many_blocks_and_other_orders(name, reduction):
    f = torch().nn.functional
    arrays = [np.asarray(a, np.float32) for a in LOSSES[name](X, X[::-1].copy())]
    theirs, *rest = (torch().tensor(a) for a in arrays)
    theirs.requires_grad_()
    want = getattr(f, name)(theirs, *rest, reduction=reduction)
    want.sum().backward()
    for order in (np.ascontiguousarray, np.asfortranarray):
        x = Tensor(order(arrays[0]), requires_grad=True)
        y = getattr(ops, name)(x, *map(order, arrays[1:]), reduction=reduction)
        y.sum().backward()
        np.testing.assert_allclose(y.array, want.detach().numpy(), rtol=2e-5, atol=2e-6)
        scale = abs(theirs.grad.numpy()).max()
        np.testing.assert_allclose(x.gradient, theirs.grad.numpy(), rtol=2e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_has_no_loss(name):
    arrays = LOSSES[name](X[:0], X[:0])
    arrays = [np.asarray(a, np.float32) for a in arrays]
    x = Tensor(arrays[0], requires_grad=True)
    y = getattr(ops, name)(x, *arrays[1:])
    y.backward()
    assert np.isnan(y.item()) and x.gradient.shape == arrays[0].shape
    assert getattr(ops, name)(*arrays, reduction="sum") == 0
    assert getattr(ops, name)(*arrays, reduction="none").shape == arrays[0].shape


def spelled(path, blank):
    """What a path of classes spells: repeats are one, blanks nothing."""
    return [label for label, _ in itertools.groupby(path) if label != blank]


@pytest.mark.parametrize("blank, target", [(0, [1]), (0, [1, 1]), (0, []), (2, [0, 1]), (1, [0, 2, 0])])
def test_ctc_is_the_sum_over_all_ways(blank, target):
    x = normal(4, 3)
    log_probs = x - np.log(np.exp(x).sum(1, keepdims=True))
    ways = [p for p in itertools.product(range(3), repeat=4) if spelled(p, blank) == target]
    want = -np.log(sum(np.exp(log_probs[range(4), way].sum()) for way in ways))
    got = ops.ctc_loss(log_probs, np.array(target, np.int64), 4, len(target), blank, "sum")
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("device", ["cpu", "emulator"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc_as_pytorch(device, reduction):
    if not gpunn.is_available(device):
        pytest.skip(f"device {device} is not available here (gpunn doctor says why)")
    f, rng = torch().nn.functional, np.random.default_rng(0)
    x, targets = normal(9, 4, 5), rng.integers(1, 5, (4, 4))
    steps, labels = np.array([9, 7, 3, 0]), np.array([4, 0, 3, 1])  # the third may be too short, the last is
    for joined, zero_infinity in itertools.product((False, True), repeat=2):
        t = np.concatenate([row[:n] for row, n in zip(targets, labels, strict=True)]) if joined else targets
        theirs, ours = torch().tensor(x, requires_grad=True), Tensor(gpunn.to_device(x, device), requires_grad=True)
        options = dict(reduction=reduction, zero_infinity=zero_infinity)
        y = f.ctc_loss(theirs.log_softmax(2), *map(torch().tensor, (t, steps, labels)), **options)
        lengths = [gpunn.to_device(a.astype(np.int32), device) if joined else a.tolist() for a in (steps, labels)]
        z = ops.ctc_loss(ops.log_softmax(ours, 2), gpunn.to_device(t, device), *lengths, **options)
        np.testing.assert_allclose(gpunn.to_numpy(z), y.detach().numpy(), rtol=1e-10)
        y.sum().backward()
        z.sum().backward()
        np.testing.assert_allclose(gpunn.to_numpy(ours.gradient), theirs.grad.numpy(), rtol=1e-8, atol=1e-12)


WRONG = {
    "a label": ([1, 5, 1], [3, 2], [2, 1], r"targets has the label 5 .element 1., expected 0 to 4 .C = 5."),
    "steps": ([1, 2, 1], [3, 4], [2, 1], r"input_lengths has 4 .element 1., expected 0 to 3, the steps of log_probs"),
    "a length": ([[1, 2], [1, 2]], [3, 3], [2, 3], r"target_lengths has 3 .element 1., expected 0 to 2, the labels of"),
    "the sum": ([1, 2, 1], [3, 3], [1, 1], r"target_lengths has 1 .element 1., expected 0 or more, and 3 in all"),
}


@pytest.mark.parametrize("name", WRONG)
def test_ctc_tells_what_is_wrong_with_lengths_on_a_device(name, look_alike):
    *given, words = WRONG[name]
    x = Tensor(gpunn.to_device(normal(3, 2, 5), "cuda"), requires_grad=True)
    y = ops.ctc_loss(x, *[gpunn.to_device(np.array(a), "cuda") for a in given])
    y.backward()
    with pytest.raises(IndexError, match=f"ctc_loss: {words}.*; correct the batch"):
        y.item()
    assert np.isnan(gpunn.to_numpy(y)) and not gpunn.to_numpy(x.gradient).any()


@pytest.mark.parametrize("device", ["cpu", "emulator"])
def test_ctc_of_nothing(device):
    if not gpunn.is_available(device):
        pytest.skip(f"device {device} is not available here (gpunn doctor says why)")
    for reduction, want in (("mean", np.nan), ("sum", 0.0), ("none", [])):
        x = Tensor(gpunn.to_device(np.zeros((3, 0, 5)), device), requires_grad=True)
        y = ops.ctc_loss(x, gpunn.to_device(np.zeros((0, 2), int), device), [], [], reduction=reduction)
        np.testing.assert_array_equal(gpunn.to_numpy(y), want)
        y.sum().backward()
        assert x.gradient.shape == (3, 0, 5)
    x = Tensor(gpunn.to_device(np.zeros((0, 2, 5)), device), requires_grad=True)
    y = ops.ctc_loss(x, gpunn.to_device(np.ones((2, 1), int), device), [0, 0], [0, 1], reduction="none")
    np.testing.assert_array_equal(gpunn.to_numpy(y), [0, np.inf])
    y.sum().backward()
    assert x.gradient.shape == (0, 2, 5)


def test_labels_on_a_device_are_not_waited_for(look_alike):
    x = gpunn.to_device(normal(2, 3), "cuda")
    y = ops.multi_margin_loss(x, gpunn.to_device(np.array([1, 3]), "cuda"), reduction="none")
    assert np.isfinite(gpunn.to_numpy(y)).tolist() == [True, False]
