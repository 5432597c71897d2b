"""An LSTM with projections against PyTorch's proj_size; and that what else an LSTM promises holds of it, too."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.reference.close import assert_close
from tests import counting
from tests.ops.test_recurrent import LENGTHS, backward, flat, make, of_torch, pulled, run, tensors, threads_set
from tests.parity import torch

CONFIGS = {
    "plain": {},
    "two layers, both ways": {"layers": 2, "bidirectional": True},
    "lengths, three layers, both ways, batch first": {
        "lengths": LENGTHS, "layers": 3, "bidirectional": True, "batch_first": True,
    },
    "no biases": {"bias": False, "bidirectional": True},
    "no first state": {"state": False},
    "without a batch": {"N": None, "layers": 2, "bidirectional": True},
    "one of each": {"L": 1, "N": 1, "I": 1, "H": 2, "P": 1},
}  # fmt: skip
ALL = {"layers": 2, "bidirectional": True, "lengths": LENGTHS, "H": 4, "P": 3}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("config", CONFIGS)
def test_values_and_gradients_are_pytorchs(config, dtype):
    options = {"H": 4, "P": 3, **CONFIGS[config]}
    arrays = make("LSTM", **options)
    want, theirs = of_torch("LSTM", *arrays, **options)
    torch().autograd.backward(want, [torch().tensor(g) for g in pulled(want)])
    ours = tensors(*arrays, dtype)
    got = run("LSTM", *ours, **options)
    backward(got)
    for a, b in zip(got, want, strict=True):
        assert_close(a.array, b.detach().numpy(), 1000)
    for a, b in zip(flat(*ours), theirs, strict=True):
        assert a.gradient.dtype == dtype
        assert_close(a.gradient, b.grad.numpy(), 1000)


def test_slopes_are_those_of_differences():
    x, first, weights = make("LSTM", **ALL)

    def op(x, h0, c0, *w):
        results = run("LSTM", x, (h0, c0), [w[k : k + 5] for k in range(0, 20, 5)], **ALL)
        return ops.concatenate([ops.reshape(r, (-1,)) for r in results])

    assert gpunn.gradcheck(op, flat(x, first, weights))


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_kernels_and_numpy_agree(lengths, place):
    options = {**ALL, "lengths": lengths}
    arrays, found = make("LSTM", **options), []
    for device in ("cpu", place):
        ours = tensors(*arrays, np.float32, device)
        got = run("LSTM", *ours, **options)
        backward(got)
        found.append([gpunn.to_numpy(a) for a in (*(r.array for r in got), *(a.gradient for a in flat(*ours)))])
    for a, b in zip(*found, strict=True):
        assert_close(b, a.astype(np.float64), 100)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(dtype, place):
    kind = np.dtype(np.float16 if dtype == "float16" else pytest.importorskip("ml_dtypes").bfloat16)
    x, first, weights = make("LSTM", **ALL)
    rounded = [a.astype(kind).astype(np.float64) for a in flat(x, first, weights)]

    def call(arrays):
        return run("LSTM", arrays[0], arrays[1:3], [arrays[k : k + 5] for k in range(3, 23, 5)], **ALL)

    exact = [Tensor(a, requires_grad=True) for a in rounded]
    wanted = call(exact)
    backward(wanted)
    narrow = [Tensor(gpunn.to_device(a.astype(kind), place), requires_grad=True) for a in rounded]
    got = call(narrow)
    backward(got)
    assert [r.dtype for r in got] == [kind, kind, np.float32]
    pairs = [(a.array, b.array) for a, b in zip(got, wanted, strict=True)]
    pairs += [(a.gradient, b.gradient) for a, b in zip(narrow, exact, strict=True)]
    eps = 2.0**-10 if dtype == "float16" else 2.0**-7
    for mine, other in pairs:
        error = np.abs(gpunn.to_numpy(mine).astype(np.float64) - other).max()
        assert error <= 8 * eps * np.abs(other).max()


def test_padding_is_not_read_and_a_sequence_that_is_over_keeps_its_state():
    x, first, weights = make("LSTM", **ALL)
    results = []
    for rest in (0.0, np.nan):
        for n, length in enumerate(LENGTHS):
            x[length:, n] = rest
        ours = tensors(x, first, weights)
        got = run("LSTM", *ours, **ALL)
        backward(got)
        results.append([*(r.array for r in got), *(a.gradient for a in flat(*ours))])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    y, h_n = results[0][:2]
    assert not y[2:, 0].any()
    np.testing.assert_array_equal(h_n[2, 0], y[1, 0, :3])  # the upper layer's last state forward


def test_plain_arrays_and_threads_give_the_same_bits():
    options = {"L": 2, "N": 300, "I": 3, "H": 64, "P": 20, "lengths": [1, 2, 2] * 100}
    x, first, weights = make("LSTM", **options)
    found = []
    for threads in (1, 3):
        with threads_set(threads):
            ours = tensors(x, first, weights)
            got = run("LSTM", *ours, **options)
            backward(got)
            found.append([*(r.array for r in got), *(a.gradient for a in flat(*ours))])
    y, states, reserve = ops.recurrent_forward("LSTM", x, tuple(first), weights, lengths=options["lengths"])
    gx, gh0, gc0, gweights = ops.recurrent_backward(reserve, *pulled(got))
    found.append([y, *states, gx, gh0, gc0, *gweights[0]])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_host_waits_for_nothing(look_alike):
    x, first, weights = tensors(*make("LSTM", H=4, P=3), np.float32, "cuda")
    lengths = gpunn.to_device(np.array(LENGTHS), "cuda")
    backward(run("LSTM", x, first, weights, lengths=lengths))  # plans, and memory
    with counting.device_work() as work:
        y = run("LSTM", x, first, weights, lengths=lengths)[0]
        y.backward(y.array)
    assert not work.reads and not work.copies, str(work)


def test_no_samples(place):
    arrays = tensors(*make("LSTM", N=0, H=4, P=3), np.float32, place)
    got = run("LSTM", *arrays)
    assert [r.shape for r in got] == [(4, 0, 3), (1, 0, 3), (1, 0, 4)]
    backward(got)
    assert arrays[0].gradient.shape == (4, 0, 5) and not gpunn.to_numpy(arrays[2][0][4].gradient).any()


def test_infinities_and_nan_travel_on_in_silence():
    x, first, weights = make("LSTM", H=4, P=3)
    x[1, 0, 0], x[2, 1, 1] = np.nan, np.inf
    ours = tensors(x, first, weights)
    got = run("LSTM", *ours)
    backward(got)
    assert np.isnan(got[0].array[1:, 0]).all() and np.isfinite(ours[0].gradient[:, 2]).all()
