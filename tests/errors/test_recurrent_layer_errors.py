"""What recurrent layers and packing refuse: what it got, what it expected, and what to do."""

import numpy as np
import pytest

import gpunn
from gpunn import nn
from gpunn.nn.utils import rnn
from tests.errors.refusals import check_refused

X = np.zeros((3, 2, 5), np.float32)
H = np.zeros((1, 2, 4), np.float32)
PACKED = rnn.pack_sequence([gpunn.ones(2, 5), gpunn.ones(1, 5)])


def pack(lengths, **options):
    return rnn.pack_padded_sequence(X, lengths, **options)


# name: (call, error, words that the text must hold: got, expected, remedy)
WRONG = {
    "length 0": (
        lambda: pack([3, 0]),
        ValueError,
        ["lengths has 0", "expected 1 to L = 3", "leave empty sequences out"],
    ),
    "too long": (lambda: pack([4, 2]), ValueError, ["lengths has 4", "expected 1 to L = 3"]),
    "unsorted": (lambda: pack([2, 3]), ValueError, ["lengths [2, 3] are not sorted", "enforce_sorted=False"]),
    "count": (lambda: pack([3]), ValueError, ["lengths has 1 entries, expected 2, one a sequence"]),
    "fractions": (lambda: pack([3.0, 2.5]), TypeError, ["lengths is [3.0, 2.5]", "an int for each of the 2 sequences"]),
    "no list": (lambda: pack(3), TypeError, ["lengths is 3, expected an int for each"]),
    "on a device": (
        lambda: pack(gpunn.tensor([3, 2], device="emulator")),
        ValueError,
        ["lengths is on emulator, expected the cpu", "lengths.cpu()"],
    ),
    "no sequences": (lambda: rnn.pack_padded_sequence(X[:, :0], []), ValueError, ["input is (3, 0, 5)", "(L, N, *)"]),
    "one dimension": (lambda: rnn.pack_padded_sequence(X[0, 0], [1]), ValueError, ["input is (5,)", "(L, N, *)"]),
    "an empty one": (
        lambda: rnn.pack_sequence([gpunn.ones(2), gpunn.ones(0)]),
        ValueError,
        ["lengths has 0", "expected 1 to L = 2"],
    ),
    "none": (lambda: rnn.pack_sequence([]), ValueError, ["pad_sequence: sequences is empty"]),
    "total_length": (
        lambda: rnn.pad_packed_sequence(PACKED, total_length=1),
        ValueError,
        ["total_length is 1, expected 2 at least", "leave it out"],
    ),
    "not packed": (lambda: rnn.pad_packed_sequence(X), TypeError, ["got ndarray, expected a PackedSequence"]),
    "rows lost": (
        lambda: rnn.pad_packed_sequence(PACKED._replace(data=PACKED.data[:2])),
        ValueError,
        ["data has 2 rows, expected 3, the sum of batch_sizes"],
    ),
    "sizes missing": (lambda: rnn.PackedSequence(X), TypeError, ["batch_sizes is missing; call pack_padded_sequence"]),
    "sizes elsewhere": (
        lambda: rnn.PackedSequence(X, gpunn.tensor([1], device="emulator")),
        ValueError,
        ["batch_sizes is on emulator, expected the cpu", ".cpu()"],
    ),
    "unpad": (lambda: rnn.unpad_sequence(X, [1]), ValueError, ["lengths has 1 entries, expected 2"]),
    "unpad a fraction": (lambda: rnn.unpad_sequence(X, [1, 2.5]), TypeError, ["a length is 2.5, expected an int"]),
    "unpad beyond": (lambda: rnn.unpad_sequence(X, [1, -1]), ValueError, ["lengths has -1, expected 0 to L = 3"]),
    "total fraction": (
        lambda: rnn.pad_packed_sequence(PACKED, total_length=2.5),
        TypeError,
        ["pad_packed_sequence: total_length is 2.5, expected an int"],
    ),
    "features": (
        lambda: nn.LSTM(3, 4)(X),
        ValueError,
        ["LSTM: x has 5 features (3, 2, 5), expected input_size = 3", "set input_size=5"],
    ),
    "packed features": (lambda: nn.GRU(3, 4)(PACKED), ValueError, ["GRU: x has 5 features", "input_size = 3"]),
    "rank": (lambda: nn.RNN(5, 4)(X[0, 0]), ValueError, ["rnn: x has 1 dimensions (5,), expected 3 (L, N, I)"]),
    "no steps": (lambda: nn.RNN(5, 4)(X[:0]), ValueError, ["rnn: x (0, 2, 5) has no steps"]),
    "dtype": (lambda: nn.LSTM(5, 4)(X.astype("d")), TypeError, ["lstm: x is float64 but w_ih", "convert one"]),
    "hx": (lambda: nn.GRU(5, 4)(X, H[:, :1]), ValueError, ["gru: h0 is (1, 1, 4), expected (1, 2, 4)"]),
    "layers of hx": (lambda: nn.GRU(5, 4, 2)(X, H), ValueError, ["gru: h0 is (1, 2, 4), expected (2, 2, 4)"]),
    "packed hx": (lambda: nn.GRU(5, 4)(PACKED, H[:, :1]), ValueError, ["h0 is (1, 1, 4), expected (1, 2, 4)"]),
    "no pair": (lambda: nn.LSTM(5, 4)(X, H), TypeError, ["lstm: hx is a ndarray, expected the tuple (h0, c0)"]),
    "hx without N": (lambda: nn.RNN(5, 4)(X[0], H), ValueError, ["rnn: h0 is (1, 2, 4), expected (1, 4)"]),
    "no units": (lambda: nn.LSTM(3, 0), ValueError, ["LSTM: hidden_size is 0, expected at least 1"]),
    "no inputs": (lambda: nn.LSTM(0, 3), ValueError, ["LSTM: input_size is 0, expected at least 1"]),
    "no layers": (lambda: nn.GRU(3, 3, 0), ValueError, ["GRU: num_layers is 0, expected at least 1"]),
    "bias": (lambda: nn.GRU(3, 3, 1, 0), TypeError, ["GRU: bias is 0, expected True or False", "by name"]),
    "batch_first": (lambda: nn.RNN(3, 3, batch_first=1), TypeError, ["RNN: batch_first is 1, expected True or False"]),
    "dropout": (lambda: nn.LSTM(3, 3, 2, dropout=1.5), ValueError, ["LSTM: dropout is 1.5, expected 0 to 1"]),
    "dropout True": (lambda: nn.LSTM(3, 3, 2, dropout=True), ValueError, ["LSTM: dropout is True, expected a number"]),
    "nonlinearity": (lambda: nn.RNN(3, 3, 1, "sine"), ValueError, ["RNN: nonlinearity is 'sine', expected one of 't"]),
    "mode": (lambda: nn.RNNBase("SRU", 3, 3), ValueError, ["RNNBase: mode is 'SRU', expected one of"]),
    "projection": (
        lambda: nn.LSTM(3, 4, proj_size=4),
        ValueError,
        ["LSTM: proj_size is 4, expected less than hidden_size = 4"],
    ),
    "less": (lambda: nn.LSTM(3, 4, proj_size=-1), ValueError, ["LSTM: proj_size is -1, expected at least 0"]),
    "whose": (
        lambda: nn.RNNBase("GRU", 3, 4, proj_size=2),
        ValueError,
        ["RNNBase: proj_size is 2, expected 0: only an LSTM has a projection"],
    ),
    "cell's features": (
        lambda: nn.LSTMCell(3, 4)(X[0]),
        ValueError,
        ["LSTMCell: x is (2, 5), expected (N, 3), or (3,) without a batch"],
    ),
    "cell's rank": (lambda: nn.RNNCell(5, 4)(X), ValueError, ["RNNCell: x is (3, 2, 5), expected (N, 5)"]),
    "cell's state": (lambda: nn.GRUCell(5, 4)(X[0], H), ValueError, ["h0 is (1, 2, 4), expected (2, 4)"]),
    "cell's cell": (
        lambda: nn.LSTMCell(5, 4)(X[0], (H[0], H[0, 1:])),
        ValueError,
        ["LSTMCell: c0 is (1, 4), expected (2, 4): (N, hidden_size)"],
    ),
    "cell's pair": (lambda: nn.LSTMCell(5, 4)(X[0], H[0]), TypeError, ["hx is a ndarray, expected the tuple (h0, c0)"]),
    "relu for bias": (lambda: nn.RNNCell(3, 4, "relu"), TypeError, ["RNNCell: bias is 'relu', expected True or False"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_refusal(name):
    check_refused(*WRONG[name])
