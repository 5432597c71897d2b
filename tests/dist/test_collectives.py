"""gpunn.dist's collectives: values on ranks that are threads, and what is refused."""

import numpy as np
import pytest

import gpunn
from gpunn import dist
from gpunn.ranks.group import Group
from tests.dist.together import together

RANKS = 3
READ_ONLY = np.broadcast_to(np.ones(1), 2)


def mine(group, shape=(4, 5), dtype=np.float32):
    return np.random.default_rng(group.rank).normal(size=shape).astype(dtype)


def all_of(shape=(4, 5), dtype=np.float32):
    return [np.random.default_rng(rank).normal(size=shape).astype(dtype) for rank in range(RANKS)]


@pytest.mark.parametrize("op", ["sum", "prod", "min", "max", "avg"])
def test_all_reduce_combines_in_rank_order(op):
    def run(group):
        a = mine(group)
        assert dist.all_reduce(a, op) is None
        return a

    a, b, c = all_of()
    want = {"sum": (a + b) + c, "prod": (a * b) * c, "min": np.minimum(np.minimum(a, b), c),
            "max": np.maximum(np.maximum(a, b), c), "avg": ((a + b) + c) / np.float32(3)}[op]  # fmt: skip
    for got in together(RANKS, run):
        np.testing.assert_array_equal(got, want)


def test_a_view_a_tensor_and_a_number_of_no_dimensions_are_changed_in_place():
    def run(group):
        whole, number = np.zeros((6, 4)), np.array(float(group.rank))
        view, tensor = whole[::2, 1:3], gpunn.Tensor(np.full(3, group.rank + 1.0))
        view[...] = group.rank
        dist.all_reduce(view)
        dist.all_reduce(number)
        work = dist.all_reduce(tensor, "max", async_op=True)
        work.wait()
        return whole, number, tensor.numpy()

    for whole, number, tensor in together(RANKS, run):
        assert (whole[::2, 1:3] == 3).all() and whole.sum() == 3 * 6
        assert number == 3 and (tensor == 3).all()


def test_broadcast_and_the_gathers():
    def run(group):
        a, rows, stacked, flat = mine(group), [np.zeros((4, 5), np.float32) for _ in range(RANKS)], *(
            np.zeros(shape, np.float32) for shape in ((RANKS, 4, 5), (RANKS * 4, 5)))  # fmt: skip
        dist.all_gather(rows, a)
        dist.all_gather_into_tensor(stacked, a)
        dist.all_gather_into_tensor(flat, a)
        out, tall = np.zeros(5, np.float32), np.zeros((4, 5), np.float32)
        dist.reduce_scatter(out, [one[0] for one in rows])
        dist.reduce_scatter_tensor(tall, flat)
        dist.broadcast(a, src=2)
        dist.barrier()
        return a, rows, stacked, flat, out, tall

    parts = all_of()
    for rank, (a, rows, stacked, flat, out, tall) in enumerate(together(RANKS, run)):
        np.testing.assert_array_equal(a, parts[2])
        for found in (np.stack(rows), stacked, flat.reshape(RANKS, 4, 5)):
            np.testing.assert_array_equal(found, np.stack(parts))
        np.testing.assert_array_equal(out, parts[rank][0] * 3)
        np.testing.assert_array_equal(tall, parts[rank] * 3)


def test_nothing_and_integers():
    def run(group):
        none, whole = np.zeros((0, 3)), np.arange(4)
        dist.all_reduce(none)
        dist.all_reduce(whole)
        return none.shape, whole

    for shape, whole in together(RANKS, run):
        assert shape == (0, 3) and whole.tolist() == [0, 3, 6, 9]


def test_a_leaf_that_was_read_is_marked_as_changed():
    w = gpunn.Tensor(np.ones(3), requires_grad=True)

    def run(group):
        y = (w * w).sum()
        dist.all_reduce(w)
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward()

    together(1, run)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: dist.all_reduce([1.0]), TypeError, "all_reduce: got a list, expected an array or a Tensor"),
        (lambda: dist.all_reduce(np.ones(2), "mean"), gpunn.UsageError, "op 'mean'"),
        (lambda: dist.all_reduce(np.ones(2, int), "avg"), TypeError, "op 'avg' of int64, expected floating point"),
        (lambda: dist.all_reduce(np.ones(2, bool)), TypeError, "op 'sum' of bool, expected numbers"),
        (lambda: dist.all_reduce(READ_ONLY), ValueError, "all_reduce: the array is read-only, expected one that takes"),
        (lambda: dist.all_gather([READ_ONLY], np.ones(2)), ValueError, "all_gather: the array is read-only"),
        (lambda: dist.broadcast(np.ones(2), 5), gpunn.DistError, "src is 5, expected a rank, 0 to 0"),
        (lambda: dist.all_gather([np.ones(2)] * 3, np.ones(2)), gpunn.DistError, "3 arrays, expected a list of 1"),
        (lambda: dist.all_gather([np.ones(3)], np.ones(2)), gpunn.DistError, r"tensor_list\[0\] is float64 \(3,\)"),
        (lambda: dist.reduce_scatter_tensor(np.ones(2), np.ones(3)), gpunn.DistError, "input is float64 \\(3,\\) on"),
    ],
)
def test_refusals(call, error, words):
    def run(group):
        with pytest.raises(error, match=words):
            call()

    together(1, run)


def test_the_group_of_all_ranks_may_be_named_where_pytorch_takes_it():
    def run(group):
        a, b = mine(group), np.zeros((RANKS, 4, 5), np.float32)
        assert dist.all_reduce(a, dist.ReduceOp.SUM, group) is None
        assert dist.broadcast(a, 0, group) is dist.all_gather_into_tensor(b, a, group) is None
        assert dist.barrier(group, device_ids=[0]) is None and dist.barrier(async_op=True).wait() is None
        for other in (True, Group(group.rank, RANKS)):
            with pytest.raises(gpunn.DistError, match=r"all_reduce: group is .*, expected None or what dist.init"):
                dist.all_reduce(a, "sum", other)
        return a, (dist.get_rank(group), dist.get_world_size(group)), group.rank

    a, b, c = all_of()
    for got, numbers, rank in together(RANKS, run):
        np.testing.assert_array_equal(got, (a + b) + c)
        assert numbers == (rank, RANKS)


def test_collectives_need_ranks():
    assert not dist.is_initialized() and (dist.get_rank(), dist.get_world_size()) == (0, 1)
    for call in (lambda: dist.all_reduce(np.ones(2)), dist.barrier):
        with pytest.raises(gpunn.DistError, match=r"no ranks were joined; call dist.init\(\) first"):
            call()


def test_debug_names_the_rank_that_differs(monkeypatch):
    monkeypatch.setenv("GPUNN_DIST_DEBUG", "1")

    def run(group):
        with pytest.raises(gpunn.DistError) as caught:
            dist.all_reduce(np.ones(3 + (group.rank == 1), np.float32))
        return str(caught.value)

    for words in together(RANKS, run):
        assert "collective number 1 differs: rank 1: all_reduce of float32 (4,) sum; the others: all_reduce of" in words
