"""dice_loss: plain loops, PyTorch's own differentiation, labels that are no class, devices."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops
from gpunn.errors import LabelError
from tests import counting
from tests.parity import compare, normal, torch

X, MASK = normal(2, 3, 4, 5), np.random.default_rng(0).integers(0, 3, (2, 4, 5))
SOME = MASK.copy()
SOME[0, :2] = 7


def plain(x, mask, ignore_index=-100, smooth=1.0):
    """Of each class, pixel by pixel."""
    losses = []
    for c in range(x.shape[1]):
        both = p_squared = pixels = 0.0
        for at in np.ndindex(mask.shape):
            if mask[at] == ignore_index:
                continue
            scores = [x[(at[0], k, *at[1:])] for k in range(x.shape[1])]
            p = np.exp(scores[c]) / sum(np.exp(scores))
            both += p * (mask[at] == c)
            p_squared += p * p
            pixels += mask[at] == c
        losses.append(1 - (2 * both + smooth) / (p_squared + pixels + smooth))
    return np.array(losses)


@pytest.mark.parametrize(("mask", "options"), [(MASK, {}), (SOME, {"ignore_index": 7, "smooth": 0.25})])
def test_the_sums_of_plain_loops(mask, options, place):
    want = plain(X, mask, **options)
    x, t = gpunn.to_device(X, place), gpunn.to_device(mask, place)
    for reduction, value in (("none", want), ("mean", want.mean()), ("sum", want.sum())):
        got = gpunn.to_numpy(ops.dice_loss(x, t, reduction=reduction, **options))
        np.testing.assert_allclose(got, value, rtol=1e-12)
    flat = gpunn.to_device(X[:, :, 0, 0].copy(), place), gpunn.to_device(MASK[:, 0, 0].copy(), place)
    np.testing.assert_allclose(
        gpunn.to_numpy(ops.dice_loss(*flat)), plain(X[:, :, :1, :1], MASK[:, :1, :1]).mean(), rtol=1e-12
    )


def theirs(x, mask, ignore_index=-100, smooth=1.0):
    t = torch()
    counted = t.tensor(mask != ignore_index)[:, None]
    p = t.softmax(x, 1) * counted
    q = t.nn.functional.one_hot(t.tensor(np.where(mask == ignore_index, 0, mask)), x.shape[1]).movedim(-1, 1) * counted
    return 1 - (2 * (p * q).sum((0, 2, 3)) + smooth) / ((p * p).sum((0, 2, 3)) + q.sum((0, 2, 3)) + smooth)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(("mask", "options"), [(MASK, {"smooth": 0.0}), (SOME, {"ignore_index": 7})])
def test_gradients_are_pytorchs(mask, options, reduction, dtype):
    compare(
        lambda x: ops.dice_loss(x, mask, reduction=reduction, **options),
        lambda x: getattr(theirs(x, mask, **options), reduction, lambda: theirs(x, mask, **options))(),
        X,
        dtype=dtype,
        terms=mask.size * 3,
    )


def test_a_device_has_the_same_gradient(place):
    found = []
    for where in ("cpu", place):
        x = Tensor(gpunn.to_device(X.astype(np.float32), where), requires_grad=True)
        nn.DiceLoss(7)(x, gpunn.to_device(SOME.astype(np.uint8), where)).backward()
        found.append(gpunn.to_numpy(x.gradient))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-8)
    assert (found[1][0, :, :2] == 0).all() and (found[1][0, :, 2:] != 0).all()


def test_ignored_pixels_may_hold_anything(place):
    x = X.copy()
    x[0, :, 0] = [[np.nan], [np.inf], [-np.inf]]
    t = Tensor(gpunn.to_device(x, place), requires_grad=True)
    y = ops.dice_loss(t, gpunn.to_device(SOME, place), ignore_index=7)
    y.backward()
    assert y.item() == pytest.approx(plain(X, SOME, 7).mean())
    gradient = gpunn.to_numpy(t.gradient)
    assert np.isfinite(gradient).all() and (gradient[0, :, :2] == 0).all()


@pytest.mark.parametrize(("shape", "mask"), [((0, 3, 2, 2), np.zeros((0, 2, 2), int)), ((1, 3, 2, 2), None)])
def test_of_no_pixel_it_is_nothing(shape, mask, place):
    mask = np.full((1, 2, 2), -100) if mask is None else mask
    x = Tensor(gpunn.to_device(np.ones(shape), place), requires_grad=True)
    y = ops.dice_loss(x, gpunn.to_device(mask, place))
    y.backward()
    assert y.item() == 0 and (gpunn.to_numpy(x.gradient) == 0).all()


def test_a_wrong_label_is_named_with_its_place(place):
    """Of cross_entropy's masks, too."""
    wrong = MASK.copy()
    wrong[1, 2, 3] = 3
    for loss in (ops.dice_loss, ops.cross_entropy):
        x = Tensor(gpunn.to_device(X, place), requires_grad=True)
        words = (
            rf"{loss.__name__}: target has the label 3 at \[1, 2, 3\], expected 0 to 2 for the 3 classes of x \(2, 3"
        )
        with pytest.raises(LabelError, match=words):
            y = loss(x, gpunn.to_device(wrong, place))
            y.backward()
            assert place != "cpu"
            y.item()
        if place != "cpu":
            assert np.isnan(y.item()) and np.isfinite(gpunn.to_numpy(x.gradient)).all()
    if place != "cpu":
        x = Tensor(gpunn.to_device(X, place), requires_grad=True)
        ops.dice_loss(x, gpunn.to_device(wrong, place)).backward()
        with pytest.raises(LabelError, match="dice_loss"):
            gpunn.to_numpy(x.gradient)
        assert (gpunn.to_numpy(x.gradient) == 0).all()


def test_a_device_is_not_waited_for(look_alike):
    x, t = Tensor(gpunn.to_device(X, "cuda"), requires_grad=True), gpunn.to_device(MASK, "cuda")
    ops.dice_loss(x, t).backward()
    with counting.device_work() as work:
        ops.dice_loss(x, t).backward()
    assert not work.reads.total() and not work.copies.total()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X, MASK[:, :3]), ValueError, r"dice_loss: target is \(2, 3, 5\), expected \(2, 4, 5\) for x \(2, 3, 4, 5\)"),
        ((X, MASK * 1.0), TypeError, r"dice_loss: target is float64 of shape \(2, 4, 5\), expected integers"),
        ((MASK, X), TypeError, r"dice_loss: x holds labels, .*; call dice_loss\(scores, labels\)"),
        ((X[0, :, 0, 0], np.array(1)), ValueError, r"dice_loss: x is \(3,\), expected \(N, C\) or .*; add a batch"),
        ((X, MASK, -100, "mean", -1.0), ValueError, "dice_loss: smooth is -1.0, expected a number of at least 0"),
        ((X, MASK, -100, "median"), ValueError, "dice_loss: reduction is 'median', expected one of"),
        ((X, MASK, 0.5), TypeError, "dice_loss: ignore_index is 0.5, expected an int"),
    ],
)
def test_what_it_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        ops.dice_loss(*arguments)
