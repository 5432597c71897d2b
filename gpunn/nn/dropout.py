"""Layers that drop at random while training, and do nothing in evaluation mode."""

from __future__ import annotations

from gpunn import ops
from gpunn.checks import check_choice
from gpunn.engine.operators import A
from gpunn.nn.module import Module
from gpunn.scalars import as_probability


class Dropout(Module):
    """ops.dropout while training, nothing in evaluation mode.

    >>> layer = nn.Dropout(0.5)
    >>> layer(np.ones(6))
    array([0., 2., 2., 2., 2., 0.])
    >>> layer.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = as_probability("Dropout", p, "an element")

    def forward(self, x: A) -> A:
        return ops.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p {self.p}"


class Dropout2d(Module):
    """ops.dropout2d, which drops whole channels, while training; nothing in evaluation mode.

    >>> nn.Dropout2d(0.5)(np.ones((1, 3, 1, 2)))[0, :, 0]
    array([[0., 0.],
           [2., 2.],
           [2., 2.]])
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = as_probability("Dropout2d", p, "a channel")

    def forward(self, x: A) -> A:
        return ops.dropout2d(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p {self.p}"


class StochasticDepth(Module):
    """ops.stochastic_depth for a residual branch, as torchvision's: mode "row" drops samples, "batch" all at once.

    >>> nn.StochasticDepth(0.5, "row")(np.ones((4, 2)))
    array([[0., 0.],
           [2., 2.],
           [2., 2.],
           [2., 2.]])
    """

    def __init__(self, p: float, mode: str):
        super().__init__()
        check_choice("StochasticDepth", "mode", mode, ("row", "batch"))
        self.p, self.mode = as_probability("StochasticDepth", p, "a branch"), mode

    def forward(self, x: A) -> A:
        return ops.stochastic_depth(x, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p {self.p}, {self.mode}"
