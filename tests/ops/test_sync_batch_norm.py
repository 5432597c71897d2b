"""ops.sync_batch_norm: what several ranks make of their parts is what one process makes of the whole batch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import gpunn
from gpunn import ops
from gpunn.errors import DistError
from gpunn.ranks.group import Group
from tests.dist.together import together
from tests.parity import normal

SHAPE, C = (11, 5, 4, 3), 5
# Where the batch is cut: one part is empty, or one value a channel where x has no plane; or all are alike but the last.
CUTS = {"empty": (0, 4, 4, 11), "one": (0, 10, 11), "even": (0, 4, 8, 11)}
devices = pytest.mark.parametrize("device", ["cpu", "emulator"])
pytestmark = pytest.mark.usefixtures("device_there")


def parts_of(cuts):
    return [slice(*pair) for pair in pairwise(cuts)]


def arrays(shape=SHAPE, dtype="float32"):
    """x, residual, gy of a whole batch; weight and bias."""
    found = normal(*shape) + 3, normal(*shape, seed=3), normal(*shape, seed=4), normal(C, seed=1), normal(C, seed=2)
    return [a.astype("float32").astype(dtype) for a in found]


def alone(x, mean, var, w, b, momentum, batches, residual, relu):
    if relu:
        return ops.batch_norm_relu(x, mean, var, w, b, True, momentum, 1e-5, residual, batches)
    y = ops.batch_norm(x, mean, var, w, b, True, momentum, 1e-5, batches)
    return y if residual is None else y + residual


def among(x, mean, var, w, b, momentum, batches, residual, relu):
    return ops.sync_batch_norm(x, mean, var, w, b, True, momentum, 1e-5, batches, residual=residual, relu=relu)


def run(function, whole, cut, device, residual=True, relu=True, momentum=0.1):
    """y, gradients and running statistics of a call on one part of the batch."""
    x, r, gy, w, b = (gpunn.tensor(a[cut] if a.ndim > 1 else a, device=device) for a in whole)
    for leaf in (x, r, w, b):
        leaf.requires_grad_()
    kind = np.float64 if whole[0].dtype == np.float64 else np.float32
    running = [gpunn.tensor(a, device=device) for a in (np.zeros(C, kind), np.ones(C, kind), np.array(2))]
    mean, var, batches = (t.array for t in running)
    y = function(x, mean, var, w, b, momentum, batches, r if residual else None, relu)
    y.backward(gy)
    return [None if t is None else t.numpy() for t in (y.detach(), x.grad, r.grad, w.grad, b.grad, *running)]


def ranks(whole, cuts, *how, **options):
    """What ranks find, as one process has it: samples in a row, gradients of parameters added, statistics of any."""
    cut = parts_of(cuts)
    found = together(len(cut), lambda group: run(among, whole, cut[group.rank], *how, **options))
    y, gx, gr, gw, gb, *running = zip(*found, strict=True)
    for each in running:
        assert all(np.array_equal(one, each[0]) for one in each), "statistics move alike on all ranks, to the bit"
    rows = [None if one[0] is None else np.concatenate(one) for one in (y, gx, gr)]
    return [*rows, sum(gw), sum(gb), *(each[0] for each in running)]


def bits(a):
    return None if a is None else (a.dtype, a.tobytes())


def assert_close(got, want, close):
    for name, mine, theirs in zip(("y", "gx", "gr", "gw", "gb", "mean", "var", "batches"), got, want, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine.dtype == theirs.dtype, name
            mine, theirs = mine.astype("d"), theirs.astype("d")
            np.testing.assert_allclose(mine, theirs, rtol=close, atol=close * 4, err_msg=name)


@devices
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("cuts", CUTS)
def test_ranks_make_what_one_process_makes_of_the_whole(device, cuts, residual, relu):
    how = {"residual": residual, "relu": relu, "momentum": None if cuts == "one" else 0.1}
    for shape in (SHAPE, (11, 5)) if device == "cpu" else (SHAPE,):
        whole = arrays(shape)
        assert_close(ranks(whole, CUTS[cuts], device, **how), run(alone, whole, slice(None), device, **how), 3e-6)


@devices
@pytest.mark.parametrize("dtype, close", [("float16", 4e-3), ("float64", 1e-13)])
def test_other_types(device, dtype, close):
    whole = arrays(dtype=dtype)
    assert_close(ranks(whole, CUTS["empty"], device), run(alone, whole, slice(None), device), close)


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 1, 2, 3)])
@devices
def test_memory_order_and_eight_channels(device, order):
    """Eight channels beside each other, of which a kernel keeps y's signs as bits; y lies as x does."""
    back = np.argsort(order)
    x, r, gy = (normal(6, 8, 3, 2, seed=i).astype("f").transpose(order).copy().transpose(back) for i in range(3))

    def rank(cut, function, **how):
        a, b, g = (gpunn.tensor(one[cut], device=device) for one in (x, r, gy))
        a.requires_grad_()
        y = function(a, None, None, training=True, residual=b, **how)
        y.backward(g)
        if device == "emulator":
            assert y.array.transpose(order).flags.c_contiguous and a.grad.array.transpose(order).flags.c_contiguous
        return y.numpy(), a.grad.numpy()

    want = rank(slice(None), ops.batch_norm_relu)
    cut = parts_of((0, 2, 6))
    found = together(2, lambda group: rank(cut[group.rank], ops.sync_batch_norm, relu=True))
    for mine, theirs in zip(map(np.concatenate, zip(*found, strict=True)), want, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-6)


