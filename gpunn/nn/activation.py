"""Activations as layers."""

from __future__ import annotations

from gpunn import ops
from gpunn.checks import as_count, check_choice
from gpunn.engine.operators import A
from gpunn.engine.tensor import Tensor
from gpunn.nn.init import constant_
from gpunn.nn.module import Module
from gpunn.nn.parameter import empty
from gpunn.nn.placed import placed


class ReLU(Module):
    """max(x, 0).

    >>> nn.ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x: A) -> A:
        return ops.relu(x, self.inplace)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope x.

    >>> nn.LeakyReLU(0.1)(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, x: A) -> A:
        return ops.leaky_relu(x, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"slope {self.negative_slope}"


class Tanh(Module):
    """Hyperbolic tangent.

    >>> nn.Tanh()(np.array([0.0, 100.0]))
    array([0., 1.])
    """

    def forward(self, x: A) -> A:
        return ops.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)).

    >>> nn.Sigmoid()(np.array([0.0, 100.0]))
    array([0.5, 1. ])
    """

    def forward(self, x: A) -> A:
        return ops.sigmoid(x)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta.

    >>> nn.Softplus()(np.array([0.0, 100.0])).round(3)
    array([  0.693, 100.   ])
    """

    def __init__(self, beta: float = 1, threshold: float = 20):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, x: A) -> A:
        return ops.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta {self.beta}, threshold {self.threshold}"


class Softmax(Module):
    """Softmax along dim.

    >>> nn.Softmax(1)(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: A) -> A:
        return ops.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim {self.dim}"


class LogSoftmax(Module):
    """Logarithm of softmax along dim.

    >>> nn.LogSoftmax(1)(np.zeros((1, 4))).round(3)
    array([[-1.386, -1.386, -1.386, -1.386]])
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: A) -> A:
        return ops.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim {self.dim}"


class ELU(Module):
    """x where x > 0, else alpha (exp(x) - 1).

    >>> nn.ELU()(np.array([-1.0, 2.0])).round(3)
    array([-0.632,  2.   ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: A) -> A:
        return ops.elu(x, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha {self.alpha}"


class SiLU(Module):
    """x sigmoid(x).

    >>> nn.SiLU()(np.array([-1.0, 2.0])).round(3)
    array([-0.269,  1.762])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x: A) -> A:
        return ops.silu(x, self.inplace)


class GELU(Module):
    """x times the normal distribution's cdf at x; approximate "tanh" for the cheaper formula.

    >>> nn.GELU()(np.array([-1.0, 2.0])).round(3)
    array([-0.159,  1.954])
    """

    def __init__(self, approximate: str = "none"):
        super().__init__()
        check_choice("GELU", "approximate", approximate, ("none", "tanh"))
        self.approximate = approximate

    def forward(self, x: A) -> A:
        return ops.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return "" if self.approximate == "none" else self.approximate


class PReLU(Module):
    """x where x > 0, else weight x, with one learned slope or one a channel of x (N, C, *).

    >>> nn.PReLU()(np.array([-4.0, 2.0], np.float32))
    Tensor([-1.,  2.], requires_grad=True)
    """

    @placed
    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        super().__init__()
        self.num_parameters = as_count("PReLU", "num_parameters", num_parameters)
        self.init, self.weight = init, constant_(empty(num_parameters), init)

    def reset_parameters(self) -> None:
        """The first slopes anew."""
        constant_(self.weight, self.init)

    def forward(self, x: Tensor) -> Tensor:
        return ops.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return str(self.num_parameters)
