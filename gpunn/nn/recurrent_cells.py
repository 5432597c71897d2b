"""RNNCell, LSTMCell and GRUCell: one step of a recurrent layer, with PyTorch's names and keys."""

from __future__ import annotations

import math
from typing import Any

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import as_count, check_choice
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn import init
from gpunn.nn.module import Module
from gpunn.nn.parameter import empty
from gpunn.nn.placed import placed
from gpunn.nn.recurrent import as_bool


class RNNCellBase(Module):
    """What the cells share: weight_ih (gates * hidden_size, input_size), weight_hh, bias_ih and bias_hh.

    >>> nn.RNNCellBase(3, 4, bias=True, num_chunks=1).weight_hh.shape
    (4, 4)
    """

    @placed
    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int):
        super().__init__()
        name = type(self).__name__
        self.input_size, self.bias = as_count(name, "input_size", input_size), as_bool(name, "bias", bias)
        self.hidden_size = H = as_count(name, "hidden_size", hidden_size)
        self.weight_ih, self.weight_hh = empty(num_chunks * H, input_size), empty(num_chunks * H, H)
        self.bias_ih, self.bias_hh = (empty(num_chunks * H), empty(num_chunks * H)) if bias else (None, None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The first values anew: uniform over +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _given(self, x: Operand, *states: Operand | None) -> tuple[Any, ...]:
        """The weights, where x and the first states fit."""
        name, shape = type(self).__name__, data_of(x).shape
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            raise ValueError(
                f"{name}: x is {shape}, expected (N, {self.input_size}), or ({self.input_size},) without a batch: "
                f"input_size = {self.input_size}"
            )
        for which, state in zip(("h0", "c0"), states, strict=False):
            wanted = (*shape[:-1], self.hidden_size)
            if state is not None and data_of(state).shape != wanted:
                raise ValueError(f"{name}: {which} is {data_of(state).shape}, expected {wanted}: (N, hidden_size)")
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        return f"{self.input_size}->{self.hidden_size}" + ", no bias" * (not self.bias)

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        return 2 * math.prod(y_shape[:-1]) * (self.weight_ih.size + self.weight_hh.size)


class RNNCell(RNNCellBase):
    """One step of RNN: h (N, hidden_size) of x (N, input_size) and hx, of h's shape, None for zeros; or without N.

    >>> cell, h = nn.RNNCell(3, 4), None
    >>> for x in np.ones((5, 2, 3), np.float32):
    ...     h = cell(x, h)
    ...
    >>> h.shape
    (2, 4)
    """

    @placed
    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh"):
        check_choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, bias, num_chunks=1)
        self.nonlinearity = nonlinearity

    def forward(self, x: Tensor, hx: Operand | None = None) -> Tensor:
        return ops.rnn_cell(x, hx, *self._given(x, hx), nonlinearity=self.nonlinearity)

    def extra_repr(self) -> str:
        return super().extra_repr() + ", relu" * (self.nonlinearity == "relu")


class LSTMCell(RNNCellBase):
    """One step of LSTM: (h, c) of x (N, input_size) and hx = (h0, c0), each (N, hidden_size), None for zeros.

    >>> h, c = nn.LSTMCell(3, 4)(np.ones((2, 3), np.float32))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    @placed
    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(input_size, hidden_size, bias, num_chunks=4)

    def forward(self, x: Tensor, hx: tuple[Operand, Operand] | None = None) -> tuple[Tensor, Tensor]:
        return ops.lstm_cell(x, hx, *self._given(x, *(hx if isinstance(hx, tuple | list) else ())))


class GRUCell(RNNCellBase):
    """One step of GRU: h (N, hidden_size) of x (N, input_size) and hx, of h's shape, None for zeros; or without N.

    >>> nn.GRUCell(3, 4)(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """

    @placed
    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(input_size, hidden_size, bias, num_chunks=3)

    def forward(self, x: Tensor, hx: Operand | None = None) -> Tensor:
        return ops.gru_cell(x, hx, *self._given(x, hx))
