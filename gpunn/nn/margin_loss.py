"""Losses of margins, and of sequences, as layers: each a call of its op. Weights are buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunn import ops
from gpunn.engine.operators import A, Operand
from gpunn.nn.loss import Loss


class MultiMarginLoss(Loss):
    """ops.multi_margin_loss.

    >>> nn.MultiMarginLoss()(np.array([[1.0, 0.5, 3.0]]), np.array([0])).round(3)
    np.float64(1.167)
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Operand | None = None,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.register_buffer("weight", weight)
        self.p, self.margin = p, margin

    def forward(self, x: A, target: Operand) -> A:
        return ops.multi_margin_loss(x, target, self.p, self.margin, self.weight, self.reduction)

    def extra_repr(self) -> str:
        return f"p {self.p}, margin {self.margin}, {self.reduction}"


class MultiLabelMarginLoss(Loss):
    """ops.multilabel_margin_loss.

    >>> nn.MultiLabelMarginLoss()(np.array([[0.1, 0.2, 0.4, 0.8]]), np.array([[3, 0, -1, 1]])).round(3)
    np.float64(0.85)
    """

    def forward(self, x: A, target: Operand) -> A:
        return ops.multilabel_margin_loss(x, target, self.reduction)


class HingeEmbeddingLoss(Loss):
    """ops.hinge_embedding_loss.

    >>> nn.HingeEmbeddingLoss()(np.array([0.25]), np.array([-1.0]))
    array(0.75)
    """

    def __init__(
        self,
        margin: float = 1.0,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.margin = margin

    def forward(self, x: A, target: Operand) -> A:
        return ops.hinge_embedding_loss(x, target, self.margin, self.reduction)

    def extra_repr(self) -> str:
        return f"margin {self.margin}, {self.reduction}"


class _OfPairs(Loss):
    """What the losses of two inputs and a margin share."""

    def __init__(
        self,
        margin: float = 0.0,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.margin = margin

    def extra_repr(self) -> str:
        return f"margin {self.margin}, {self.reduction}"


class CosineEmbeddingLoss(_OfPairs):
    """ops.cosine_embedding_loss.

    >>> nn.CosineEmbeddingLoss()(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([1.0]))
    array(1.)
    """

    def forward(self, input1: A, input2: A, target: Operand) -> A:
        return ops.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class MarginRankingLoss(_OfPairs):
    """ops.margin_ranking_loss.

    >>> nn.MarginRankingLoss()(np.array([1.0]), np.array([3.0]), np.array([1.0]))
    array(2.)
    """

    def forward(self, input1: A, input2: A, target: Operand) -> A:
        return ops.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(Loss):
    """ops.triplet_margin_loss.

    >>> nn.TripletMarginLoss()(np.zeros((1, 2)), np.array([[0.0, 2.0]]), np.array([[0.0, 1.0]])).round(3)
    np.float64(2.0)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: A, positive: A, negative: A) -> A:
        return ops.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )

    def extra_repr(self) -> str:
        return f"margin {self.margin}, p {self.p}, eps {self.eps}, swap {self.swap}, {self.reduction}"


class CTCLoss(Loss):
    """ops.ctc_loss.

    >>> nn.CTCLoss()(np.log(np.full((3, 1, 2), 0.5)), np.array([[1]]), [3], [1]).round(3)
    np.float64(0.288)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: A, targets: Operand, input_lengths: Operand, target_lengths: Operand) -> A:
        return ops.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )

    def extra_repr(self) -> str:
        return f"blank {self.blank}, zero_infinity {self.zero_infinity}, {self.reduction}"


class TripletMarginWithDistanceLoss(Loss):
    """ops.triplet_margin_with_distance_loss, by a distance of one's own: a function, or a Module.

    >>> a = np.zeros((1, 2))
    >>> nn.TripletMarginWithDistanceLoss()(a, a + [0.0, 2.0], a + [0.0, 1.0]).round(3)
    np.float64(2.0)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ):
        super().__init__(reduction)
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: A, positive: A, negative: A) -> A:
        return ops.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        return f"margin {self.margin}, swap {self.swap}, {self.reduction}"
