"""DataParallel: gradients averaged over ranks that are threads, in loops of a program's own."""

import copy

import numpy as np
import pytest

from gpunn import dist, nn, ops, optim
from gpunn.dist.alike import check_alike
from gpunn.errors import DistError
from gpunn.optim.accumulate import Accumulation
from gpunn.ranks.group import Group
from tests.dist.together import together


def plain(*between):
    return nn.Sequential(nn.Linear(4, 8), *between, nn.Tanh(), nn.Linear(8, 3))


def data(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 4)).astype(np.float32), rng.integers(0, 3, n)


def grads(model):
    return [None if p.gradient is None else p.gradient.copy() for p in model.parameters()]


def wrapped(model, **options):
    return dist.DataParallel(copy.deepcopy(model), bucket_cap_mb=1e-4, **options)


# ---------------------------------------------------------------- gradients
@pytest.mark.parametrize("as_view", [False, True])
def test_gradients_are_the_mean_over_all_samples_with_the_bits_of_one_process(as_view):
    base, (x, y), cuts = plain(), data(12), [(0, 5), (5, 12)]
    one, steps = copy.deepcopy(base), 3
    optimizer, parts = optim.SGD(one.parameters(), 0.1, 0.9), Accumulation(2)
    for _ in range(steps):
        for a, b in cuts:
            optimizer.zero_grad()
            with parts.collecting(optimizer.parameters(), b - a, b == 12):
                ops.cross_entropy(one(x[a:b]), y[a:b]).backward()
        parts.release(optimizer.parameters())
        optimizer.step()

    def run(group):
        model = wrapped(base, gradient_as_bucket_view=as_view)
        optimizer = optim.SGD(model.parameters(), 0.1, 0.9)
        a, b = cuts[group.rank]
        held = []
        for _ in range(steps):
            optimizer.zero_grad()
            ops.cross_entropy(model(x[a:b]), y[a:b]).backward()
            optimizer.step()
            held.append(next(model.parameters()).gradient)
        assert (held[0] is held[1]) == as_view
        return [p.array.tobytes() for p in model.parameters()]

    assert together(2, run) == [[p.array.tobytes() for p in one.parameters()]] * 2


def test_two_networks_weigh_by_their_own_batches():
    def run(group):
        first, second = dist.DataParallel(Twice()), dist.DataParallel(Twice())
        losses = [first(1, weight=1 + 2 * group.rank).sum(), second(1, weight=3 - 2 * group.rank).sum()]
        for loss in losses:
            (loss * (1.0 + group.rank)).backward()
        return first.module.w.gradient.tolist(), second.module.w.gradient.tolist()

    assert together(2, run) == [([1.75] * 2, [1.25] * 2)] * 2


def test_weights_of_a_batch_and_inputs_without_samples():
    def run(group):
        model = dist.DataParallel(Twice())
        loss = model(np.ones(3), weight=1 + 2 * group.rank).sum() * (1.0 + group.rank)
        loss.backward()
        first = model.module.w.gradient.tolist()
        model.zero_grad()
        (model(x=2.0).sum() * (1.0 + group.rank)).backward()
        second = model.module.w.gradient.tolist()
        model.zero_grad()
        (model(x={"a": [3, np.ones((1 + 2 * group.rank, 1))]}).sum() * (1.0 + group.rank)).backward()
        return first, second, model.module.w.gradient.tolist()

    assert together(2, run) == [([1.75] * 2, [1.5] * 2, [1.75] * 2)] * 2


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(np.ones(2))

    def forward(self, x):
        return self.w * 1.0


