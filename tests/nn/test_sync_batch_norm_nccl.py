"""SyncBatchNorm of two ranks with a GPU each, on the look-alike: its exchanges are nodes of captured steps."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops, optim
from gpunn.dist.reducer import Reducer
from gpunn.train import CapturedStep
from tests import counting
from tests.dist.nccl_ranks import on_gpus
from tests.train.captured_steps import same

STEPS, CUTS = 6, (0, 2, 6)


@pytest.fixture(autouse=True)
def _emulator(look_alike):
    if not gpunn.is_available("emulator"):
        pytest.skip("the look-alike runs kernels on the emulator, which is not available (gpunn doctor says why)")


def network():
    return nn.Sequential(nn.Conv2d(2, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))


def taught(model, group, cut, xp, capture):
    """Steps on one part of each batch: the losses, parameters and statistics, and what a captured step launches."""
    step = CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.1), capture=capture)
    step.accumulation = Reducer(1, group)
    rng, said = np.random.default_rng(1), []
    step._say_eager = said.append
    batches = [(rng.standard_normal((6, 2, 4, 4)).astype("f"), rng.integers(0, 3, 6)) for _ in range(STEPS)]
    losses = [float(step(xp.asarray(x[cut]), xp.asarray(y[cut]))) for x, y in batches]
    assert not said, "nothing is in the way of capturing"
    graphs = [kind.graph for kind in step._graphs._kinds.values() if kind.graph is not None] if capture else []
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    return losses, state, [node for graph in graphs for node in counting.graph_nodes(graph._graph)]


def test_captured_steps_are_eager_ones_bit_for_bit_and_learn_what_one_process_does(look_alike):
    first = network()
    whole = taught(copy.deepcopy(first), gpunn.ranks.group.Alone(), slice(None), np, False)[1]
    copies = [[copy.deepcopy(first) for _ in range(2)] for _ in range(2)]

    def run(group):
        cut = slice(*CUTS[group.rank : group.rank + 2])
        models = [nn.SyncBatchNorm.convert(model).to(f"cuda:{group.rank}") for model in copies[group.rank]]
        return [taught(model, group, cut, look_alike, capture) for model, capture in zip(models, (False, True))]  # noqa: B905

    found = on_gpus(2, run)
    for eager, captured in found:
        assert eager[0] == captured[0] and same(eager[1], captured[1])
        assert sum(node.startswith("nccl") for node in captured[2]) == 4, "statistics, sums, a bucket and weights"
        for name, value in whole.items():
            np.testing.assert_allclose(captured[1][name], value, atol=1e-5, err_msg=name)
    assert same(found[0][1][1], found[1][1][1]), "ranks stay alike"
