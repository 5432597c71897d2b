"""Reducer: sums of gradients over ranks that are threads, and in captured steps."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops, optim
from gpunn.dist.reducer import Reducer
from gpunn.errors import DistError
from gpunn.optim.accumulate import Accumulation
from gpunn.ranks.group import Alone, Group, Work
from tests.dist.together import together

SMALL = 100  # bytes: several buckets


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 20), nn.Tanh(), nn.Linear(20, 5)
    )


def parts(ranks, steps=3):
    """Each step's parts, of unequal sizes, of the last rank none in the second step."""
    rng = np.random.default_rng(0)
    sizes = [[4 + rank - (rank == 1) * step for rank in range(ranks)] for step in range(steps)]
    sizes[1][-1] = 0
    return [[(rng.standard_normal((n, 1, 14, 14)).astype(np.float32), rng.integers(0, 5, n)) for n in some]
            for some in sizes]  # fmt: skip


def learn(model, accumulation, steps, weigh=len):
    """Weights after steps, each of a list of this process's parts."""
    optimizer = optim.SGD(model.parameters(), 0.1, 0.9)
    for some in steps:
        for i, (x, y) in enumerate(some):
            optimizer.zero_grad()
            with accumulation.collecting(optimizer.parameters(), weigh(x) or None, i + 1 == len(some)):
                if len(x):
                    ops.cross_entropy(model(x), y).backward()
        assert accumulation.release(optimizer.parameters())
        optimizer.step()
    return [p.array.tobytes() for p in model.parameters()]


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("weigh", [len, lambda x: np.array(0.3 * len(x), np.float32)], ids=["counts", "weights"])
def test_ranks_have_the_bits_of_one_process_that_accumulates_their_parts(ranks, weigh):
    model, steps = network(), parts(ranks)
    if weigh is not len:
        steps = [steps[0], steps[2]]
    want = learn(copy.deepcopy(model), Accumulation(ranks), steps, weigh)

    def run(group):
        reducer = Reducer(1, group, SMALL)
        found = learn(copy.deepcopy(model), reducer, [[some[group.rank]] for some in steps], weigh)
        assert len(reducer.buckets) > 2
        return found

    assert together(ranks, run) == [want] * ranks


def test_batches_add_up_on_each_rank_and_nothing_travels_before_the_last():
    model, steps = network(), parts(4)

    def run(group):
        group.log.clear()
        mine = [some[2 * group.rank : 2 * group.rank + 2] for some in steps]
        reducer = Reducer(2, group, SMALL)
        found = learn(copy.deepcopy(model), reducer, mine)
        assert len(group.log) == len(steps) * (len(reducer.buckets) + 1)
        return [np.frombuffer(a, np.float32) for a in found]

    want = learn(copy.deepcopy(model), Accumulation(4), steps)
    first, second = together(2, run)
    for a, b, one in zip(first, second, want, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, np.frombuffer(one, np.float32), rtol=2e-5, atol=2e-6)


def test_the_first_bucket_is_under_way_before_backward_has_come_to_the_first_layer():
    model = network()

    def run(group):
        own, seen = copy.deepcopy(model), []
        reducer, params = Reducer(1, group, SMALL), list(own.parameters())
        (x, y) = parts(2)[0][group.rank]
        y_first = own[0](x)
        y_first.register_hook(lambda gradient: seen.append(len(group.log)))
        rest = nn.Sequential(*list(own)[1:])
        with reducer.collecting(params, len(x), True):
            ops.cross_entropy(rest(y_first), y).backward()
            seen.append(len(group.log))
        reducer.release(params)
        return seen, len(reducer.buckets)

    for (before, after), buckets in together(2, run):
        assert 1 <= before < buckets and after == buckets


class Branches(nn.Module):
    """Each rank has a layer of its own, all share one, and one is nobody's."""

    def __init__(self):
        super().__init__()
        self.shared, self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        self.nobodys = nn.Linear(2, 2)

    def forward(self, x, rank):
        return (self.second if rank else self.first)(self.shared(x))


def test_what_a_rank_leaves_out_counts_as_zeros_and_what_all_do_has_no_gradient():
    gpunn.manual_seed(1)
    model, x = Branches(), np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
    one, params = Accumulation(2), list(model.parameters())
    for rank in range(2):
        model.zero_grad()
        with one.collecting(params, 5, rank == 1):
            model(x[rank], rank).sum().backward()
    one.release(params)
    want = [p.gradient for p in params]
    assert [g is None for g in want] == [False] * 6 + [True] * 2

    def run(group):
        own = copy.deepcopy(model)
        reducer, params = Reducer(1, group), list(own.parameters())
        for _ in range(2):
            own.zero_grad()
            with reducer.collecting(params, 5, True):
                own(x[group.rank], group.rank).sum().backward()
            assert reducer.release(params)
        return [p.gradient for p in params]

    for got in together(2, run):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_rank_of_whose_labels_none_counts_takes_part_and_of_all_nothing_comes():
    def run(group):
        w = Tensor(np.zeros(2, np.float32), requires_grad=True)
        reducer, found = Reducer(1, group), []
        for weights in ((4, None), (None, None), (0, 3)):
            weight = weights[group.rank]
            w.gradient = None
            with reducer.collecting([w], weight, True):
                if weight is not None:
                    (w * (np.nan if weight == 0 else 2.0 + group.rank)).sum().backward()
            found.append((reducer.release([w]), None if w.gradient is None else w.gradient.tolist()))
        return found

    for found in together(2, run):
        assert found == [(True, [2, 2]), (False, None), (True, [3, 3])]


