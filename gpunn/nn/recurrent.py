"""RNN, LSTM and GRU over whole sequences, with PyTorch's names and keys; ops.lstm has the equations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeAlias

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import as_count, as_ints, check_choice
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn import init
from gpunn.nn.module import Module, Reach
from gpunn.nn.packed import PackedSequence
from gpunn.nn.packing import pad_packed_sequence, repack
from gpunn.nn.parameter import Parameter, empty
from gpunn.nn.placed import placed
from gpunn.ops.recurrent_checks import GATES
from gpunn.scalars import as_probability

Sequences: TypeAlias = "Tensor | PackedSequence"
States: TypeAlias = "Operand | tuple[Operand, Operand] | None"


class RNNBase(Module):
    """What RNN, LSTM and GRU share: the weights of each layer and direction, and one call of the op.

    mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU". See LSTM for the rest.

    >>> [len(weights) for weights in nn.RNNBase("GRU", 3, 4, num_layers=2).all_weights]
    [4, 4]
    """

    OPS: ClassVar[dict[str, Callable[..., Any]]] = {
        "RNN_TANH": ops.rnn,
        "RNN_RELU": partial(ops.rnn, nonlinearity="relu"),
        "LSTM": ops.lstm,
        "GRU": ops.gru,
    }

    @placed
    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ):
        super().__init__()
        name = type(self).__name__
        check_choice(name, "mode", mode, tuple(GATES))
        self.mode = mode
        self.input_size = as_count(name, "input_size", input_size)
        self.hidden_size = as_count(name, "hidden_size", hidden_size)
        self.num_layers = as_count(name, "num_layers", num_layers)
        self.bias, self.batch_first = as_bool(name, "bias", bias), as_bool(name, "batch_first", batch_first)
        self.bidirectional = as_bool(name, "bidirectional", bidirectional)
        self.dropout = _as_dropout(name, dropout, self.num_layers)
        self.proj_size = _as_projection(name, mode, proj_size, self.hidden_size)
        self._endings = ("", "_reverse")[: 1 + self.bidirectional]
        self._all_weights = [self._add(layer, ending) for layer in range(num_layers) for ending in self._endings]
        self.reset_parameters()

    def _add(self, layer: int, ending: str) -> list[str]:
        """The parameters of a layer in one direction; their names."""
        rows, outputs = GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        inputs = self.input_size if layer == 0 else outputs * len(self._endings)
        shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, outputs)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (outputs, self.hidden_size)
        named = {f"{kind}_l{layer}{ending}": shape for kind, shape in shapes.items()}
        for name, shape in named.items():
            setattr(self, name, empty(*shape))
        return list(named)

    def reset_parameters(self) -> None:
        """The first values anew: uniform over +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """Of each layer and direction weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, as far as there."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: PyTorch's puts the weights into one block of memory for cuDNN; the kernels here read each."""

    def forward(self, x: Sequences, hx: States = None) -> tuple[Any, Any]:
        packed, batch_first, lengths = None, self.batch_first, None
        if isinstance(x, PackedSequence):
            packed, batch_first = x, False
            x, lengths = pad_packed_sequence(packed)
            lengths = data_of(lengths)
        if (features := data_of(x).shape[-1:]) and features[0] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: x has {features[0]} features {data_of(x).shape}, expected "
                f"input_size = {self.input_size} in its last dimension; set input_size={features[0]}"
            )
        weights = [tuple(each) for each in self.all_weights]
        if self.proj_size and not self.bias:
            weights = [(w_ih, w_hh, None, None, w_hr) for w_ih, w_hh, w_hr in weights]
        how = {"bidirectional": self.bidirectional, "dropout": self.dropout, "training": self.training}
        y, last = self.OPS[self.mode](x, hx, weights, **how, batch_first=batch_first, lengths=lengths)
        return y if packed is None else repack(y, packed), last

    def extra_repr(self) -> str:
        text = f"{self.input_size}->{self.hidden_size}" + f", projected to {self.proj_size}" * bool(self.proj_size)
        text += f", {self.num_layers} layers" * (self.num_layers > 1) + ", relu" * (self.mode == "RNN_RELU")
        text += f", dropout {self.dropout}" * bool(self.dropout) + ", bidirectional" * self.bidirectional
        return text + ", batch first" * self.batch_first + ", no bias" * (not self.bias)

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        matrices = (p for p in self.parameters() if p.ndim == 2)
        return 2 * math.prod(y_shape[:-1]) * sum(p.size for p in matrices)

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return (), ()  # (L, N, I) is no image: no field


