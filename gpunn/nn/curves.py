"""Activations beyond those of `activation` as layers."""

from __future__ import annotations

from gpunn import ops
from gpunn.engine.operators import A
from gpunn.nn.module import Module


class GLU(Module):
    """ops.glu: half of x along dim, gated by the sigmoid of the other half.

    >>> nn.GLU()(np.array([[1.0, 2.0, 0.0, 100.0]]))
    array([[0.5, 2. ]])
    """

    def __init__(self, dim: int = -1):
        super().__init__()
        self.dim = dim

    def forward(self, x: A) -> A:
        return ops.glu(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim {self.dim}"


class ReLU6(Module):
    """min(max(x, 0), 6).

    >>> nn.ReLU6()(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x: A) -> A:
        return ops.relu6(x, self.inplace)


class SELU(Module):
    """ops.selu: ELU whose constants keep mean 0 and variance 1.

    >>> nn.SELU()(np.array([-1.0, 2.0])).round(3)
    array([-1.111,  2.101])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x: A) -> A:
        return ops.selu(x, self.inplace)


class CELU(Module):
    """x where x > 0, else alpha (exp(x / alpha) - 1).

    >>> nn.CELU(0.5)(np.array([-1.0, 2.0])).round(3)
    array([-0.432,  2.   ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: A) -> A:
        return ops.celu(x, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha {self.alpha}"


class Mish(Module):
    """x tanh(softplus(x)).

    >>> nn.Mish()(np.array([-1.0, 2.0])).round(3)
    array([-0.303,  1.944])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x: A) -> A:
        return ops.mish(x, self.inplace)


class Hardswish(Module):
    """x min(max(x + 3, 0), 6) / 6.

    >>> nn.Hardswish()(np.array([-4.0, 3.0]))
    array([-0.,  3.])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x: A) -> A:
        return ops.hardswish(x, self.inplace)


class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6) / 6.

    >>> nn.Hardsigmoid()(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x: A) -> A:
        return ops.hardsigmoid(x, self.inplace)


class Hardtanh(Module):
    """x held between min_val and max_val.

    >>> nn.Hardtanh()(np.array([-3.0, 0.5]))
    array([-1. ,  0.5])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        super().__init__()
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, x: A) -> A:
        return ops.hardtanh(x, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val {self.min_val}, max_val {self.max_val}"


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))).

    >>> nn.LogSigmoid()(np.array([-100.0, 0.0])).round(3)
    array([-100.   ,   -0.693])
    """

    def forward(self, x: A) -> A:
        return ops.logsigmoid(x)


class Softsign(Module):
    """x / (1 + |x|).

    >>> nn.Softsign()(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """

    def forward(self, x: A) -> A:
        return ops.softsign(x)


class Tanhshrink(Module):
    """x - tanh(x).

    >>> nn.Tanhshrink()(np.array([-1.0, 2.0])).round(3)
    array([-0.238,  1.036])
    """

    def forward(self, x: A) -> A:
        return ops.tanhshrink(x)


class Softshrink(Module):
    """x moved towards 0 by lambd, and no further.

    >>> nn.Softshrink()(np.array([-2.0, 0.25]))
    array([-1.5,  0. ])
    """

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, x: A) -> A:
        return ops.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd {self.lambd}"


class Hardshrink(Module):
    """x, but 0 where |x| <= lambd.

    >>> nn.Hardshrink()(np.array([-2.0, 0.25]))
    array([-2.,  0.])
    """

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, x: A) -> A:
        return ops.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd {self.lambd}"


class Threshold(Module):
    """x where x > threshold, else value.

    >>> nn.Threshold(0.5, 9.0)(np.array([0.25, 1.0]))
    array([9., 1.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, x: A) -> A:
        return ops.threshold(x, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold {self.threshold}, value {self.value}"


class Softmin(Module):
    """Softmax of -x along dim.

    >>> nn.Softmin(1)(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: A) -> A:
        return ops.softmin(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim {self.dim}"


class RReLU(Module):
    """ops.rrelu: random slopes left of 0 while training, their mean in evaluation mode.

    >>> nn.RReLU(0.0, 0.5).eval()(np.array([-3.0, 2.0]))
    array([-0.75,  2.  ])
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False):
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, x: A) -> A:
        return ops.rrelu(x, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower {self.lower}, upper {self.upper}"
