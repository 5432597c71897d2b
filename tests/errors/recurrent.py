"""What recurrent ops refuse, as in test_op_errors."""

import numpy as np

import gpunn
from gpunn import ops


def z(*shape, dtype=np.float64):
    return np.zeros(shape, dtype)


def four(gates, width, hidden=2, dtype=np.float64):
    """The weights of one layer and direction."""
    shapes = (gates * hidden, width), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)
    return tuple(z(*shape, dtype=dtype) for shape in shapes)


def lstm(x=None, hx=None, weights=None, **options):
    return ops.lstm(z(3, 4, 5) if x is None else x, hx, [four(4, 5)] if weights is None else weights, **options)


def gru(x=None, h0=None, weights=None, **options):
    return ops.gru(z(3, 4, 5) if x is None else x, h0, [four(3, 5)] if weights is None else weights, **options)


def back(*gradients, mode="LSTM", **options):
    gates = 4 if mode == "LSTM" else 3
    return ops.recurrent_backward(
        ops.recurrent_forward(mode, z(3, 4, 5), None, [four(gates, 5)])[2], *gradients, **options
    )


FOUR = four(4, 5)
PROJECTED = (z(8, 5), z(8, 1), z(8), z(8))
RECURRENT = {
    "w_hr of another layer's features": (
        lambda: lstm(weights=[(z(8, 5), z(8, 1), None, None, z(1, 3))]),
        ValueError,
        ["lstm: w_ih of layer 0 is (8, 5), expected (12, 5): 4 gates of H = 3 rows"],
    ),
    "w_hr of no features": (
        lambda: lstm(weights=[(z(8, 5), z(8, 0), None, None, z(0, 2))]),
        ValueError,
        ["lstm: w_hr of layer 0 is (0, 2), expected (P, H) with P and H of 1 at least"],
    ),
    "w_hh beside w_hr": (
        lambda: lstm(weights=[(*FOUR, z(1, 2))]),
        ValueError,
        ["lstm: w_hh of layer 0 is (8, 2), expected (8, 1)", "a column for each of the 1 features of a state"],
    ),
    "w_hr of a second layer": (
        lambda: lstm(weights=[(*PROJECTED, z(1, 2)), (z(8, 1), z(8, 1), None, None, z(2, 2))]),
        ValueError,
        ["lstm: w_hr of layer 1 is (2, 2), expected (1, 2): P = 1 rows", "the 2 features of o * tanh(c)"],
    ),
    "a layer without w_hr": (
        lambda: lstm(weights=[(*PROJECTED, z(1, 2)), (z(8, 1), z(8, 1))]),
        ValueError,
        ["lstm: weights[1] has no w_hr, expected one, as weights[0]", "all layers project or none"],
    ),
    "a layer with w_hr": (
        lambda: lstm(weights=[FOUR, (*PROJECTED, z(1, 2))]),
        ValueError,
        ["lstm: weights[1] has w_hr, expected none"],
    ),
    "h0 beside w_hr": (
        lambda: lstm(hx=(z(1, 4, 2), z(1, 4, 2)), weights=[(*PROJECTED, z(1, 2))]),
        ValueError,
        ["lstm: h0 is (1, 4, 2), expected (1, 4, 1): (layers * directions, N, P)"],
    ),
    "w_hr of a GRU": (
        lambda: gru(weights=[(*four(3, 5), z(1, 2))]),
        ValueError,
        ["gru: weights[0] is of 5, expected (w_ih, w_hh) or (w_ih, w_hh, b_ih, b_hh)", "an LSTM's alone"],
    ),
    "rank of x": (lambda: lstm(z(5)), ValueError, ["lstm: x has 1 dimensions (5,)", "3 (L, N, I), or 2 (L, I)"]),
    "rank, batch first": (lambda: gru(z(5), batch_first=True), ValueError, ["gru: x has 1", "3 (N, L, I)"]),
    "no steps": (lambda: lstm(z(0, 4, 5)), ValueError, ["lstm: x (0, 4, 5) has no steps", "L of 1 at least"]),
    "no steps, batch first": (lambda: lstm(z(4, 0, 5), batch_first=True), ValueError, ["(4, 0, 5) has no steps"]),
    "integers": (lambda: lstm(z(3, 4, 5, dtype=int)), TypeError, ["lstm: x is int64", "float32 or float64"]),
    "no list": (lambda: lstm(weights=z(2)), TypeError, ["lstm: weights is ndarray", "a list of (w_ih, w_hh)"]),
    "empty list": (lambda: lstm(weights=[]), TypeError, ["lstm: weights is list of 0", "each layer and direction"]),
    "flat list": (lambda: lstm(weights=list(FOUR)), TypeError, ["lstm: weights[0] is a ndarray", "into a tuple"]),
    "three weights": (lambda: lstm(weights=[FOUR[:3]]), TypeError, ["weights[0] is a tuple of 3", "b_ih, b_hh"]),
    "odd list": (
        lambda: lstm(weights=[FOUR], bidirectional=True),
        ValueError,
        ["lstm: weights has 1 entries, expected an even number", "one reverse each"],
    ),
    "input size": (
        lambda: lstm(z(3, 4, 6)),
        ValueError,
        ["lstm: w_ih of layer 0 is (8, 5), expected (8, 6)", "4 gates of H = 2 rows", "each of the 6 features of x"],
    ),
    "layer and direction": (
        lambda: gru(weights=[four(3, 5), four(3, 5), four(3, 4), four(3, 2)], bidirectional=True),
        ValueError,
        ["gru: w_ih of layer 1, reverse is (6, 2), expected (6, 4)", "4 features of the layer below"],
    ),
    "gates": (
        lambda: gru(weights=[FOUR]),
        ValueError,
        ["gru: w_ih of layer 0 is (8, 5), expected (6, 5): 3 gates of H = 2 rows"],
    ),
    "rank of w_hh": (lambda: lstm(weights=[(FOUR[0], z(8))]), ValueError, ["w_hh of layer 0 is (8,)", "(4 * H, H)"]),
    "no units": (lambda: lstm(weights=[(z(0, 5), z(0, 0))]), ValueError, ["w_hh of layer 0 is (0, 0)", "1 at least"]),
    "bias": (
        lambda: lstm(weights=[(*FOUR[:2], z(8), z(2))]),
        ValueError,
        ["lstm: b_hh of layer 0 is (2,), expected (8,): 4 gates of H = 2 rows"],
    ),
    "no weight": (lambda: lstm(weights=[(FOUR[0], None)]), TypeError, ["lstm: w_hh of layer 0 is None", "pass one"]),
    "dtype of a weight": (
        lambda: lstm(weights=[(*FOUR[:3], z(8, dtype=np.float32))]),
        TypeError,
        ["lstm: x is float64 but b_hh of layer 0 is float32", "convert"],
    ),
    "hx": (lambda: lstm(hx=z(1, 4, 2)), TypeError, ["lstm: hx is a ndarray", "(h0, c0)", "None for zeros"]),
    "hx of three": (lambda: lstm(hx=(1, 2, 3)), TypeError, ["lstm: hx is a tuple of 3", "(h0, c0)"]),
    "h0": (
        lambda: lstm(hx=(z(2, 4, 2), z(1, 4, 2))),
        ValueError,
        ["lstm: h0 is (2, 4, 2), expected (1, 4, 2)", "(layers * directions, N, H)"],
    ),
    "c0": (lambda: lstm(hx=(z(1, 4, 2), z(1, 3, 2))), ValueError, ["lstm: c0 is (1, 3, 2), expected (1, 4, 2)"]),
    "h0 without a batch": (
        lambda: gru(z(3, 5), z(1, 1, 2)),
        ValueError,
        ["gru: h0 is (1, 1, 2), expected (1, 2): (layers * directions, H)"],
    ),
    "dtype of c0": (
        lambda: lstm(hx=(z(1, 4, 2), z(1, 4, 2, dtype=np.float32))),
        TypeError,
        ["lstm: x is float64 but c0 is float32"],
    ),
    "too few lengths": (lambda: lstm(lengths=[3, 2]), ValueError, ["lstm: lengths has 2 entries, expected 4"]),
    "no length": (
        lambda: lstm(lengths=[3, 2, 0, 1]),
        ValueError,
        ["lstm: lengths has 0, expected 1 to L = 3", "cut or pad x"],
    ),
    "a long length": (lambda: lstm(lengths=[3, 4, 1, 1]), ValueError, ["lstm: lengths has 4, expected 1 to L = 3"]),
    "float lengths": (lambda: lstm(lengths=[1.0, 2, 3, 3]), TypeError, ["lstm: lengths is [1.0, 2, 3, 3]", "an int"]),
    "one length": (lambda: lstm(lengths=3), TypeError, ["lstm: lengths is 3, expected an int for each of the 4"]),
    "nonlinearity": (
        lambda: ops.rnn(z(3, 4, 5), None, [four(1, 5)], "gelu"),
        ValueError,
        ["rnn: nonlinearity is 'gelu'", "'tanh', 'relu'"],
    ),
    "dropout": (lambda: lstm(dropout=1.5), ValueError, ["lstm: dropout is 1.5", "an element between layers"]),
    "cell's x": (
        lambda: ops.gru_cell(z(3, 4, 5), None, *four(3, 5)),
        ValueError,
        ["gru_cell: x has 3 dimensions (3, 4, 5)", "2 (N, I), or 1 (I,)"],
    ),
    "cell's state": (lambda: ops.rnn_cell(z(4, 5), z(3, 2), *four(1, 5)), ValueError, ["rnn_cell: h0 is", "(1, 4, 2)"]),
    "mode": (
        lambda: ops.recurrent_forward("LTSM", z(3, 4, 5), None, [FOUR]),
        ValueError,
        ["recurrent_forward: mode is 'LTSM'", "'RNN_TANH', 'RNN_RELU', 'LSTM', 'GRU'"],
    ),
    "gy": (lambda: back(z(3, 4, 3)), ValueError, ["recurrent_backward: gy is (3, 4, 3), expected (3, 4, 2)", "of y"]),
    "dtype of gh_n": (
        lambda: back(None, z(1, 4, 2, dtype=np.float32)),
        TypeError,
        ["recurrent_backward: gh_n is float32, expected float64"],
    ),
    "gc_n of a GRU": (
        lambda: back(None, None, z(1, 4, 2), mode="GRU"),
        ValueError,
        ["recurrent_backward: gc_n is given", "only an LSTM has cells", "leave it out"],
    ),
    "needs": (
        lambda: back(needs=("x", "bias")),
        ValueError,
        ["recurrent_backward: needs has 'bias'", "'hx', 'weights'"],
    ),
    "needs as a word": (
        lambda: back(needs="weights"),
        TypeError,
        ["recurrent_backward: needs is 'weights', expected a tuple", "pass ('x',) for one"],
    ),
    "no reserve": (
        lambda: ops.recurrent_backward(z(3, 4, 2), z(3, 4, 2)),
        TypeError,
        ["recurrent_backward: reserve is a numpy ndarray", "the last that recurrent_forward gave"],
    ),
    "a Tensor that records": (
        lambda: ops.recurrent_forward("LSTM", gpunn.Tensor(z(3, 4, 5), requires_grad=True), None, [FOUR]),
        ValueError,
        ["recurrent_forward: x requires a gradient", "x.detach()"],
    ),
    "a weight that records": (
        lambda: ops.recurrent_forward("LSTM", z(3, 4, 5), None, [(gpunn.Tensor(FOUR[0], requires_grad=True), FOUR[1])]),
        ValueError,
        ["recurrent_forward: weights requires a gradient"],
    ),
    "weights in a list a layer": (
        lambda: lstm(weights=[[FOUR, FOUR]], bidirectional=True),
        TypeError,
        ["lstm: weights[0] is a list of lists", "layer 0, its reverse, layer 1", "one list"],
    ),
}
if gpunn.is_available("emulator"):
    RECURRENT["devices"] = (
        lambda: lstm(gpunn.to_device(z(3, 4, 5), "emulator")),
        ValueError,
        ["lstm: x is on emulator but w_ih of layer 0 is on cpu", "move one"],
    )
    RECURRENT["lengths of another device"] = (
        lambda: lstm(lengths=gpunn.to_device(np.ones(4, int), "emulator")),
        ValueError,
        ["lstm: x is on cpu but lengths is on emulator"],
    )
    RECURRENT["lengths of another shape"] = (
        lambda: ops.gru(
            *[gpunn.to_device(a, "emulator") for a in (z(3, 4, 5), z(1, 4, 2))],
            [tuple(gpunn.to_device(w, "emulator") for w in four(3, 5))],
            lengths=gpunn.to_device(np.ones(3), "emulator"),
        ),
        ValueError,
        ["gru: lengths is float64 (3,), expected integers (4,)"],
    )