def test_parameters_that_stop_to_learn_leave_the_buckets_and_sums_of_a_saved_state_enter_them():
    def run(group):
        v, w = (Tensor(np.zeros(n, np.float32), requires_grad=True) for n in (2, 3))
        first, second = Reducer(2, group), Reducer(2, group)
        with first.collecting([v, w], 2, False):
            (v.sum() + w.sum() * 2).backward()
        assert group.log == []
        second.load_state_dict(first.state_dict(), [v, w])
        v.gradient = w.gradient = None
        with second.collecting([v, w], 2, True):
            (v.sum() * 3).backward()
        assert second.release([v, w])
        found = [v.gradient.tolist(), w.gradient.tolist()]
        v.requires_grad, v.gradient, w.gradient = False, None, None
        with second.collecting([v, w], 1, True):
            w.sum().backward()
        assert second.release([v, w]) and second.buckets[0].members == [1] and v.gradient is None
        return [*found, w.gradient.tolist()]

    assert together(2, run) == [[[2, 2], [1, 1, 1], [1, 1, 1]]] * 2


@pytest.mark.parametrize("ranks", [1, 3])
def test_sums_of_two_ranks_go_on_on_any_number(ranks):
    """What two ranks had saved between two batches, of which rank 1's first did not count."""
    x = np.arange(1.0, 9.0, dtype=np.float32)

    def begin(group):
        v, w = (Tensor(np.zeros(n, np.float32), requires_grad=True) for n in (2, 3))
        reducer, found = Reducer(3, group), []
        for i in range(2):
            v.gradient = w.gradient = None
            weight = None if i == 0 and group.rank else 2 + group.rank
            with reducer.collecting([v, w], weight, False):
                if weight is not None:
                    (w * x[2 * i + group.rank]).sum().backward()
            found.append(reducer.state_dict())
        return found

    first, second = (found[-1] for found in together(2, begin))
    assert first["batches"] == 2 and first["samples"] == second["samples"] == 7 and first["sums"][0] is None
    total = 2 * x[0] + 2 * x[2] + 3 * x[3]
    assert first["sums"][1].tolist() == second["sums"][1].tolist() == [total] * 3

    def go_on(group):
        v, w = (Tensor(np.zeros(n, np.float32), requires_grad=True) for n in (2, 3))
        reducer = Reducer(3, group)
        reducer.load_state_dict(copy.deepcopy(first), [v, w])
        with reducer.collecting([v, w], 1, True):
            (w * x[4]).sum().backward()
        assert reducer.release([v, w]) and v.gradient is None
        return w.gradient.tolist()

    want = (total + ranks * x[4]) / np.float32(7 + ranks)
    np.testing.assert_allclose(together(ranks, go_on), np.full((ranks, 3), want), rtol=1e-6)


def test_gradients_that_were_not_zeroed_are_added_to_though_they_lie_in_the_buckets():
    def run(group):
        w, reducer = Tensor(np.zeros(2, np.float32), requires_grad=True), Reducer(1, group)
        for _ in range(3):
            with reducer.collecting([w], 2, True):
                (w * (1.0 + group.rank)).sum().backward()
            assert reducer.release([w])
        return w.gradient.tolist()

    assert together(2, run) == [[4.5, 4.5]] * 2


def test_of_one_rank_it_is_an_accumulation_that_leaves_gradients_where_they_are():
    w, reducer = Tensor(np.ones(2, np.float32), requires_grad=True), Reducer(1, Alone())
    with reducer.collecting([w], 3, True):
        (w * 2).sum().backward()
    before = w.gradient
    assert reducer.release([w]) and w.gradient is before and reducer.buckets == [] and w.gradient.tolist() == [2, 2]


def test_an_error_after_gradients_were_sent_is_not_passed_over():
    class Two(Group):
        def __init__(self):
            super().__init__(0, 2)

        def _all_reduce(self, a, op, ordered):
            return Work()

    w, reducer = Tensor(np.ones(2, np.float32), requires_grad=True), Reducer(1, Two())
    with pytest.raises(ValueError, match="the program's"), reducer.collecting([w], 1, True):
        w.sum().backward()
        raise ValueError("the program's")
    words = "an error ended the last step on this rank after gradients were sent"
    with pytest.raises(DistError, match=words), reducer.collecting([w], 1, True):
        pass
