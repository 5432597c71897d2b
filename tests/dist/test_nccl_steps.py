"""Training steps of two ranks with a GPU each, on the look-alike: captured, they hold NCCL's calls."""

import warnings

import numpy as np
import pytest

import gpunn
from gpunn import data, nn, ops, optim, train
from gpunn.dist.reducer import Reducer
from gpunn.train import CapturedStep
from tests import counting
from tests.dist.nccl_ranks import on_gpus
from tests.thinned import one_in
from tests.train.captured_steps import same

RANKS, STEPS = 2, 6


@pytest.fixture(autouse=True)
def _emulator(look_alike):
    if not gpunn.is_available("emulator"):
        pytest.skip("the look-alike runs kernels on the emulator, which is not available (gpunn doctor says why)")


def model_of(rank):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    for p in model.parameters():
        p.data = rng.standard_normal(p.shape).astype(np.float32)
    return model.to(f"cuda:{rank}")


def batches(rank, xp):
    """Rank 1 has fewer samples in the last."""
    rng = np.random.default_rng(1 + rank)
    for step in range(STEPS):
        n = 2 if rank and step == STEPS - 1 else 4
        yield xp.asarray(rng.standard_normal((n, 5)).astype(np.float32)), xp.asarray(rng.integers(0, 3, n))


def taught(group, xp, capture, ordered, change=lambda group, step: None):
    """The losses, the weights, the step, and the words of warnings."""
    model = model_of(group.rank)
    sgd = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    step = CapturedStep(model, ops.cross_entropy, sgd, capture=capture, ranks=group)
    step.accumulation = Reducer(1, group, bucket_bytes=64, ordered=ordered)  # several buckets
    said = []
    step._say_eager = said.append
    change(group, step)
    losses = [float(step(x, y)) for x, y in batches(group.rank, xp)]
    return losses, {k: v.get() for k, v in ((n, p.array) for n, p in model.named_parameters())}, step, said


@pytest.mark.parametrize("ordered", one_in(2, [True, False]))
def test_replayed_steps_are_eager_ones_bit_for_bit(ordered, look_alike):
    def run(group):
        eager, captured = taught(group, look_alike, False, ordered), taught(group, look_alike, True, ordered)
        (kind,) = [kind for kind in captured[2]._graphs._kinds.values() if kind.graph is not None]
        return eager, captured, counting.graph_nodes(kind.graph._graph)

    found = on_gpus(RANKS, run)
    for eager, captured, nodes in found:
        assert eager[0] == captured[0] and same(eager[1], captured[1]) and not captured[3]
        calls = len(captured[2].accumulation.buckets) + 1  # and what each rank counted
        assert sum(node.startswith("nccl") for node in nodes) == calls * (2 if ordered else 1) > 2
    assert same(found[0][1][1], found[1][1][1])  # the ranks' weights are one model's


def test_ranks_capture_together(look_alike):
    """One of them has less room at first: both capture again."""

    def change(group, step):
        place = step.graphs._where()
        reserve = place.reserve
        place.reserve = lambda size: reserve(max(512, size // 64 if group.rank else size))

    def run(group):
        return taught(group, look_alike, True, None, change)

    plain = on_gpus(RANKS, lambda group: taught(group, look_alike, False, None))
    for (losses, weights, step, said), (want, same_weights, *_) in zip(on_gpus(RANKS, run), plain, strict=True):
        assert step.captured and not said and losses == want and same(weights, same_weights)


def test_or_not_at_all(look_alike):
    """A hook on rank 0 alone, which nobody may replay."""

    def change(group, step):
        if group.rank == 0:
            step.model[0].register_forward_hook(lambda module, args, y: None)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = on_gpus(RANKS, lambda group: taught(group, look_alike, True, None, change))
    assert not any(step.captured for _, _, step, _ in found)
    assert "CapturedStep: a step cannot be captured with a hook of" in found[0][3][0]
    assert "CapturedStep: on rank 0 a step cannot be captured with a hook of" in found[1][3][0]


def test_a_trainers_ranks_capture_alike(look_alike, monkeypatch):
    """Epochs of 4, 4 and 3 samples, of which rank 1 has one at last and rank 0 two, as ever; nobody asks in between."""
    monkeypatch.setattr("gpunn.train.run.use_own_numbers", lambda *args: None)  # the threads' random stream is one
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((11, 5)).astype(np.float32), rng.integers(0, 3, 11)

    def run(group, capture="1"):
        monkeypatch.setenv("GPUNN_CAPTURE", capture)
        model = model_of(group.rank)
        trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.1), device=f"cuda:{group.rank}", ranks=group)
        loader = data.DataLoader(data.ArrayDataset(x, y), 4, device=f"cuda:{group.rank}")
        trainer.fit(loader, epochs=4)
        graphs = [kind.graph for kind in trainer._graphs._kinds.values() if kind.graph is not None]
        return {k: v.get() for k, v in ((n, p.array) for n, p in model.named_parameters())}, len(graphs)

    eager, captured = on_gpus(RANKS, run, "0"), on_gpus(RANKS, run)
    assert [count for _, count in captured] == [2, 2] and [count for _, count in eager] == [0, 0]
    assert all(same(eager[0][0], weights) for weights, _ in eager + captured)
