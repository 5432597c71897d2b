"""One step of a recurrent layer: the op of one layer on one step, without the axis of time."""

from __future__ import annotations

from typing import Any

from gpunn.backend import Array
from gpunn.engine.operators import A, Operand
from gpunn.engine.tensor import data_of
from gpunn.ops.out import with_out
from gpunn.ops.recurrent import as_pair, recorded
from gpunn.ops.recurrent_checks import check_nonlinearity
from gpunn.ops.shape import squeeze, unsqueeze


@with_out
def rnn_cell(
    x: A,
    h0: Operand | None,
    w_ih: Operand,
    w_hh: Operand,
    b_ih: Operand | None = None,
    b_hh: Operand | None = None,
    nonlinearity: str = "tanh",
    *,
    out: Array | None = None,
) -> A:
    """h (N, H) = nonlinearity(w_ih x + b_ih + w_hh h0 + b_hh) of x (N, I) or (I,), h0 (N, H) or (H,), None: zeros.

    w_ih (H, I), w_hh (H, H), biases (H,); "tanh" or "relu". Errors as those of rnn.

    >>> ops.rnn_cell(np.ones((1, 2)), np.array([[3.0]]), np.ones((1, 2)), np.ones((1, 1)), nonlinearity="relu")
    array([[5.]])
    """
    mode = check_nonlinearity("rnn_cell", nonlinearity)
    return _step("rnn_cell", mode, x, h0, None, (w_ih, w_hh, b_ih, b_hh))[0]


@with_out
def lstm_cell(
    x: A,
    hx: tuple[Operand, Operand] | None,
    w_ih: Operand,
    w_hh: Operand,
    b_ih: Operand | None = None,
    b_hh: Operand | None = None,
    *,
    out: tuple[Array, Array] | None = None,
) -> tuple[A, A]:
    """(h, c), each (N, H), of one step of an LSTM: x (N, I) or (I,), hx = (h0, c0), None: zeros. See lstm.

    >>> w = np.zeros((4, 1))  # every gate is a half, and nothing is added
    >>> h, c = ops.lstm_cell(np.ones((1, 1)), (np.zeros((1, 1)), np.ones((1, 1))), w, w)
    >>> h.round(3), c
    (array([[0.231]]), array([[0.5]]))
    """
    h0, c0 = (None, None) if hx is None else as_pair("lstm_cell", hx)
    h, c = _step("lstm_cell", "LSTM", x, h0, c0, (w_ih, w_hh, b_ih, b_hh))
    return h, c


@with_out
def gru_cell(
    x: A,
    h0: Operand | None,
    w_ih: Operand,
    w_hh: Operand,
    b_ih: Operand | None = None,
    b_hh: Operand | None = None,
    *,
    out: Array | None = None,
) -> A:
    """h (N, H) of one step of a GRU: x (N, I) or (I,), h0 (N, H) or (H,), None: zeros. See gru.

    >>> w = np.zeros((3, 1))
    >>> ops.gru_cell(np.ones((1, 1)), np.ones((1, 1)), w, w)
    array([[0.5]])
    """
    return _step("gru_cell", "GRU", x, h0, None, (w_ih, w_hh, b_ih, b_hh))[0]


def _step(op: str, mode: str, x: Any, h0: Any, c0: Any, four: tuple) -> list[Any]:
    """The states after one step of one layer."""
    rank = data_of(x).ndim
    if rank not in (1, 2):
        raise ValueError(
            f"{op}: x has {rank} dimensions {data_of(x).shape}, expected 2 (N, I), or 1 (I,) without a batch"
        )
    h0, c0 = (None if s is None else unsqueeze(s, 0) for s in (h0, c0))
    _, *last = recorded(op, mode, unsqueeze(x, 0), h0, c0, [four], False, 0.0, False, False, None)
    return [squeeze(s, 0) for s in last if s is not None]
