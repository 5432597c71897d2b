"""RNN, LSTM and GRU against PyTorch's modules: values and gradients, all options; and what only this op promises."""

import itertools
from contextlib import contextmanager

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, no_grad, ops
from gpunn.cpu import recurrent_loops
from gpunn.cpu.threads import set_thread_count, thread_count
from gpunn.cuda.variants import use_variant
from gpunn.engine.kept import arrays_kept
from gpunn.reference.close import assert_close
from tests import counting
from tests.parity import normal, torch
from tests.thinned import one_in

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
MODES = pytest.mark.parametrize("mode", GATES)
LENGTHS = [2, 4, 1]
# Sizes and options beside (L, N, I, H) = (4, 3, 5, 2), one layer, one direction, biases.
CONFIGS = {
    "plain": {},
    "two layers, both ways": {"layers": 2, "bidirectional": True},
    "lengths": {"lengths": LENGTHS},
    "lengths, three layers, both ways, batch first": {
        "lengths": LENGTHS, "layers": 3, "bidirectional": True, "batch_first": True,
    },
    "no biases": {"bias": False, "bidirectional": True},
    "no first state": {"state": False},
    "without a batch": {"N": None, "layers": 2, "bidirectional": True},
    "one of each": {"L": 1, "N": 1, "I": 1, "H": 1},
    "whole accesses": {"H": 4, "N": 2, "bidirectional": True},
}  # fmt: skip


def make(mode, L=4, N=3, I=5, H=2, P=0, layers=1, bidirectional=False, bias=True, batch_first=False, state=True, **_):  # noqa: E741
    """x, (h0, c0) or (h0,) or (), and the weights of each layer and direction, in float64; projected where P."""
    G, D = GATES[mode], 2 if bidirectional else 1
    x = normal(L, I) if N is None else normal(N, L, I) if batch_first else normal(L, N, I)
    batch, features = () if N is None else (N,), [P or H, H][: 1 + (mode == "LSTM")]
    first = [normal(layers * D, *batch, width, seed=k) for k, width in enumerate(features)] if state else []
    weights = []
    for k in range(layers * D):
        width = I if k < D else D * features[0]
        shapes = [(G * H, width), (G * H, features[0])] + [(G * H,)] * 2 * bias + [(P, H)] * bool(P)
        weights.append([normal(*s, seed=10 + k) / 2 for s in shapes])
    return x, first, weights


def run(mode, x, first, weights, bidirectional=False, batch_first=False, lengths=None, **options):
    """The op's results, flat."""
    how = {"bidirectional": bidirectional, "batch_first": batch_first, "lengths": lengths}
    how |= {key: options[key] for key in ("dropout", "training") if key in options}
    weights = [(*w[:2], None, None, w[2]) if len(w) == 3 else tuple(w) for w in weights]
    if mode == "LSTM":
        y, states = ops.lstm(x, tuple(first) or None, weights, **how)
        return [y, *states]
    if mode == "GRU":
        return list(ops.gru(x, *(first or [None]), weights, **how))
    return list(ops.rnn(x, *(first or [None]), weights, nonlinearity=mode[4:].lower(), **how))


