"""Steps of several ranks as graphs, on the look-alike of CuPy: NCCL's calls are their nodes, bits are eager steps'."""

import numpy as np
import pytest

import gpunn
from gpunn import data, nn, optim, train
from tests import counting
from tests.dist.nccl_ranks import on_gpus
from tests.thinned import one_in


@pytest.fixture(autouse=True)
def _emulator(look_alike):
    if not gpunn.is_available("emulator"):
        pytest.skip("the look-alike runs kernels on the emulator, which is not available (gpunn doctor says why)")


def network(where):
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    rng = np.random.default_rng(0)
    for p in model.parameters():
        p.array = rng.normal(size=p.shape).astype(np.float32)
    return model.to(where)


def batch(rank, step, n=4):
    rng = np.random.default_rng((rank, step))
    return rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 3, n)


def stepped(group, capture, accumulate=1):
    """Weights after eight steps; whether some were captured; the nodes of a step's graph."""
    model = network(f"cuda:{group.rank}")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = train.CapturedStep(
        model, gpunn.ops.cross_entropy, optimizer, capture=capture, accumulate=accumulate, ranks=group, grad_clip=1.0
    )
    for i in range(8):
        step(*batch(group.rank, i))
    step.read()
    nodes = [counting.graph_nodes(kind.graph._graph) for kind in step.graphs._kinds.values() if kind.graph]
    return [gpunn.to_numpy(p.array) for p in model.parameters()], step.captured, nodes


@pytest.mark.parametrize("accumulate", one_in(2, [2, 1]))
def test_captured_steps_are_eager_steps_bit_for_bit(accumulate, look_alike):
    eager = on_gpus(2, stepped, False, accumulate)
    captured = on_gpus(2, stepped, None, accumulate)
    for (weights, _, _), (replayed, was, nodes) in zip(eager, captured, strict=True):
        assert was and any("ncclAllReduce" in node for one in nodes for node in one)
        for a, b, c in zip(weights, replayed, captured[0][0], strict=True):
            assert a.tobytes() == b.tobytes() == c.tobytes()


def fitted(group, capture):
    """A run whose last batch is smaller: rank 1's part of it is of another size, and steps are of two kinds."""
    model = network(f"cuda:{group.rank}")
    x, y = batch(0, 0, 43)
    loader = data.DataLoader(data.ArrayDataset(x, y), 8, shuffle=True, seed=0)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trainer = train.Trainer(model, optimizer, device=f"cuda:{group.rank}", capture=capture, ranks=group)
    trainer.fit(loader, data.DataLoader(data.ArrayDataset(x, y), 5), 4)
    rows = [(row["train_loss"], row["val_loss"], row["val_accuracy"]) for row in trainer.history]
    return [gpunn.to_numpy(p.array) for p in model.parameters()], rows, trainer.way()


def test_a_run_with_a_smaller_last_batch_captured_and_not(look_alike):
    eager, captured = on_gpus(2, fitted, False), on_gpus(2, fitted, None)
    for (weights, rows, _), (replayed, others, way) in zip(eager, captured, strict=True):
        assert rows == others == eager[0][1] and way == "captured"
        for a, b, c in zip(weights, replayed, captured[0][0], strict=True):
            assert a.tobytes() == b.tobytes() == c.tobytes()