class RNN(RNNBase):
    """Elman's network: h' = tanh(w_ih x + b_ih + w_hh h + b_hh), or relu by `nonlinearity`. See LSTM for the rest.

    hx is h0, and the result (y, h_n).

    >>> y, h_n = nn.RNN(3, 4)(np.ones((5, 2, 3), np.float32))
    >>> y.shape, h_n.shape
    ((5, 2, 4), (1, 2, 4))
    """

    @placed
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ):
        check_choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), in layers; ops.lstm has the equations.

    x is (L, N, input_size), with batch_first (N, L, input_size); or (L, input_size), one sequence; or a PackedSequence.
    hx is (h0, c0), each (num_layers * directions, N, hidden_size), None for zeros, without a batch without N. Gives
    (y, (h_n, c_n)): the last layer's states of all steps, (L, N, directions * hidden_size), arranged as x; the last
    states of all layers and directions, in the shapes of hx.

    Args:
        dropout: in training, the probability with which what one layer hands the next becomes 0.
        bidirectional: a second set of weights runs from the end; its states stand behind the others in y.
        proj_size: (Sak et al., 2014) the state h is projected to so many; y, h0 and h_n have this size, cells do not.

    Raises:
        ValueError: sizes below 1, a projection that is no smaller than hidden_size; in a call, shapes that do not fit.

    A captured step whose lengths change calls ops.lstm with all_weights and lengths= on the device: a PackedSequence's
    are read on the host.

    >>> layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    >>> layer
    LSTM(3->4, 2 layers, bidirectional)
    >>> y, (h_n, c_n) = layer(np.ones((5, 2, 3), np.float32))
    >>> y.shape, h_n.shape, c_n.shape
    ((5, 2, 8), (4, 2, 4), (4, 2, 4))
    """

    @placed
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ):
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size
        )


class GRU(RNNBase):
    """Gated recurrent units (Cho et al., 2014), in layers; ops.gru has the equations. See LSTM for the rest.

    hx is h0, and the result (y, h_n).

    >>> y, h_n = nn.GRU(3, 4, batch_first=True)(np.ones((2, 5, 3), np.float32))
    >>> y.shape, h_n.shape
    ((2, 5, 4), (1, 2, 4))
    """

    @placed
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ):
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)


def as_bool(name: str, what: str, value: object) -> bool:
    """True or False, and no other: of positional arguments one in another's place would pass for it."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}: {what} is {value!r}, expected True or False; pass the others by name")
    return value


def _as_dropout(name: str, dropout: object, layers: int) -> float:
    if isinstance(dropout, bool):
        raise ValueError(f"{name}: dropout is {dropout}, expected a number from 0 to 1; pass the others by name")
    p = as_probability(name, dropout, "an element between layers", "dropout")
    if p and layers == 1:
        words = f"{name}: dropout {p} has no effect, it is between layers and num_layers is 1; leave it out"
        warnings.warn(words, UserWarning, stacklevel=6)
    return p


def _as_projection(name: str, mode: str, size: object, hidden: int) -> int:
    (found,) = as_ints(name, "proj_size", size, 1, 0)
    if found and mode != "LSTM":
        raise ValueError(f"{name}: proj_size is {found}, expected 0: only an LSTM has a projection; leave it out")
    if found >= hidden:
        raise ValueError(f"{name}: proj_size is {found}, expected less than hidden_size = {hidden}, or 0 for none")
    return found