def test_layers_that_begin_or_stop_to_learn_are_noticed():
    base = plain()
    base[0].weight.requires_grad = False

    def run(group):
        model = wrapped(base)
        x, y = data(4, group.rank)
        ops.cross_entropy(model(x), y).backward()
        assert model.module[0].weight.gradient is None
        model.module[0].weight.requires_grad, model.module[2].bias.requires_grad = True, False
        model.zero_grad()
        ops.cross_entropy(model(x), y).backward()
        return grads(model)

    first, second = together(2, run)
    assert [g is None for g in first] == [False, False, False, True]
    for a, b in zip(first[:3], second[:3], strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_error_before_anything_was_sent_leaves_the_next_backward_whole():
    base = plain()

    def run(group):
        model = wrapped(base)
        x, y = data(4, group.rank)
        loss = ops.cross_entropy(model(x), y)
        handle = model.module[2].bias.register_post_accumulate_grad_hook(fail)
        with pytest.raises(ValueError, match="the program's"):
            loss.backward()
        handle.remove()
        model.zero_grad()
        ops.cross_entropy(model(x), y).backward()
        return grads(model)

    def fail(p):
        raise ValueError("the program's")

    first, second = together(2, run)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- unequal numbers of batches
@pytest.mark.parametrize("counts", [(3, 1), (0, 2), (2, 2)])
def test_join_takes_part_for_those_that_are_done_and_leaves_all_alike(counts):
    base = plain(nn.BatchNorm1d(8))

    def run(group):
        model = wrapped(base)
        optimizer = optim.Adam(model.parameters(), 0.1)
        with model.join(optimizer):
            for i in range(counts[group.rank]):
                x, y = data(4, 10 * group.rank + i)
                with model.no_sync():
                    ops.cross_entropy(model(x), y).backward()
                ops.cross_entropy(model(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
        arrays = [t.array for t in (*model.parameters(), *model.buffers())]
        state = [v.tolist() if hasattr(v, "tolist") else v for s in optimizer.state.values() for v in s.values()]
        x, y = data(4, 99)
        ops.cross_entropy(model(x), y).backward()
        optimizer.step()
        return [a.tobytes() for a in arrays], state, [p.array.tobytes() for p in model.parameters()]

    first, second = together(2, run)
    assert first == second and first[1]


def test_join_inside_join_is_refused_and_may_be_left_out():
    base = plain()

    def run(group):
        model = wrapped(base)
        with pytest.raises(DistError, match="inside another block of join"), model.join(), model.join():
            pass
        with model.join(enable=False):
            ops.cross_entropy(model(data(4)[0]), data(4)[1]).backward()

    together(2, run)


# ---------------------------------------------------------------- what is refused, and one rank
def test_another_seed_is_named():
    class Others(Group):
        def exchange(self, value):
            return [value, value, [value[0], "7"]]

    with pytest.raises(
        DistError, match=r"rank 2 has the seed 7, rank 0 0; call gpunn\.manual_seed with the same number"
    ):
        check_alike("DataParallel", plain(), Others(0, 3))


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(DistError, match="no parameter of the ReLU learns; call the module itself"):
        dist.DataParallel(nn.ReLU())
    with pytest.raises(DistError, match=r"device_ids is \[0\], but the network is on cpu; move it with model.to first"):
        dist.DataParallel(plain(), device_ids=[0])
    with pytest.raises(DistError, match="output_device is cuda:1, but the network is on cpu"):
        dist.DataParallel(plain(), output_device="cuda:1")
    with pytest.raises(ValueError, match="got dim=1, bucket_cap_mb=25; expected 0, and more than 0"):
        dist.DataParallel(plain(), dim=1)
    dist.DataParallel(plain(), ["cpu"], "cpu")

    def run(group):
        group.kind = "nccl"
        with pytest.raises(DistError, match="DataParallel: the network is on cpu, but the ranks talk by NCCL"):
            dist.DataParallel(plain())
        group.kind = "mpi"
        with pytest.raises(DistError, match="a rank's cannot be copied or pickled; copy its network"):
            copy.deepcopy(dist.DataParallel(plain(), init_sync=False))

    together(2, run)


def test_of_one_rank_it_is_the_network_itself():
    model = dist.DistributedDataParallel(plain())
    x, y = data(4)
    ops.cross_entropy(model(x, weight=3), y).backward()
    want = copy.deepcopy(model).module
    want.zero_grad()
    ops.cross_entropy(want(x), y).backward()
    for a, b in zip(grads(model), grads(want), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not model.module[0].weight._node.waiting  # nobody waits for it
    with model.no_sync(), model.join():
        model(x)


def test_the_hooks_do_not_keep_what_waits_alive():
    def run(group):
        model = dist.DataParallel(Twice())
        module = model.module
        del model
        group.log.clear()
        module(1).sum().backward()
        return group.log, module.w.gradient.tolist()

    assert together(2, run) == [([], [1, 1])] * 2
