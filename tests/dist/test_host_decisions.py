"""Optimisers and schedules whose host decides by a loss: ranks, whose losses are their own, decide alike."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import dist, nn, ops, optim
from tests.dist.together import together

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(12, 4)), RNG.integers(0, 3, 12)


def made():
    gpunn.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).to(dtype=np.float64)


BASE = made()


def searched(model, x, y, steps=3, **options):
    """The weights after some steps, and how often the loss was asked for."""
    optimizer, calls = optim.LBFGS(model.parameters(), max_iter=6, **options), []

    def closure():
        optimizer.zero_grad()
        loss = ops.cross_entropy(model(x), y) if len(y) else model(x).sum()
        loss.backward()
        calls.append(loss.item())
        return loss

    first = [float(optimizer.step(closure)) for _ in range(steps)]
    assert first[0] == calls[0], "what a step returns is the rank's own loss"
    return [p.array.copy() for p in model.parameters()], len(calls)


@pytest.mark.parametrize("cuts", [(0, 3, 12), (0, 12, 12)], ids=["unequal", "one empty"])
@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
def test_lbfgs_goes_by_the_mean_loss_as_one_process_with_the_whole_batch(line_search_fn, cuts):
    options = {"line_search_fn": line_search_fn, "lr": 0.3 if line_search_fn is None else 1}

    def run(group):
        part = slice(*cuts[group.rank : group.rank + 2])
        return searched(dist.DataParallel(copy.deepcopy(BASE)), X[part], Y[part], **options)

    (first, calls), (second, others) = together(2, run)
    want, alone = searched(copy.deepcopy(BASE), X, Y, **options)
    assert calls == others == alone
    for a, b, c in zip(first, second, want, strict=True):
        assert a.tobytes() == b.tobytes()
        np.testing.assert_allclose(a, c, rtol=0, atol=1e-8)


def test_a_network_of_one_rank_by_itself_searches_alone():
    """Ranks that are joined, and average nothing: each may search as long as it likes."""

    def run(group):
        before = len(group.log)
        searched(copy.deepcopy(BASE), X[group.rank :], Y[group.rank :], 1 + group.rank)
        return len(group.log) - before

    assert together(2, run) == [0, 0]


def test_a_plateau_of_other_metrics_is_refused_on_all_ranks():
    def run(group):
        model = dist.DataParallel(copy.deepcopy(BASE))
        schedule = optim.ReduceLROnPlateau(optim.SGD(model.parameters(), lr=0.1), patience=0)
        for same in (0.5, float("nan")):
            schedule.step(same)
        with pytest.raises(dist.DistError) as error:
            schedule.step(0.5 + group.rank)
        return schedule.last_epoch, str(error.value)

    found = together(2, run)
    assert found == [found[0]] * 2 and found[0][0] == 2
    assert found[0][1] == (
        "ReduceLROnPlateau: the metric is 1.5 on rank 1 and 0.5 on rank 0, expected one for all ranks, whose rates "
        'would differ; average it before: gpunn.dist.all_reduce(metric, "avg")'
    )