def of_torch(mode, x, first, weights, bidirectional=False, batch_first=False, lengths=None, bias=True, P=0, **_):
    """PyTorch's module of these weights: its results, and all leaves in the order of ours."""
    t = torch()
    kind = {"LSTM": t.nn.LSTM, "GRU": t.nn.GRU}.get(mode, t.nn.RNN)
    D, options = 2 if bidirectional else 1, {} if kind is not t.nn.RNN else {"nonlinearity": mode[4:].lower()}
    I, H = x.shape[-1], weights[0][1].shape[0] // GATES[mode]  # noqa: E741
    options |= {"proj_size": P} if P else {}
    options |= {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional, "dtype": t.float64}
    module = kind(I, H, len(weights) // D, **options)
    for parameter, value in zip(module.parameters(), [w for four in weights for w in four], strict=True):
        parameter.data = t.tensor(value)
    leaves = [t.tensor(a, requires_grad=True) for a in (x, *first)]
    given, states = leaves[0], leaves[1:]
    if lengths is not None:
        packed = t.nn.utils.rnn.pack_padded_sequence
        given = packed(given, t.tensor(lengths), batch_first=batch_first, enforce_sorted=False)
    y, last = module(given, (tuple(states) if mode == "LSTM" else states[0]) if states else None)
    if lengths is not None:
        steps = x.shape[1 if batch_first else 0]
        y, _ = t.nn.utils.rnn.pad_packed_sequence(y, batch_first=batch_first, total_length=steps)
    return [y, *(last if mode == "LSTM" else [last])], [*leaves, *module.parameters()]


def tensors(x, first, weights, dtype=np.float64, device="cpu"):
    """All as Tensors that require gradients."""

    def leaf(a):
        return Tensor(gpunn.to_device(a.astype(dtype), device), requires_grad=True)

    return leaf(x), [leaf(s) for s in first], [[leaf(w) for w in four] for four in weights]


def flat(x, first, weights):
    return [x, *first, *[w for four in weights for w in four]]


def pulled(results):
    """Gradients for all results, the same each time."""
    return [np.random.default_rng(k).standard_normal(r.shape) for k, r in enumerate(results)]


def backward(results):
    gys = [gpunn.to_device(g.astype(r.dtype), r.device) for g, r in zip(pulled(results), results, strict=True)]
    sum((ops.sum(r * g) for r, g in zip(results, gys, strict=True)), start=Tensor(0 * gys[0].sum())).backward()


@contextmanager
def threads_set(count):
    before = thread_count()
    set_thread_count(count)
    try:
        yield
    finally:
        set_thread_count(before)


# ---------------------------------------------------------------- PyTorch
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("config", CONFIGS)
@MODES
def test_values_and_gradients_are_pytorchs(mode, config, dtype):
    options = CONFIGS[config]
    arrays = make(mode, **options)
    want, theirs = of_torch(mode, *arrays, **options)
    torch().autograd.backward(want, [torch().tensor(g) for g in pulled(want)])
    ours = tensors(*arrays, dtype)
    got = run(mode, *ours, **options)
    backward(got)
    terms = 1000  # sums of products of sums, by the step and by the layer
    for a, b in zip(got, want, strict=True):
        assert_close(a.array, b.detach().numpy(), terms)
    for a, b in zip(flat(*ours), theirs, strict=True):
        assert a.gradient.dtype == dtype
        assert_close(a.gradient, b.grad.numpy(), terms)


def test_cells_are_pytorchs():
    t = torch()
    for mode, theirs in (("RNN_TANH", t.nn.RNNCell), ("LSTM", t.nn.LSTMCell), ("GRU", t.nn.GRUCell)):
        x, first, (four,) = make(mode)
        module = theirs(5, 2, dtype=t.float64)
        for parameter, value in zip(module.parameters(), four, strict=True):
            parameter.data = t.tensor(value)
        first = [s[0] for s in first]
        for pick in (slice(None), 0):  # with a batch and without
            hx, theirs_hx = [s[pick] for s in first], [t.tensor(s[pick]) for s in first]
            want = module(t.tensor(x[0][pick]), tuple(theirs_hx) if mode == "LSTM" else theirs_hx[0])
            op = {"RNN_TANH": ops.rnn_cell, "LSTM": ops.lstm_cell, "GRU": ops.gru_cell}[mode]
            got = op(x[0][pick], tuple(hx) if mode == "LSTM" else hx[0], *four)
            for a, b in zip(*([r] if mode != "LSTM" else r for r in (got, want)), strict=True):
                np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-12, atol=1e-12)


@MODES
def test_slopes_are_those_of_differences(mode):
    options = {"lengths": LENGTHS, "bidirectional": True}
    x, first, weights = make(mode, **options)
    if mode == "RNN_RELU":  # away from its corner
        weights = [[abs(w) for w in four] for four in weights]
        x, first = abs(x), [abs(s) for s in first]
    count = len(first)

    def op(x, *others):
        w = others[count:]
        results = run(mode, x, others[:count], [w[:4], w[4:]], **options)
        return ops.concatenate([ops.reshape(r, (-1,)) for r in results])

    assert gpunn.gradcheck(op, flat(x, first, weights))


# ---------------------------------------------------------------- padding, dropout, parts of a gradient
@MODES
def test_padding_is_not_read(mode):
    """What lies behind a sequence's end reaches no result and no gradient, NaN neither."""
    options = {"lengths": LENGTHS, "bidirectional": True, "layers": 2}
    x, first, weights = make(mode, **options)
    results = []
    for rest in (0.0, np.nan):
        for n, length in enumerate(LENGTHS):
            x[length:, n] = rest
        ours = tensors(x, first, weights)
        got = run(mode, *ours, **options)
        backward(got)
        results.append([*(r.array for r in got), *(a.gradient for a in flat(*ours))])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    y, gx = results[0][0], results[0][len(got)]
    assert not y[2:, 0].any() and not gx[2:, 0].any() and y[:2, 0].any(1).all()


