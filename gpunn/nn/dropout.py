"""Layers that drop at random while training, and do nothing in evaluation mode."""

from __future__ import annotations

from typing import ClassVar

from gpunn import ops
from gpunn.checks import check_choice
from gpunn.engine.operators import A
from gpunn.nn.module import Module
from gpunn.scalars import as_probability


class _Dropout(Module):
    """What the layers that drop with a probability share; with `inplace` the result takes x's place, and is x."""

    unit: ClassVar[str] = "a channel"

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p, self.inplace = as_probability(type(self).__name__, p, self.unit), inplace

    def _dropped(self, x: A) -> A:
        """What forward gives, beside x."""
        raise NotImplementedError

    def forward(self, x: A) -> A:
        y = self._dropped(x)
        return ops.in_place.into(x, y, type(self).__name__) if self.inplace and y is not x else y

    def extra_repr(self) -> str:
        return f"p {self.p}" + ", inplace" * self.inplace


class Dropout(_Dropout):
    """ops.dropout while training, nothing in evaluation mode.

    >>> layer = nn.Dropout(0.5)
    >>> layer(np.ones(6))
    array([0., 2., 2., 2., 2., 0.])
    >>> layer.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    unit = "an element"

    def _dropped(self, x: A) -> A:
        return ops.dropout(x, self.p, self.training)


class Dropout1d(_Dropout):
    """ops.dropout1d, which drops whole channels of (N, C, L), while training; nothing in evaluation mode.

    >>> nn.Dropout1d(0.5)(np.ones((3, 2)))
    array([[0., 0.],
           [2., 2.],
           [2., 2.]])
    """

    def _dropped(self, x: A) -> A:
        return ops.dropout1d(x, self.p, self.training)


class Dropout2d(_Dropout):
    """ops.dropout2d, which drops whole channels, while training; nothing in evaluation mode.

    >>> nn.Dropout2d(0.5)(np.ones((1, 3, 1, 2)))[0, :, 0]
    array([[0., 0.],
           [2., 2.],
           [2., 2.]])
    """

    def _dropped(self, x: A) -> A:
        return ops.dropout2d(x, self.p, self.training)


class Dropout3d(_Dropout):
    """ops.dropout3d, which drops whole channels of (N, C, D, H, W), while training; nothing in evaluation mode.

    >>> nn.Dropout3d(0.5)(np.ones((1, 3, 1, 1, 2)))[0, :, 0, 0]
    array([[0., 0.],
           [2., 2.],
           [2., 2.]])
    """

    def _dropped(self, x: A) -> A:
        return ops.dropout3d(x, self.p, self.training)


class AlphaDropout(_Dropout):
    """ops.alpha_dropout, which keeps mean and variance for SELU, while training; nothing in evaluation mode.

    >>> nn.AlphaDropout(0.5)(np.zeros(4)).round(3)
    array([-0.779,  0.779,  0.779,  0.779])
    """

    unit = "an element"

    def _dropped(self, x: A) -> A:
        return ops.alpha_dropout(x, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """ops.feature_alpha_dropout, AlphaDropout of whole channels, while training; nothing in evaluation mode.

    >>> nn.FeatureAlphaDropout(0.5)(np.zeros((1, 3, 2))).round(3)
    array([[[-0.779, -0.779],
            [ 0.779,  0.779],
            [ 0.779,  0.779]]])
    """

    def _dropped(self, x: A) -> A:
        return ops.feature_alpha_dropout(x, self.p, self.training)


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