@devices
def test_on_one_rank_it_is_batch_norm_to_the_bit(device):
    for how in ({"relu": False, "residual": False}, {"relu": True}, {"relu": False, "momentum": None}):
        want = run(alone, arrays(), slice(None), device, **how)
        for got in (run(among, arrays(), slice(None), device, **how), ranks(arrays(), (0, 11), device, **how)):
            assert list(map(bits, got)) == list(map(bits, want))


@devices
def test_gradients_weigh_as_the_ranks_losses_do(device):
    """Where gradients are averaged by samples, of unequal parts and of one whose labels all do not count (NaN)."""
    x, _, gy, w, b = arrays()
    counted = [4, 0, 5]
    parts = parts_of((0, 4, 6, 11))
    gy[4:6] = 0  # of the rank on which nothing counts

    def rank(group):
        cut = parts[group.rank]
        a = gpunn.tensor(x[cut], device=device, requires_grad=True)
        y = ops.sync_batch_norm(a, None, None, *(gpunn.tensor(p, device=device) for p in (w, b)), training=True)
        group.weight = counted[group.rank]
        if group.rank == 2:  # which the device alone may know
            group.weight = gpunn.tensor(np.float64(group.weight), device=device).array
        mine = gy[cut] * 9 / counted[group.rank] if counted[group.rank] else np.full_like(gy[cut], np.nan)
        y.backward(gpunn.tensor(mine, device=device))
        return a.grad.numpy() * counted[group.rank] / 9

    whole = gpunn.tensor(x, requires_grad=True)
    ops.batch_norm(whole, None, None, gpunn.tensor(w), gpunn.tensor(b), training=True).backward(gpunn.tensor(gy))
    for cut, got in zip(parts, together(3, rank), strict=True):
        if cut != parts[1]:
            np.testing.assert_allclose(got, whole.grad.numpy()[cut], atol=3e-6)


@pytest.mark.parametrize("size, middle", [(1.0, 1e4), (1e30, 0.0)])
@devices
def test_large_means_and_squares_that_overflow(device, size, middle):
    x = (normal(8, 3, 5) * size + middle).astype("f")
    parts = parts_of((0, 5, 8))

    def rank(group):
        part = gpunn.tensor(x[parts[group.rank]], device=device)
        return ops.sync_batch_norm(part, None, None, training=True).numpy()

    exact = x.astype("d")
    want = (exact - exact.mean((0, 2), keepdims=True)) / np.sqrt(exact.var((0, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(np.concatenate(together(2, rank)), want, atol=2e-6 + 2e-7 * middle)


def test_evaluation_and_what_needs_no_gradient_exchange_nothing():
    x, _, _, w, b = arrays()

    def rank(group):
        ops.sync_batch_norm(x, np.zeros(C, "f"), np.ones(C, "f"), w, b)
        before = len(group.log)
        t = gpunn.tensor(w, requires_grad=True)
        y = ops.sync_batch_norm(x, None, None, t, b, training=True)
        y.backward(np.ones(SHAPE, "f"))
        return before, group.log[before:], group.meets

    assert together(2, rank) == [(0, [("all_gather", 8 * (1 + 2 * C))], True)] * 2


def test_where_no_rank_has_samples_nothing_moves():
    def rank(group):
        mean, var, batches = np.full(C, 2.0, "f"), np.full(C, 3.0, "f"), np.array(7)
        t = gpunn.tensor(np.zeros((0, C, 2), "f"), requires_grad=True)
        y = ops.sync_batch_norm(t, mean, var, training=True, num_batches_tracked=batches)
        y.backward(np.zeros((0, C, 2), "f"))
        return y.shape, t.grad.shape, mean.tolist(), var.tolist(), int(batches)

    assert together(2, rank) == [((0, C, 2), (0, C, 2), [2.0] * C, [3.0] * C, 7)] * 2


def test_refusals():
    def one_value(group):
        mean = np.zeros(C, "f")
        with pytest.raises(ValueError, match=r"one of 2 ranks has one value per channel .*use a larger batch"):
            ops.sync_batch_norm(normal(1 - group.rank, C).astype("f"), mean, np.ones(C, "f"), training=True)
        with pytest.raises(TypeError, match="momentum is None, expected a number, or num_batches_tracked"):
            ops.sync_batch_norm(arrays()[0], mean, np.ones(C, "f"), training=True, momentum=None)
        with pytest.raises(ValueError, match=r"residual is \(2, 5\), expected \(11, 5, 4, 3\)"):
            ops.sync_batch_norm(arrays()[0], None, None, training=True, residual=np.zeros((2, C), "f"))
        with pytest.raises(ValueError, match=r"weight is \(4,\), expected \(5,\)"):
            ops.sync_batch_norm(arrays()[0], None, None, np.ones(4, "f"), training=True)
        return mean.tolist(), len(group.log)

    assert together(2, one_value) == [([0.0] * C, 1)] * 2
    group = Group(0, 2)
    group.kind = "nccl"
    with pytest.raises(
        DistError, match=r'x is on cpu, but the ranks talk by NCCL.*join the ranks with dist.init\("cpu"\)'
    ):
        ops.sync_batch_norm(arrays()[0], None, None, training=True, group=group)


def test_mpi_takes_no_memory_of_a_gpu(look_alike):
    group = Group(0, 2)
    group.kind = "mpi"
    x = gpunn.tensor(arrays()[0], device="cuda").array
    with pytest.raises(DistError, match=r'x is on cuda, but the ranks talk by MPI.*dist.init\("cuda"\)'):
        ops.sync_batch_norm(x, None, None, training=True, group=group)
