"""Losses as layers: called with (x, target)."""

from __future__ import annotations

import numpy as np

from gpunn import ops
from gpunn.checks import check_choice
from gpunn.engine.operators import A, Operand
from gpunn.naming import reduction_of
from gpunn.nn.module import Module
from gpunn.ops.cross_entropy import REDUCTIONS


class Loss(Module):
    """What all losses share: reduction "none", "mean" or "sum"; size_average and reduce are its older words."""

    def __init__(
        self,
        reduction: str = "mean",
        reductions: tuple[str, ...] = REDUCTIONS,
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__()
        reduction = reduction_of(reduction, size_average, reduce)
        check_choice(type(self).__name__, "reduction", reduction, reductions)
        self.reduction = reduction

    def extra_repr(self) -> str:
        return self.reduction


def _check_ignored(name: str, ignore_index: object) -> None:
    if hasattr(ignore_index, "shape") and np.ndim(ignore_index):  # type: ignore[arg-type]
        raise TypeError(f"{name}: got (x, target), expected options; make the layer first: {name}()(x, target)")


class CrossEntropyLoss(Loss):
    """ops.cross_entropy; weight (C,) is a buffer.

    >>> nn.CrossEntropyLoss()(np.zeros((2, 4)), np.array([0, 3])).round(3)
    np.float64(1.386)
    """

    def __init__(
        self,
        weight: Operand | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        _check_ignored(type(self).__name__, ignore_index)
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, x: A, target: Operand) -> A:
        return ops.cross_entropy(x, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(Loss):
    """ops.nll_loss; weight (C,) is a buffer.

    >>> nn.NLLLoss()(np.log([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1])).round(3)
    np.float64(0.399)
    """

    def __init__(
        self,
        weight: Operand | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        _check_ignored(type(self).__name__, ignore_index)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, x: A, target: Operand) -> A:
        return ops.nll_loss(x, target, self.weight, self.ignore_index, self.reduction)


class DiceLoss(Loss):
    """ops.dice_loss, a soft Dice loss of class scores and masks.

    >>> nn.DiceLoss()(np.zeros((1, 2, 1, 2)), np.array([[[0, 1]]])).round(3)
    np.float64(0.2)
    """

    def __init__(self, ignore_index: int = -100, reduction: str = "mean", smooth: float = 1.0):
        super().__init__(reduction)
        _check_ignored(type(self).__name__, ignore_index)
        self.ignore_index, self.smooth = ignore_index, smooth

    def forward(self, x: A, target: Operand) -> A:
        return ops.dice_loss(x, target, self.ignore_index, self.reduction, self.smooth)


class MSELoss(Loss):
    """ops.mse_loss.

    >>> nn.MSELoss()(np.array([1.0, 2.0]), np.array([2.0, 5.0]))
    array(5.)
    """

    def forward(self, x: A, target: Operand) -> A:
        return ops.mse_loss(x, target, self.reduction)


class L1Loss(Loss):
    """ops.l1_loss.

    >>> nn.L1Loss()(np.array([1.0, 2.0]), np.array([2.0, 5.0]))
    array(2.)
    """

    def forward(self, x: A, target: Operand) -> A:
        return ops.l1_loss(x, target, self.reduction)


class BCEWithLogitsLoss(Loss):
    """ops.binary_cross_entropy_with_logits; weight and pos_weight are buffers.

    >>> nn.BCEWithLogitsLoss()(np.array([0.0, 0.0]), np.array([1.0, 0.0])).round(3)
    np.float64(0.693)
    """

    def __init__(
        self,
        weight: Operand | None = None,
        reduction: str = "mean",
        pos_weight: Operand | None = None,
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, x: A, target: Operand) -> A:
        return ops.binary_cross_entropy_with_logits(x, target, self.weight, self.reduction, self.pos_weight)