def test_dropout_is_between_layers_and_the_ops_own():
    x, first, weights = make("GRU", layers=3)
    gpunn.manual_seed(3)
    ours = tensors(x, first, weights)
    y, h_n = run("GRU", *ours, dropout=0.5)
    y.backward(np.ones(y.shape))
    gpunn.manual_seed(3)
    single = tensors(x, first, weights)
    below, states, last = single[0], single[1][0], []
    for layer, four in enumerate(single[2]):
        below = ops.dropout(below, 0.5) if layer else below
        below, h = ops.gru(below, states[layer : layer + 1], [tuple(four)])
        last.append(h.array)
    below.backward(np.ones(y.shape))
    np.testing.assert_array_equal(y.array, below.array)
    np.testing.assert_array_equal(h_n.array, np.concatenate(last))
    for a, b in zip(flat(*ours), flat(*single), strict=True):
        np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-12, atol=1e-14)
    quiet, _ = run("GRU", x, first, weights, dropout=0.5, training=False)
    np.testing.assert_array_equal(quiet, run("GRU", x, first, weights)[0])


@MODES
def test_plain_arrays_give_the_same_gradients_whole_or_in_parts(mode):
    options = {"layers": 2, "bidirectional": True, "lengths": LENGTHS}
    x, first, weights = make(mode, **options)
    ours = tensors(x, first, weights)
    recorded = run(mode, *ours, **options)
    backward(recorded)
    hx = tuple(first) if mode == "LSTM" else first[0]
    y, states, reserve = ops.recurrent_forward(mode, x, hx, weights, bidirectional=True, lengths=LENGTHS)
    for a, b in zip([y, *(states if mode == "LSTM" else [states])], recorded, strict=True):
        np.testing.assert_array_equal(a, b.array)
    assert repr(reserve) == f"RecurrentReserve({mode}, y {y.shape})"  # not the arrays in it
    gys = pulled(recorded)
    whole = ops.recurrent_backward(reserve, *gys)
    data, parameters = (ops.recurrent_backward(reserve, *gys, needs=n) for n in (("x", "hx"), ("weights",)))
    assert data.weights is None and parameters.x is None and parameters.h0 is None
    for found in (whole, data._replace(weights=parameters.weights)):
        gradients = [found.x, found.h0, *([found.c0] if mode == "LSTM" else []), *[g for w in found.weights for g in w]]
        for a, b in zip(gradients, flat(*ours), strict=True):
            np.testing.assert_array_equal(a, b.gradient)


def test_only_what_is_asked_for_is_computed(monkeypatch):
    """Of a frozen lower layer nothing goes back through time; gradients that did not come are 0."""
    x, first, weights = make("LSTM", layers=3)
    upper = [Tensor(w, requires_grad=True) for w in weights[2]]
    h_n = run("LSTM", x, first, [*weights[:2], upper])[1]
    from gpunn.cpu import recurrent

    calls = []
    original = recurrent.backward
    monkeypatch.setattr(recurrent, "backward", lambda *a: calls.append(a) or original(*a))
    ops.sum(h_n).backward()
    assert len(calls) == 1 and calls[0][-1] == (False, False, True, True, True, True, False)
    whole = [[Tensor(w, requires_grad=True) for w in four] for four in weights]
    ops.sum(run("LSTM", x, first, whole)[1]).backward()
    for a, b in zip(upper, whole[2], strict=True):
        np.testing.assert_array_equal(a.gradient, b.gradient)


def test_without_a_gradient_nothing_is_kept_and_the_numbers_are_the_same():
    for mode, steps in itertools.product(GATES, (3, 4)):  # of odd and of even length, both ways
        options = {"L": steps, "layers": 2, "bidirectional": True, "lengths": [2, steps, 1]}
        arrays = make(mode, **options)
        kept, quiet = run(mode, *tensors(*arrays), **options), run(mode, *arrays, **options)
        with no_grad():
            unrecorded = run(mode, *tensors(*arrays), **options)
        for a, b, c in zip(kept, quiet, unrecorded, strict=True):
            np.testing.assert_array_equal(a.array, b)
            np.testing.assert_array_equal(a.array, c.array)
            assert not c.requires_grad
    x, first, weights = tensors(*make("LSTM", L=64, N=8, H=16))
    y = run("LSTM", x, first, weights)[0]
    (joint,) = y._node.edges
    numbers = sum({id(a): a.size for a in arrays_kept(joint) if a.ndim == 4 or len(a) >= 64}.values())
    assert 64 * 8 * 6 * 16 <= numbers <= 64 * 8 * (5 + 6 * 16) + 2 * 8 * 16 + x.size  # x, activations, states and cells


