"""Every refusal of the activations of `curves` and of the losses beyond the common ones: got, expected, remedy."""

import numpy as np
import pytest

from gpunn import Tensor, nn, ops


def z(*shape, dtype=np.float64):
    return np.zeros(shape, dtype)


ROW, SCORES, LABELS = z(4), z(2, 3), np.array([0, 2])
SIGNS = np.array([1, -1])


def ctc(log_probs=None, targets=None, steps=(4, 4), labels=(1, 1), **options):
    x = np.log(np.full((4, 2, 3), 1 / 3)) if log_probs is None else log_probs
    return ops.ctc_loss(x, np.array([[1], [2]]) if targets is None else targets, steps, labels, **options)


CURVES = {
    "celu of 0": (lambda: ops.celu(ROW, 0), ValueError, ["celu: alpha is 0", "divided by it", "usual value is 1"]),
    "celu of text": (lambda: ops.celu(ROW, "a"), TypeError, ["celu: alpha is 'a', expected a number"]),
    "softshrink": (lambda: ops.softshrink(ROW, -1), ValueError, ["softshrink: lambd is -1", "from 0 on", "0.5"]),
    "hardshrink": (lambda: ops.hardshrink(ROW, "a"), TypeError, ["hardshrink: lambd is 'a', expected a number"]),
    "threshold": (lambda: ops.threshold(ROW, 1, None), TypeError, ["threshold: value is None, expected a number"]),
    "odd glu": (lambda: ops.glu(z(2, 3)), ValueError, ["glu: x is (2, 3), expected an even size along dim -1"]),
    "glu of nothing": (lambda: ops.glu(z()), ValueError, ["glu: x is (), expected an even size"]),
    "glu's dim": (lambda: ops.glu(z(2, 4), 2), IndexError, ["glu: dim is 2, expected -2 to 1"]),
    "softmin's dim": (lambda: ops.softmin(ROW, 1), IndexError, ["softmin: dim is 1, expected -1 to 0"]),
    "rrelu": (lambda: ops.rrelu(ROW, 0.5, 0.25), ValueError, ["rrelu: lower is 0.5 and upper 0.25", "swap them"]),
    "mish of ints": (lambda: ops.mish(LABELS), TypeError, ["mish: x is int64, expected float32 or float64", "convert"]),
    "a leaf in place": (
        lambda: ops.mish(Tensor(ROW, requires_grad=True), inplace=True),
        RuntimeError,
        ["mish: a leaf that requires a gradient cannot be changed in place", "no_grad"],
    ),
}
LOSSES = {
    "shapes": (
        lambda: ops.huber_loss(ROW, z(4, 1)),
        ValueError,
        ["huber_loss: x is (4,) but target is (4, 1)"],
    ),
    "delta": (lambda: ops.huber_loss(ROW, ROW, delta=0), ValueError, ["huber_loss: delta is 0, expected above 0"]),
    "complex delta": (lambda: nn.HuberLoss(delta=1j), TypeError, ["HuberLoss: delta is 1j, expected a number"]),
    "beta": (lambda: ops.smooth_l1_loss(ROW, ROW, beta=-1), ValueError, ["smooth_l1_loss: beta is -1", "0 or more"]),
    "reduction": (
        lambda: ops.kl_div(ROW, ROW, "all"),
        ValueError,
        ["kl_div: reduction is 'all', expected one of 'none', 'mean', 'sum', 'batchmean'"],
    ),
    "layer's reduction": (lambda: nn.BCELoss(reduction="batchmean"), ValueError, ["BCELoss: reduction is 'batchmean'"]),
    "broadcast": (
        lambda: ops.poisson_nll_loss(ROW, z(3)),
        ValueError,
        ["poisson_nll_loss: x (4,), target (3,) do not broadcast", "reshape them"],
    ),
    "no probability": (
        lambda: ops.binary_cross_entropy(ROW - 1, ROW),
        ValueError,
        ["binary_cross_entropy: x has numbers outside 0 to 1", "take sigmoid of it first"],
    ),
    "NaN": (lambda: ops.binary_cross_entropy(ROW * np.nan, ROW), ValueError, ["x has numbers outside 0 to 1"]),
    "weight": (
        lambda: ops.binary_cross_entropy(ROW, ROW, z(3)),
        ValueError,
        ["weight is (3,)", "to x (4,)"],
    ),
    "weight's gradient": (
        lambda: ops.binary_cross_entropy(ROW, ROW, Tensor(ROW, requires_grad=True)),
        ValueError,
        ["weight requires a gradient", "detach"],
    ),
    "var below 0": (
        lambda: ops.gaussian_nll_loss(ROW, ROW, ROW - 1),
        ValueError,
        ["gaussian_nll_loss: var has numbers below 0", "pass exp"],
    ),
    "var's shape": (
        lambda: ops.gaussian_nll_loss(SCORES, SCORES, ROW),
        ValueError,
        ["gaussian_nll_loss: var is (4,), expected x's shape (2, 3), (2,), or 1 along a dimension"],
    ),
    "eps": (
        lambda: ops.gaussian_nll_loss(ROW, ROW, ROW, eps=0),
        ValueError,
        ["eps is 0, expected above 0"],
    ),
    "target's gradient": (
        lambda: ops.soft_margin_loss(ROW, Tensor(ROW, requires_grad=True)),
        ValueError,
        ["soft_margin_loss: target requires a gradient"],
    ),
    "no classes": (
        lambda: ops.multilabel_soft_margin_loss(z(), z()),
        ValueError,
        ["multilabel_soft_margin_loss: x has no dimensions, expected (..., C)"],
    ),
    "ranks": (
        lambda: ops.margin_ranking_loss(SCORES, SCORES, z(3)),
        ValueError,
        ["margin_ranking_loss: input1, input2 and target are (2, 3), (2, 3), (3,), expected as many dimensions"],
    ),
    "margin of text": (
        lambda: ops.hinge_embedding_loss(ROW, ROW, "a"),
        TypeError,
        ["margin is 'a', expected a"],
    ),
    "cosine's ranks": (
        lambda: ops.cosine_embedding_loss(SCORES, SCORES, z(2, 1)),
        ValueError,
        ["cosine_embedding_loss: input1, input2 and target are", "(2, 1)", "expected (N, D), (N, D) and (N,)"],
    ),
    "cosine's rows": (
        lambda: ops.cosine_embedding_loss(SCORES, z(2, 4), SIGNS),
        ValueError,
        ["cosine_embedding_loss: input2 is (2, 4), expected (2, 3)"],
    ),
    "cosine's targets": (
        lambda: ops.cosine_embedding_loss(SCORES, SCORES, z(3)),
        ValueError,
        ["cosine_embedding_loss: target is (3,), expected (2,)"],
    ),
    "triplet's margin": (
        lambda: ops.triplet_margin_loss(SCORES, SCORES, SCORES, 0),
        ValueError,
        ["triplet_margin_loss: margin is 0, expected above 0"],
    ),
    "triplet's ranks": (
        lambda: ops.triplet_margin_loss(SCORES, ROW, SCORES),
        ValueError,
        ["triplet_margin_loss: anchor, positive and negative are (2, 3), (4,), (2, 3)", "as many dimensions"],
    ),
    "triplet of numbers": (lambda: ops.triplet_margin_loss(z(), z(), z()), ValueError, ["anchor has no dimensions"]),
    "distance": (
        lambda: ops.triplet_margin_with_distance_loss(SCORES, SCORES, SCORES, distance_function=2),
        TypeError,
        ["triplet_margin_with_distance_loss: distance_function is 2, expected a function of two inputs"],
    ),
    "p": (lambda: ops.multi_margin_loss(SCORES, LABELS, 3), ValueError, ["multi_margin_loss: p is 3, expected 1 or 2"]),
    "label": (
        lambda: ops.multi_margin_loss(SCORES, LABELS + 1),
        IndexError,
        ["multi_margin_loss: target has the label 3, expected 0 to 2", "correct the labels"],
    ),
    "label of several": (
        lambda: ops.multilabel_margin_loss(SCORES, np.full((2, 3), 3)),
        IndexError,
        ["multilabel_margin_loss: target has the label 3, expected 0 to 2"],
    ),
    "labels' type": (lambda: ops.multi_margin_loss(SCORES, z(2)), TypeError, ["target is float64, expected integers"]),
    "labels' shape": (
        lambda: ops.multi_margin_loss(SCORES, np.zeros(3, int)),
        ValueError,
        ["multi_margin_loss: target is (3,), expected (2,) for x (2, 3)"],
    ),
    "scores' shape": (
        lambda: ops.multi_margin_loss(z(2, 3, 1), LABELS),
        ValueError,
        ["x is (2, 3, 1), expected (N,"],
    ),
    "classes' weight": (
        lambda: ops.multi_margin_loss(SCORES, LABELS, weight=ROW),
        ValueError,
        ["multi_margin_loss: weight is (4,), expected (3,), one a class"],
    ),
    "swapped": (
        lambda: ops.cross_entropy(LABELS, SCORES),
        TypeError,
        [
            "cross_entropy: x holds labels, int64 of shape (2,), and target scores, (2, 3)",
            "cross_entropy(scores, labels)",
        ],
    ),
    "swapped nll": (
        lambda: nn.NLLLoss()(LABELS, SCORES),
        TypeError,
        ["call nll_loss(scores, labels)"],
    ),
}
CTC = {
    "rank": (lambda: ctc(z(3)), ValueError, ["ctc_loss: log_probs is (3,), expected (T, N, C), or (T, C)"]),
    "blank": (lambda: ctc(blank=3), ValueError, ["ctc_loss: blank is 3, expected a class, 0 to 2"]),
    "steps": (lambda: ctc(steps=[4, 5]), ValueError, ["ctc_loss: input_lengths has 5, expected 0 to 4"]),
    "below 0": (lambda: ctc(labels=[1, -1]), ValueError, ["ctc_loss: target_lengths has -1, expected 0 or more"]),
    "batch": (lambda: ctc(steps=[4]), ValueError, ["ctc_loss: input_lengths is (1,), expected (2,)"]),
    "halves": (lambda: ctc(steps=[4.0, 4.0]), TypeError, ["ctc_loss: input_lengths is float64, expected integers"]),
    "type": (lambda: ctc(targets=z(2, 1)), TypeError, ["ctc_loss: targets is float64, expected integers"]),
    "label": (
        lambda: ctc(targets=np.array([[1], [3]])),
        IndexError,
        ["targets has the label 3, expected 0 to 2"],
    ),
    "too few": (
        lambda: ctc(labels=[1, 2]),
        ValueError,
        ["ctc_loss: targets is (2, 1), expected (2, S) with S from 2 on"],
    ),
    "joined": (
        lambda: ctc(targets=np.array([1, 2, 1])),
        ValueError,
        ["ctc_loss: targets has 3 labels, expected 2, the sum of target_lengths"],
    ),
}
ALL = {**{f"curves, {k}": v for k, v in CURVES.items()}, **LOSSES, **{f"CTC, {k}": v for k, v in CTC.items()}}


@pytest.mark.parametrize("name", ALL)
def test_refused(name):
    call, error, words = ALL[name]
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
