"""RNN, LSTM, GRU and their cells beside PyTorch's of the same weights: values, gradients, states exchanged.

PyTorch computes in float64. What ops.rnn, lstm and gru promise besides is tested with them.
"""

import copy
import warnings
from itertools import product

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops
from gpunn.nn.overview import rows
from gpunn.nn.utils import rnn
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, normal, torch

KINDS = {"RNN": {}, "RNN, relu": {"nonlinearity": "relu"}, "LSTM": {}, "GRU": {}}
LENGTHS = {"sorted": [4, 4, 1], "in any order": [2, 4, 1]}
# Options of the layer; of x and hx: N None for no batch, lengths for a PackedSequence, state=False for hx None.
CASES = {
    "one layer": {},
    "two layers, both ways": {"num_layers": 2, "bidirectional": True, "dropout": 0.0},
    "no biases, batch first": {"num_layers": 2, "bias": False, "batch_first": True},
    "no first state": {"state": False, "bidirectional": True, "batch_first": True},
    "no batch": {"N": None, "num_layers": 2, "bidirectional": True},
    "packed": {"lengths": "sorted", "num_layers": 2},
    "packed, unsorted": {"lengths": "in any order", "bidirectional": True, "batch_first": True},
    "packed, no state": {"lengths": "in any order", "state": False, "bias": False},
}
PROJECTED = {
    "projected": {"num_layers": 2, "proj_size": 2, "bidirectional": True, "batch_first": True},
    "projected, packed, no biases": {"proj_size": 1, "bias": False, "lengths": "in any order"},
}
EACH = [(kind, case, options) for kind, (case, options) in product(KINDS, CASES.items())]
EACH += [("LSTM", case, options) for case, options in PROJECTED.items()]


