"""Losses of numbers, probabilities and several labels as layers: each a call of its op. Weights are buffers."""

from __future__ import annotations

from gpunn import ops
from gpunn.engine.operators import A, Operand
from gpunn.nn.loss import Loss
from gpunn.ops.cross_entropy import REDUCTIONS
from gpunn.scalars import as_number


class BCELoss(Loss):
    """ops.binary_cross_entropy.

    >>> nn.BCELoss()(np.array([0.5, 0.5]), np.array([1.0, 0.0])).round(3)
    np.float64(0.693)
    """

    def __init__(
        self,
        weight: Operand | None = None,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.register_buffer("weight", weight)

    def forward(self, x: A, target: Operand) -> A:
        return ops.binary_cross_entropy(x, target, self.weight, self.reduction)


class SmoothL1Loss(Loss):
    """ops.smooth_l1_loss.

    >>> nn.SmoothL1Loss()(np.array([1.0]), np.array([1.5]))
    array(0.125)
    """

    def __init__(
        self,
        reduction: str = "mean",
        beta: float = 1.0,
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.beta = beta

    def forward(self, x: A, target: Operand) -> A:
        return ops.smooth_l1_loss(x, target, self.reduction, self.beta)

    def extra_repr(self) -> str:
        return f"beta {self.beta}, {self.reduction}"


class HuberLoss(Loss):
    """ops.huber_loss.

    >>> nn.HuberLoss()(np.array([1.0]), np.array([4.0]))
    array(2.5)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        self.delta = as_number("HuberLoss", "delta", delta)

    def forward(self, x: A, target: Operand) -> A:
        return ops.huber_loss(x, target, self.reduction, self.delta)

    def extra_repr(self) -> str:
        return f"delta {self.delta}, {self.reduction}"


class KLDivLoss(Loss):
    """ops.kl_div.

    >>> nn.KLDivLoss("batchmean")(np.log([[0.25, 0.75]]), np.array([[0.5, 0.5]])).round(3)
    np.float64(0.144)
    """

    def __init__(
        self,
        reduction: str = "mean",
        log_target: bool = False,
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, (*REDUCTIONS, "batchmean"), size_average=size_average, reduce=reduce)
        self.log_target = log_target

    def forward(self, x: A, target: Operand) -> A:
        return ops.kl_div(x, target, self.reduction, self.log_target)

    def extra_repr(self) -> str:
        return f"log_target {self.log_target}, {self.reduction}"


class PoissonNLLLoss(Loss):
    """ops.poisson_nll_loss.

    >>> nn.PoissonNLLLoss()(np.array([0.0]), np.array([2.0]))
    array(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, x: A, target: Operand) -> A:
        return ops.poisson_nll_loss(x, target, self.log_input, self.full, self.eps, self.reduction)

    def extra_repr(self) -> str:
        return f"log_input {self.log_input}, full {self.full}, eps {self.eps}, {self.reduction}"


class GaussianNLLLoss(Loss):
    """ops.gaussian_nll_loss.

    >>> nn.GaussianNLLLoss()(np.array([1.0]), np.array([1.5]), np.array([1.0]))
    array(0.125)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, x: A, target: Operand, var: Operand) -> A:
        return ops.gaussian_nll_loss(x, target, var, self.full, self.eps, self.reduction)

    def extra_repr(self) -> str:
        return f"full {self.full}, eps {self.eps}, {self.reduction}"


class SoftMarginLoss(Loss):
    """ops.soft_margin_loss.

    >>> nn.SoftMarginLoss()(np.array([0.0]), np.array([1.0])).round(3)
    np.float64(0.693)
    """

    def forward(self, x: A, target: Operand) -> A:
        return ops.soft_margin_loss(x, target, self.reduction)


class MultiLabelSoftMarginLoss(Loss):
    """ops.multilabel_soft_margin_loss.

    >>> nn.MultiLabelSoftMarginLoss()(np.array([[0.0, 100.0]]), np.array([[1.0, 1.0]])).round(3)
    np.float64(0.347)
    """

    def __init__(
        self,
        weight: Operand | None = None,
        reduction: str = "mean",
        *,
        size_average: bool | None = None,
        reduce: bool | None = None,
    ):
        super().__init__(reduction, size_average=size_average, reduce=reduce)
        self.register_buffer("weight", weight)

    def forward(self, x: A, target: Operand) -> A:
        return ops.multilabel_soft_margin_loss(x, target, self.weight, self.reduction)
