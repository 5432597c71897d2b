"""Loops among ranks as a user of PyTorch writes them, beside one process that has all the ranks' batches."""

import copy
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import dist, nn, ops, optim
from tests.dist.together import together

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(48, 6)), RNG.integers(0, 4, 48)
OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, 0.1, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda params: optim.Adam(params, 0.01),
}


def made(*between):
    gpunn.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), *between, nn.Tanh(), nn.Linear(8, 4)).to(dtype=np.float64)


PLAIN, NORMED = made(), made(nn.BatchNorm1d(8))  # made once: ranks are threads, and share a generator


def network(normed=False):
    return copy.deepcopy(NORMED if normed else PLAIN)


def learn(model, optimizer, batch):
    optimizer.zero_grad()
    ops.cross_entropy(model(batch[0]), batch[1]).backward()
    optimizer.step()


def state(model, optimizer=None):
    found = {name: np.array(a.array if hasattr(a, "array") else a) for name, a in model.state_dict().items()}
    for i, kept in (optimizer.state_dict()["state"] if optimizer else {}).items():
        found |= {f"{i}.{name}": np.array(a.array if hasattr(a, "array") else a) for name, a in kept.items()}
    return found


def close(found, want, atol=1e-12):
    assert list(found) == list(want)
    for name in want:
        np.testing.assert_allclose(found[name], want[name], rtol=0, atol=atol, err_msg=name)


def batches(counts, size=3):
    """counts[r] batches for rank r."""
    ends = np.cumsum(counts)
    return [
        [(X[i * size : (i + 1) * size], Y[i * size : (i + 1) * size]) for i in range(end - count, end)]
        for end, count in zip(ends, counts, strict=True)
    ]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("counts", [(3, 1, 4), (0, 2), (2, 0), (2, 2), (0, 0)], ids=str)
def test_join_goes_on_with_those_that_have_batches(counts, name):
    """Step i is of all the samples of the ranks that have a batch i."""
    mine = batches(counts)

    def run(group):
        model = dist.DataParallel(network())
        optimizer = OPTIMIZERS[name](model.parameters())
        with model.join(optimizer):
            for batch in mine[group.rank]:
                learn(model, optimizer, batch)
        return state(model.module, optimizer)

    found = together(len(counts), run)
    model = network()
    optimizer = OPTIMIZERS[name](model.parameters())
    for i in range(max(counts)):
        parts = [some[i] for some in mine if len(some) > i]
        learn(model, optimizer, [np.concatenate(arrays) for arrays in zip(*parts, strict=True)])
    for one in found:
        close(one, state(model, optimizer))


def test_join_twice_and_a_step_of_all_between():
    mine = batches((2, 1))

    def run(group):
        model = dist.DataParallel(network())
        optimizer = OPTIMIZERS["SGD"](model.parameters())
        for _ in range(2):
            with model.join(optimizer):
                for batch in mine[group.rank]:
                    learn(model, optimizer, batch)
            learn(model, optimizer, mine[group.rank][0])
        return state(model.module)

    first, second = together(2, run)
    model = network()
    optimizer = OPTIMIZERS["SGD"](model.parameters())
    both = [np.concatenate(arrays) for arrays in zip(mine[0][0], mine[1][0], strict=True)]
    for batch in (both, mine[0][1], both) * 2:
        learn(model, optimizer, batch)
    close(first, state(model))
    close(second, first, 0)


def test_join_that_throws_tells_all():
    mine = batches((2, 1))

    def run(group):
        model = dist.DataParallel(network())
        optimizer = OPTIMIZERS["SGD"](model.parameters())
        with pytest.raises(dist.DistError) as error, model.join(optimizer, throw_on_early_termination=True):
            for batch in mine[group.rank]:
                learn(model, optimizer, batch)
        return str(error.value)

    assert all("rank 1" in words for words in together(2, run))