def test_results_have_memory_of_their_own():
    for mode in GATES:
        results = run(mode, *make(mode))
        assert not any(np.shares_memory(a, b) for i, a in enumerate(results) for b in results[:i])


# ---------------------------------------------------------------- sizes, strides, types
@MODES
def test_no_samples(mode, place):
    arrays = tensors(*make(mode, N=0, bidirectional=True), np.float32, place)
    got = run(mode, *arrays, bidirectional=True)
    assert got[0].shape == (4, 0, 4) and got[1].shape == (2, 0, 2)
    backward(got)
    assert arrays[0].gradient.shape == (4, 0, 5)
    assert not gpunn.to_numpy(arrays[2][0][1].gradient).any()


@MODES
def test_odd_strides(mode, place):
    arrays = [gpunn.to_device(a.astype(np.float32), place) for a in flat(*make(mode))]
    count = 1 + (mode == "LSTM")

    def call(arrays):
        return run(mode, arrays[0], arrays[1 : 1 + count], [arrays[1 + count :]])

    xp = gpunn.backend.array_module(arrays[0])
    strewn = []
    for a in arrays:
        wide = xp.zeros_like(a, shape=tuple(2 * n + 1 for n in a.shape[::-1])).transpose()
        wide[tuple(slice(1, None, 2) for _ in a.shape)] = a
        strewn.append(wide[tuple(slice(1, None, 2) for _ in a.shape)])
    for a, b in zip(call(arrays), call(strewn), strict=True):
        np.testing.assert_allclose(gpunn.to_numpy(a), gpunn.to_numpy(b), rtol=1e-6, atol=1e-6)


@MODES
def test_infinities_and_nan_travel_on_in_silence(mode):
    x, first, weights = make(mode)
    x[1, 0, 0], x[2, 1, 1] = np.nan, np.inf
    ours = tensors(x, first, weights)
    got = run(mode, *ours)
    backward(got)
    assert np.isnan(got[0].array[1:, 0]).all() and np.isfinite(got[0].array[:, 2]).all()
    assert np.isfinite(ours[0].gradient[:, 2]).all()