def both(kind, dtype=np.float64, **options):
    """The layer here and PyTorch's in float64, of PyTorch's first weights."""
    name, options = kind.partition(",")[0], options | KINDS.get(kind, {})
    theirs = getattr(torch().nn, name)(5, 3, **options, dtype=torch().float64)
    ours = getattr(nn, name)(5, 3, **options, dtype=dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def flat(y):
    return [y] if not isinstance(y, tuple) else [each for part in y for each in flat(part)]


def inputs(kind, N=3, state=True, num_layers=1, bidirectional=False, batch_first=False, proj_size=0, **_):
    """x, and hx as a list."""
    x = normal(4, 5) if N is None else normal(N, 4, 5) if batch_first else normal(4, N, 5)
    layers = num_layers * (1 + bidirectional)
    sizes = [proj_size or 3, 3][: 1 + (kind == "LSTM")]
    return x, [normal(layers, *([] if N is None else [N]), H, seed=k) for k, H in enumerate(sizes) if state]


def called(lib, layer, leaves, lengths=None, batch_first=False):
    """The layer's results, those of packed sequences padded again."""
    x, states = leaves[0], leaves[1:]
    hx = None if not states else states[0] if len(states) == 1 else tuple(states)
    if lengths is None:
        return flat(layer(x, hx))
    packed = lib.nn.utils.rnn.pack_padded_sequence(x, LENGTHS[lengths], batch_first, enforce_sorted=lengths == "sorted")
    y, last = layer(packed, hx)
    assert isinstance(y, lib.nn.utils.rnn.PackedSequence)
    return [*lib.nn.utils.rnn.pad_packed_sequence(y, batch_first)[:1], *flat(last)]


def compare(kind, options, dtype):
    t, given = torch(), {k: v for k, v in options.items() if k not in ("N", "state", "lengths")}
    ours, theirs = both(kind, dtype, **given)
    x, states = inputs(kind, **options)
    how = {"lengths": options.get("lengths"), "batch_first": options.get("batch_first", False)}
    mine = [Tensor(a.astype(dtype), requires_grad=True) for a in (x, *states)]
    other = [t.tensor(a, requires_grad=True) for a in (x, *states)]
    found, want = called(gpunn, ours, mine, **how), called(t, theirs, other, **how)
    assert len(found) == len(want) == 2 + (kind == "LSTM")
    gys = [normal(*b.shape, seed=k) for k, b in enumerate(want)]
    t.autograd.backward(want, list(map(t.tensor, gys)))
    sum(ops.sum(a * g.astype(dtype)) for a, g in zip(found, gys, strict=True)).backward()
    for a, b in zip(found, want, strict=True):
        assert a.dtype == dtype
        assert_close(a.array, b.detach().numpy(), 100)
    for a, b in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
        assert_close(a.gradient, b.grad.numpy(), 1000)


@DTYPES
@pytest.mark.parametrize("kind, case, options", EACH, ids=lambda v: v if isinstance(v, str) else "")
def test_values_and_gradients_are_pytorchs(kind, case, options, dtype):
    compare(kind, options, dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_states_go_both_ways(kind):
    t = torch()
    options = {"num_layers": 2, "bidirectional": True}
    ours, theirs = both(kind, np.float32, **options)
    shapes = [[tuple(w.shape) for w in each] for each in ours.all_weights]
    assert shapes == [[tuple(w.shape) for w in each] for each in theirs.all_weights]
    ours.reset_parameters()
    theirs.load_state_dict({key: t.tensor(np.asarray(value)) for key, value in ours.state_dict().items()})
    x = normal(4, 3, 5)
    assert_close(copy.deepcopy(ours)(x.astype("f"))[0], theirs(t.tensor(x))[0].detach().numpy(), 100)
    bound = 3**-0.5
    drawn = np.concatenate([p.numpy().ravel() for p in ours.parameters()])
    assert abs(drawn).max() <= bound and drawn.min() < -0.9 * bound and drawn.max() > 0.9 * bound


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("options", [{}, {"bias": False}], ids=["biases", "no biases"])
def test_cells_are_pytorchs(name, options):
    t = torch()
    ours, theirs = both(name, **options)
    for shape in ((3, 3), (3,), None):  # of the states; one sample; none
        x = normal(5) if shape == (3,) else normal(3, 5)
        states = [] if shape is None else [normal(*shape, seed=k) for k in range(1 + (name == "LSTMCell"))]
        mine = [Tensor(a, requires_grad=True) for a in (x, *states)]
        other = [t.tensor(a, requires_grad=True) for a in (x, *states)]
        found, want = called(gpunn, ours, mine), called(t, theirs, other)
        for layer in (ours, theirs):
            layer.zero_grad()
        sum(ops.sum(a * a) for a in found).backward()
        sum((b * b).sum() for b in want).backward()
        for a, b in zip(found, want, strict=True):
            assert_close(a, b.detach().numpy(), 100)
        for a, b in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
            assert_close(a.gradient, b.grad.numpy(), 1000)


def test_a_cell_step_by_step_is_the_layer():
    layer, cell = nn.LSTM(5, 3, dtype="float64"), nn.LSTMCell(5, 3, dtype="float64")
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    x, hx = normal(4, 2, 5), None
    for each in x:
        hx = cell(each, hx)
    for a, b in zip(hx, layer(x)[1], strict=True):
        assert_close(a, b[0].numpy(), 10)


@pytest.mark.parametrize("kind", KINDS)
def test_no_samples(kind):
    layer, _ = both(kind, np.float32, bidirectional=True)
    x = Tensor(np.zeros((4, 0, 5), np.float32), requires_grad=True)
    y, *last = flat(layer(x))
    assert y.shape == (4, 0, 6) and last[0].shape == (2, 0, 3)
    ops.sum(y).backward()
    assert x.gradient.shape == x.shape and not any(p.gradient.any() for p in layer.parameters())


def test_dropout_is_of_training_and_warns_where_it_drops_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = nn.GRU(5, 16, num_layers=2, dropout=0.5)
    x = normal(4, 3, 5).astype("f")
    plain = nn.GRU(5, 16, num_layers=2)
    plain.load_state_dict(layer.state_dict())
    assert not np.array_equal(layer(x)[0], plain(x)[0]) and np.array_equal(layer.eval()(x)[0], plain(x)[0])
    with pytest.warns(UserWarning, match=r"LSTM: dropout 0.5 has no effect, .*num_layers is 1; leave it out") as said:
        nn.LSTM(5, 3, dropout=0.5)
    assert said[0].filename == __file__


def test_what_it_says_of_itself():
    layer = nn.LSTM(10, 20, 2, bidirectional=True, batch_first=True, dropout=0.1, bias=False)
    assert repr(layer) == "LSTM(10->20, 2 layers, dropout 0.1, bidirectional, batch first, no bias)"
    assert repr(nn.RNN(3, 4, nonlinearity="relu")) == "RNN(3->4, relu)"
    assert repr(nn.RNNCell(3, 4, False, "relu")) == "RNNCell(3->4, no bias, relu)"
    assert layer.flatten_parameters() is None and isinstance(layer, nn.RNNBase)
    weights = sum(p.size for p in layer.parameters())
    ((row,), _) = rows(layer, (5, 7, 10))
    assert row.output == (5, 7, 40) and (row.parameters, row.flops) == (weights, 2 * weights * 35)
    assert row.field is None, "a sequence is no image"
    assert nn.LSTM(10, 20).flops((7, 10), (7, 20)) == 2 * 7 * 80 * 30 and nn.GRUCell(3, 4).flops((2, 3), (2, 4)) == 336


@pytest.mark.usefixtures("device_there")
@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_elsewhere_the_numbers_are_the_cpus(device):
    """A packed sequence through a layer, and back."""
    layer = nn.LSTM(3, 4, bidirectional=True)
    found = []
    for place in ("cpu", device):
        model = copy.deepcopy(layer).to(place)
        x = Tensor(gpunn.to_device(normal(3, 2, 3).astype("f"), place), requires_grad=True)
        packed = rnn.pack_padded_sequence(x, [2, 3], enforce_sorted=False)
        assert str(packed.sorted_indices.device.type) == place and packed.batch_sizes.device.type == "cpu"
        y, (h, _) = model(packed)
        ops.sum(rnn.pad_packed_sequence(y)[0]).backward()
        found.append([gpunn.to_numpy(a) for a in (y.data, h, x.gradient, *(p.gradient for p in model.parameters()))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