def test_parameters_and_buffers_begin_as_rank_0s_in_the_same_memory():
    def run(group):
        net = network(True)
        for a in [*net.parameters(), *net.buffers()]:
            a.array[...] += group.rank
        before = [p.array for p in net.parameters()]
        model = dist.DataParallel(net)
        assert all(p.array is a for p, a in zip(net.parameters(), before, strict=True))
        return state(model.module)

    first, *others = together(3, run)
    for other in others:
        close(other, first, 0)


@pytest.mark.parametrize("shared", [True, False])
def test_buffers_are_rank_0s_before_each_forward(shared):
    parts = batches((2, 2), 4)

    def run(group):
        model = dist.DataParallel(network(True), broadcast_buffers=shared)
        for x, _ in parts[group.rank]:
            model(x).sum().backward()
        return state(model.module)

    zero, one = together(2, run)
    alone = [network(True) for _ in range(2)]
    for step in range(2):
        if shared:
            alone[1].load_state_dict(alone[0].state_dict())
        for rank in range(2):
            alone[rank](parts[rank][step][0])
    close(zero, state(alone[0]))
    close(one, state(alone[1]))


def test_keys_of_states_go_both_ways():
    net, other = network(True), network(True)
    for p in other.parameters():
        p.array[...] = 0
    model = dist.DataParallel(net)
    wrapped = model.state_dict()
    assert list(wrapped) == [f"module.{name}" for name in net.state_dict()]
    assert [name for name, _ in model.named_parameters()] == [f"module.{name}" for name, _ in net.named_parameters()]
    dist.DataParallel(other).load_state_dict(net.state_dict())
    close(state(other), state(net), 0)
    other[0].weight.array[...] = 0
    dist.DataParallel(other).load_state_dict(wrapped)
    close(state(other), state(net), 0)
    with pytest.raises(RuntimeError, match=r"module\.0\.weight"):
        net.load_state_dict(wrapped)
    bare = {name.removeprefix("module."): a for name, a in wrapped.items()}
    assert not any(net.load_state_dict(bare))
    wrapped["module.9.weight"] = wrapped.pop("module.0.weight")
    with pytest.raises(RuntimeError, match=r"0\.weight"):
        model.load_state_dict(wrapped)
    found = model.load_state_dict(wrapped, strict=False)
    assert list(found.missing_keys) == ["module.0.weight"] and list(found.unexpected_keys) == ["module.9.weight"]


def test_it_is_a_module():
    model = dist.DistributedDataParallel(network(True))
    assert model.train() is model and model.module.training
    assert model.eval() is model and not model.module[1].training
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in model.module.parameters())
    model.requires_grad_(True).zero_grad()
    assert isinstance(model, nn.Module) and "Linear(6->8" in repr(model)
    close(state(pickle.loads(pickle.dumps(model)).module), state(model.module), 0)
    close(state(copy.deepcopy(model).module), state(model.module), 0)


def test_weights_replace_the_number_of_samples():
    """As a loss that ignores labels needs it: a rank weighs as what counted there."""
    labels = Y[:12].copy()
    labels[[0, 1, 2, 7]] = -100

    def run(group):
        model = dist.DataParallel(network())
        part = slice(6 * group.rank, 6 * group.rank + 6)
        counted = (labels[part] != -100).sum()
        ops.cross_entropy(model(X[part], weight=counted), labels[part]).backward()
        return [p.grad.array for p in model.parameters()]

    model = network()
    ops.cross_entropy(model(X[:12]), labels).backward()
    for found in together(2, run):
        for g, p in zip(found, model.parameters(), strict=True):
            np.testing.assert_allclose(g, p.grad.array, rtol=0, atol=1e-12)


def test_hooks_clipping_and_vectors_see_the_average():
    def run(group):
        model = dist.DataParallel(network())
        ops.cross_entropy(model(X[group.rank :: 2]), Y[group.rank :: 2]).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        return float(norm), [p.grad.array for p in model.parameters()]

    model = network()
    ops.cross_entropy(model(X), Y).backward()
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), 1e-3))
    for found, gs in together(2, run):
        assert found == pytest.approx(norm, rel=1e-12)
        for g, p in zip(gs, model.parameters(), strict=True):
            np.testing.assert_allclose(g, p.grad.array, rtol=0, atol=1e-14)