@pytest.mark.parametrize("dtype", one_in(2, ["float16", "bfloat16"]))
@pytest.mark.parametrize("mode", one_in(3, GATES))
def test_16_bits_are_added_in_float32_and_cells_stay_so(mode, dtype, place):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kind = np.dtype(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    options = {"layers": 2, "bidirectional": True, "H": 8, "lengths": LENGTHS}
    arrays = make(mode, **options)
    rounded = [a.astype(kind).astype(np.float64) for a in flat(*arrays)]
    count = 1 + (mode == "LSTM")

    def call(arrays):
        w = arrays[1 + count :]
        return run(mode, arrays[0], arrays[1 : 1 + count], [w[k : k + 4] for k in range(0, 16, 4)], **options)

    exact = [Tensor(a, requires_grad=True) for a in rounded]
    wanted = call(exact)
    backward(wanted)
    with gpunn.precision("fp16" if dtype == "float16" else "bf16"):
        narrow = [Tensor(gpunn.to_device(a.astype(kind), place), requires_grad=True) for a in rounded]
        got = call(narrow)
        backward(got)
    assert [r.dtype for r in got] == [kind, kind, np.float32][: len(got)]
    eps = 2.0**-10 if dtype == "float16" else 2.0**-7
    pairs = [(a.array, b.array) for a, b in zip(got, wanted, strict=True)]
    pairs += [(a.gradient, b.gradient) for a, b in zip(narrow, exact, strict=True)]
    for mine, other in pairs:
        error = np.abs(gpunn.to_numpy(mine).astype(np.float64) - other).max()
        assert error <= 8 * eps * np.abs(other).max()


def test_under_a_precision_float32_weights_get_float32_gradients():
    pytest.importorskip("ml_dtypes")
    x, first, weights = tensors(*make("LSTM"), np.float32)
    with gpunn.precision("bf16"):
        y, _, c_n = run("LSTM", x, first, weights)
        again = ops.lstm(x, (first[0], c_n), [tuple(weights[0])])[0]  # a chain: the cell goes on unrounded
    assert y.dtype.name == again.dtype.name == "bfloat16" and c_n.dtype == np.float32
    ops.sum(again).backward()
    assert {a.gradient.dtype.name for a in flat(x, first, weights)} == {"float32"}


@pytest.mark.parametrize("cut", [{"_UNITS": 1 << 12}, {"_PRODUCT": 1 << 16}], ids=["samples", "products"])
@MODES
def test_a_batch_shared_out_among_threads_is_the_same_to_the_bit(mode, cut, monkeypatch):
    for name, value in cut.items():
        monkeypatch.setattr(recurrent_loops, name, value)
    x, first, weights = make(mode, L=2, N=300, I=3, H=48)
    found = []
    for threads in (1, 3):
        with threads_set(threads):
            ours = tensors(x, first, weights)
            got = run(mode, *ours, lengths=[1, 2, 2] * 100)
            backward(got)
            found.append([*(r.array for r in got), *(a.gradient for a in flat(*ours))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    part = run(mode, x[:, 100:200], [s[:, 100:200] for s in first], weights, lengths=([1, 2, 2] * 100)[100:200])
    np.testing.assert_allclose(found[0][0][:, 100:200], part[0], rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- devices
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@MODES
def test_kernels_and_numpy_agree(mode, lengths, place):
    options = {"layers": 2, "bidirectional": True, "H": 4, "lengths": lengths}
    arrays = make(mode, **options)
    found = []
    for device in ("cpu", place):
        ours = tensors(*arrays, np.float32, device)
        got = run(mode, *ours, **options)
        backward(got)
        found.append([gpunn.to_numpy(a) for a in (*(r.array for r in got), *(a.gradient for a in flat(*ours)))])
    for a, b in zip(*found, strict=True):
        assert_close(b, a.astype(np.float64), 100)


@MODES
def test_all_steps_are_one_launch_or_each_is_a_product_and_one_and_the_host_waits_for_nothing(mode, look_alike):
    x, first, weights = tensors(*make(mode, H=4), np.float32, "cuda")
    lengths = gpunn.to_device(np.array(LENGTHS), "cuda")
    backward(run(mode, x, first, weights, lengths=lengths))  # plans, and memory

    def launches(steps):
        with counting.device_work() as work:
            got = run(mode, x[:steps], first, weights, lengths=lengths)
            got[0].backward(got[0].array)
        assert not work.reads and not work.copies, str(work)
        return sum(work.launches.values())

    assert launches(3) == launches(2), "all steps: a launch forward, one back"
    with use_variant("recurrent.layer_forward", "steps"), use_variant("recurrent.layer_backward", "steps"):
        launches(3)
        assert launches(3) - launches(2) == 4, "a step: two launches forward, two back"


def test_lengths_of_the_device_are_the_hosts(place):
    x, first, weights = make("GRU", bidirectional=True)
    arrays = [gpunn.to_device(a.astype(np.float32), place) for a in flat(x, first, weights)]
    fours = [tuple(arrays[2:6]), tuple(arrays[6:])]
    there = gpunn.to_device(np.array(LENGTHS, np.int64), place)
    for lengths in (LENGTHS, np.array(LENGTHS, np.uint8), there):
        y, h_n = ops.gru(arrays[0], arrays[1], fours, bidirectional=True, lengths=lengths)
        if lengths is LENGTHS:
            wanted = y, h_n
        for a, b in zip((y, h_n), wanted, strict=True):
            np.testing.assert_array_equal(gpunn.to_numpy(a), gpunn.to_numpy(b))


@MODES
def test_results_go_into_out(mode, place):
    x, first, weights = make(mode)
    arrays = [gpunn.to_device(a, place) for a in flat(x, first, weights)]
    states, four = arrays[1 : 1 + len(first)], tuple(arrays[1 + len(first) :])
    hx, op = (tuple(states) if mode == "LSTM" else states[0]), {"LSTM": ops.lstm, "GRU": ops.gru}.get(mode, ops.rnn)
    y, last = op(arrays[0], hx, [four])
    xp = gpunn.backend.array_module(y)
    empty = xp.zeros_like
    outs = empty(y), tuple(map(empty, last)) if mode == "LSTM" else empty(last)
    assert op(arrays[0], hx, [four], out=outs) is outs
    for a, b in zip((outs[0], *([outs[1]] if mode != "LSTM" else outs[1])), (y, *([last] if mode != "LSTM" else last)),
                    strict=True):  # fmt: skip
        np.testing.assert_array_equal(gpunn.to_numpy(a), gpunn.to_numpy(b))
    with pytest.raises(ValueError, match="out shares memory with weights"):
        op(arrays[0], hx, [four], out=(four[1], outs[1]))
