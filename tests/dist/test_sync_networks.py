"""Networks with SyncBatchNorm whose passes alternate, on unequal batches, beside one process with the whole batches."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import dist, nn
from tests.dist.networks import cut, gradients
from tests.dist.together import together

RNG = np.random.default_rng(11)
REAL, NOISE, OTHER = (RNG.normal(size=(8, 4)) for _ in range(3))
LENGTHS = {"real": (3, 5), "noise": (6, 2), "other": (1, 7)}  # of the ranks' parts


def made(width):
    gpunn.manual_seed(0)
    layers = nn.Linear(4, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Linear(width, 4), nn.BatchNorm1d(4), nn.Tanh()
    return nn.Sequential(*layers).to(dtype=np.float64)


FIRST, SECOND = made(5), made(6)
POINTS = {"real": REAL, "noise": NOISE, "other": OTHER}


class Means:
    """The mean of each part's values, of one rank that has its part, or of all ranks' parts in one process.

    A rank's loss weighs as the samples of the passes that it is of, in their mean, as DataParallel's gradients do.
    """

    def __init__(self, passes, rank=None):
        weights = np.mean([LENGTHS[name] for name in passes], 0)
        self.shares, self.rank = weights / weights.sum(), rank

    def of(self, y, name):
        values = ((y - 0.3) ** 2).mean(1)
        if self.rank is not None:
            return values.mean()
        ends = np.cumsum(LENGTHS[name])
        parts = [values[end - n : end].mean() for end, n in zip(ends, LENGTHS[name], strict=True)]
        return sum(part * share for part, share in zip(parts, self.shares, strict=True))


def both_passes(d, g, x, means):
    """A discriminator's step: what is real, and what the generator made, in one backward."""
    mean = means(["real", "noise"])
    (mean.of(d(x("real")), "real") + 2 * mean.of(d(g(x("noise")).detach()), "noise")).backward()


def through_both(d, g, x, means):
    """A generator's step, through both networks."""
    means(["noise"]).of(d(g(x("noise"))), "noise").backward()


def through_a_frozen_one(d, g, x, means):
    d.requires_grad_(False)
    through_both(d, g, x, means)
    d.requires_grad_(True)
    means(["real"]).of(d(x("real")), "real").backward()


def a_step_of_each(d, g, x, means):
    both_passes(d, g, x, means)
    for net in (d, g):
        net.zero_grad()
    through_both(d, g, x, means)


def forwards_before_backwards(d, g, x, means):
    first, second = d(x("real")), g(x("other"))
    means(["real"]).of(first, "real").backward()
    means(["other"]).of(second, "other").backward()


def cycle(d, g, x, means):
    """Each network twice, in turns: d(g(d(g(x))))."""
    means(["other"]).of(d(g(d(g(x("other"))))), "other").backward()


def within(d, g, x, means):
    """Of what a layer inside has given, of two networks whose own results nobody uses."""
    inner = []
    handles = [
        layer.register_forward_hook(lambda module, args, y: inner.append(y)) for layer in (bare(d)[1], bare(g)[1])
    ]
    d(x("real"))
    g(x("other"))
    for handle in handles:
        handle.remove()
    means(["real"]).of(inner[0], "real").backward()
    means(["other"]).of(inner[1], "other").backward()


def bare(net):
    return net.module if isinstance(net, dist.DataParallel) else net


def others_between(d, g, x, means):
    """An evaluation, a pass without gradients, and one whose result nobody uses."""
    y = d(x("real"))
    d.eval()
    d(x("other"))
    d.train()
    with gpunn.no_grad():
        d(x("noise"))
    d(x("other"))
    g(x("noise"))
    means(["real"]).of(y, "real").backward()


def two_backwards(d, g, x, means):
    """Of two passes, one after the other."""
    first, second = d(x("noise")), d(x("real"))
    means(["noise"]).of(first, "noise").backward()
    kept = gradients(d)
    d.zero_grad()
    means(["real"]).of(second, "real").backward()
    return kept


STEPS = [both_passes, through_both, through_a_frozen_one, a_step_of_each, forwards_before_backwards, cycle, within,
         others_between, two_backwards]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_gradients_are_those_of_the_whole_batches(step):
    def rank(group):
        nets = [dist.DataParallel(nn.SyncBatchNorm.convert(copy.deepcopy(net))) for net in (FIRST, SECOND)]
        mine = {name: cut(LENGTHS[name], x)[group.rank][0] for name, x in POINTS.items()}
        kept = step(*nets, mine.__getitem__, lambda passes: Means(passes, group.rank))
        return kept, [gradients(net.module) for net in nets]

    found = together(2, rank)
    nets = [copy.deepcopy(net) for net in (FIRST, SECOND)]
    kept = step(*nets, POINTS.__getitem__, Means)
    for other, one in found:
        for name, g in (kept or {}).items():
            np.testing.assert_allclose(other[f"module.{name}"], g, rtol=0, atol=1e-12, err_msg=name)
        for net, gs in zip(nets, one, strict=True):
            for name, g in gradients(net).items():
                if g is None:
                    assert gs[name] is None, name
                else:
                    np.testing.assert_allclose(gs[name], g, rtol=0, atol=1e-12, err_msg=name)
