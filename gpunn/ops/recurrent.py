"""Recurrent layers: Elman's (1990), LSTM (Hochreiter and Schmidhuber, 1997; Gers et al., 2000), GRU (Cho et al., 2014).

Weights, gate order and equations are PyTorch's. The loop over time is one op with a backward of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gpunn.asked import asked
from gpunn.backend import Array, streams
from gpunn.checks import wants_grad
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record_all
from gpunn.ops.out import with_out
from gpunn.ops.precision import narrowed, widened
from gpunn.ops.recurrent_checks import (
    Weights,
    as_arrays,
    as_dropout,
    as_fives,
    as_lengths,
    check_nonlinearity,
    check_state,
    check_weights,
    check_x,
    named,
)
from gpunn.ops.recurrent_layers import Job, States, back, run


@with_out
def rnn(
    x: A,
    h0: Operand | None,
    weights: Weights,
    nonlinearity: str = "tanh",
    bidirectional: bool = False,
    dropout: float = 0.0,
    training: bool = True,
    batch_first: bool = False,
    lengths: Sequence[int] | Array | None = None,
    *,
    out: tuple[Array, Array] | None = None,
) -> tuple[A, A]:
    """(y, h_n) of layers h' = nonlinearity(w_ih x + b_ih + w_hh h + b_hh), "tanh" or "relu". See lstm for the rest.

    w_ih are (H, I), w_hh (H, H), biases (H,).

    >>> y, h_n = ops.rnn(np.ones((3, 1, 1)), None, [(np.ones((1, 1)), np.ones((1, 1)))], nonlinearity="relu")
    >>> y.ravel(), h_n.shape
    (array([1., 2., 3.]), (1, 1, 1))
    """
    mode = check_nonlinearity("rnn", nonlinearity)
    y, h_n, _ = recorded("rnn", mode, x, h0, None, weights, bidirectional, dropout, training, batch_first, lengths)
    return y, h_n


@with_out
def lstm(
    x: A,
    hx: tuple[Operand, Operand] | None,
    weights: Weights,
    bidirectional: bool = False,
    dropout: float = 0.0,
    training: bool = True,
    batch_first: bool = False,
    lengths: Sequence[int] | Array | None = None,
    *,
    out: tuple[Array, tuple[Array, Array]] | None = None,
) -> tuple[A, tuple[A, A]]:
    """(y, (h_n, c_n)) of layers i, f, g, o = w_ih x + b_ih + w_hh h + b_hh, c' = f c + i g, h' = o tanh(c').

    i, f and o go through the logistic function, g through tanh.

    Args:
        x: (L, N, I), with batch_first (N, L, I); or (L, I), one sequence, and then no N anywhere.
        hx: the first states (h0, c0), each (layers * directions, N, H); None: zeros.
        weights: one list of (w_ih, w_hh) or (w_ih, w_hh, b_ih, b_hh): layer 0, where bidirectional its reverse, layer 1
            and so on. (4 * H, I), (4 * H, H), (4 * H,), gates in the order i, f, g, o. From the second layer on I is
            directions * H. A fifth one, w_hr (P, H), projects (Sak et al., 2014): h' = w_hr (o tanh(c')) has P
            features, and so have w_hh's columns, y, h0 and h_n in place of H; biases may be None.
        dropout: in training, the probability with which what one layer hands the next becomes 0.
        lengths: (N,) of 1 to L, in any order: where a sequence is over y is 0, and the final states are those of its
            end; the reverse direction begins there. An integer array of the device, whose values nobody reads on the
            host, may stand for them; a captured step needs one.

    Returns:
        y: (L, N, directions * H), or as x has its axes: the last layer's states, of both directions side by side.
        h_n, c_n: (layers * directions, N, H). Cells are float32 where x is of 16 bits; c0 may be.

    Raises:
        ValueError: shapes, lengths outside 1..L, two devices. TypeError: dtypes, weights that are no list of tuples.

    What backward needs is kept, and grows with L: a layer's input, states, cells and four activations, 6 H + I numbers
    a step and sample. Without a gradient, y alone.

    >>> w = np.zeros((4, 1))
    >>> b = np.array([9.0, 9.0, 9.0, 9.0])  # all gates open, 1 is added to the cell at each step
    >>> y, (h_n, c_n) = ops.lstm(np.ones((3, 1, 1)), None, [(w, w, b, 0 * b)])
    >>> y.ravel().round(2), c_n.round(2).item()
    (array([0.76, 0.96, 0.99]), 3.0)
    """
    h0, c0 = (None, None) if hx is None else as_pair("lstm", hx)
    y, *last = recorded("lstm", "LSTM", x, h0, c0, weights, bidirectional, dropout, training, batch_first, lengths)
    return y, (last[0], last[1])


@with_out
def gru(
    x: A,
    h0: Operand | None,
    weights: Weights,
    bidirectional: bool = False,
    dropout: float = 0.0,
    training: bool = True,
    batch_first: bool = False,
    lengths: Sequence[int] | Array | None = None,
    *,
    out: tuple[Array, Array] | None = None,
) -> tuple[A, A]:
    """(y, h_n) of layers n = tanh(w_in x + b_in + r (w_hn h + b_hn)), h' = (1 - z) n + z h. See lstm for the rest.

    r and z are the logistic function of w x + b_ih + w h + b_hh. w_ih are (3 * H, I), w_hh (3 * H, H), biases (3 * H,),
    gates in the order r, z, n.

    >>> w = np.zeros((3, 1))
    >>> y, h_n = ops.gru(np.ones((2, 1, 1)), np.ones((1, 1, 1)), [(w, w)])  # z is a half, n is 0
    >>> y.ravel()
    array([0.5 , 0.25])
    """
    y, h_n, _ = recorded("gru", "GRU", x, h0, None, weights, bidirectional, dropout, training, batch_first, lengths)
    return y, h_n


def as_pair(op: str, hx: Any) -> tuple[Operand, Operand]:
    """An LSTM's first states, (h0, c0)."""
    if not isinstance(hx, tuple | list) or len(hx) != 2:
        got = f"{type(hx).__name__} of {len(hx)}" if isinstance(hx, tuple | list) else type(hx).__name__
        raise TypeError(f"{op}: hx is a {got}, expected the tuple (h0, c0), or None for zeros")
    return hx[0], hx[1]


class Call(NamedTuple):
    """A checked call: arrays as the loop takes them, and how its results are to look."""

    job: Job
    x: Array  # (L, N, I)
    first: States
    fives: list[tuple[Any, ...]]
    batched: bool
    batch_first: bool

    @property
    def projects(self) -> bool:
        """Whether layers have a w_hr."""
        return self.fives[0][4] is not None

    def outer(self, y: Array) -> Array:
        """(L, N, *) as the user's x has its axes."""
        return y[:, 0] if not self.batched else y.swapaxes(0, 1) if self.batch_first else y

    def states(self, last: States) -> list[Array]:
        """States as the user sees them."""
        return [a if self.batched else a[:, 0] for a in last if a is not None]

    def gradients(self, gy: Array | None, gh: Array | None, gc: Array | None = None) -> tuple[Array | None, States]:
        """The results' gradients as the loop takes them."""
        above = States(*[g if g is None or self.batched else g[:, None] for g in (gh, gc)])
        if gy is None or (self.batched and not self.batch_first):
            return gy, above
        return gy.swapaxes(0, 1) if self.batched else gy[:, None], above

    def results(self, gx: Array | None, below: States) -> tuple[Array | None, list[Array | None]]:
        """The gradients of x and of (h0, c0) as the user sees these."""
        first = [g if g is None or self.batched else g[:, 0] for g in below]
        return None if gx is None else self.outer(gx), first


def checked(
    op: str,
    mode: str,
    x: Operand,
    h0: Operand | None,
    c0: Operand | None,
    fives: list[tuple[Any, ...]],
    directions: int,
    p: float,
    batch_first: bool,
    lengths: Sequence[int] | Array | None,
) -> Call:
    """The call with its arrays, whose shapes fit; refused where they do not."""
    a, h, c, *raw = as_arrays(op, x, h0, c0, named(fives, directions))
    assert a is not None
    check_x(op, a, batch_first)
    there = iter(raw)
    fives = [tuple([None if w is None else next(there) for w in five]) for five in fives]
    P, H = check_weights(op, mode, a.shape[-1], fives, directions)
    batched = a.ndim == 3
    a = a[:, None] if not batched else a.swapaxes(0, 1) if batch_first else a
    L, N, _ = a.shape
    for name, state, features, letter in (("h0", h, P, "H" if fives[0][4] is None else "P"), ("c0", c, H, "H")):
        if state is not None:
            check_state(op, name, state, len(fives), N if batched else None, features, letter)
    first = States(*[s if s is None or batched else s[:, None] for s in (h, c)])
    job = Job(op, mode, directions, p, as_lengths(op, lengths, a, L, N))
    return Call(job, a, first, fives, batched, batch_first)


def recorded(
    op: str,
    mode: str,
    x: Operand,
    h0: Operand | None,
    c0: Operand | None,
    weights: Weights,
    bidirectional: bool,
    dropout: float,
    training: bool,
    batch_first: bool,
    lengths: Sequence[int] | Array | None,
) -> tuple[Any, ...]:
    """y, h_n and c_n, or None; Tensors where there is one among the inputs."""
    directions, p = 2 if bidirectional else 1, as_dropout(op, dropout, training)
    fives = as_fives(op, mode, weights, directions)
    if asked():
        x, h0, c0, fives = *narrowed(x, h0), widened(c0), [narrowed(*five) for five in fives]
    call = checked(op, mode, x, h0, c0, fives, directions, p, batch_first, lengths)
    inputs = (x, h0, c0, *[w for five in fives for w in five])
    wanted = is_grad_enabled() and any(map(wants_grad, inputs))
    with streams.on_device_of(call.x):
        y, last, reserve = run(call.job, call.x, call.first, call.fives, wanted)
    results = (call.outer(y), *call.states(last))

    def backward(gys: tuple[Array | None, ...], needs: Needs) -> Gradients:
        gy, above = call.gradients(*gys)
        of_weights = [needs[3 + 5 * k :][:5] for k in range(len(fives))]
        with streams.on_device_of(call.x):
            gx, below, gweights = back(reserve, gy, above, needs[0], needs[1] or needs[2], of_weights)
        gx, (gh0, gc0) = call.results(gx, below)
        return gx, gh0, gc0, *[g for five in gweights for g in five]

    return (*record_all(op, results, inputs, backward, owned=True), None)[:3]
