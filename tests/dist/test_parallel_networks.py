"""DataParallel over ranks gives the gradients of one process that has the whole batch, whatever the network is."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import dist, ops
from tests.dist.networks import (
    CLASSES,
    IMAGES,
    NETWORKS,
    POINTS,
    Idle,
    Tied,
    alike,
    convolutional,
    cut,
    gradients,
    loss_of,
    made,
    of_whole,
    total,
)  # fmt: skip
from tests.dist.together import together

PARTS = {"equal": (6, 6), "unequal": (5, 0, 6, 1)}


@pytest.mark.parametrize("lengths", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_the_whole_batch(name, lengths):
    make, x = NETWORKS[name]
    base, parts = made(make), cut(lengths, x, CLASSES)

    def step(group):
        model = dist.DataParallel(copy.deepcopy(base), bucket_cap_mb=0.0005)
        mine, labels = parts[group.rank]
        if not len(mine):
            total(model(mine)).backward()  # the mean of no losses is no number
            return gradients(model.module)
        loss_of(model(mine), labels).backward()
        return gradients(model.module)

    alike(together(len(lengths), step), of_whole(base, x))


def test_a_layer_that_one_rank_alone_uses():
    """Its gradient is what that rank found, by the samples of all; of one that no rank uses it stays None."""
    base, ((x, y), (z, w)) = made(Idle), cut((8, 4), POINTS, CLASSES)

    def through(model, x):
        return model.head(ops.relu(model.idle(model.first(x))))

    class Either(Idle):
        def forward(self, x, idle):
            return through(self, x) if idle else super().forward(x)

    either = made(Either)

    def step(group):
        net = copy.deepcopy(either)
        model = dist.DataParallel(net)
        mine, labels = ((x, y), (z, w))[group.rank]
        loss_of(model(mine, group.rank == 1), labels).backward()
        return gradients(net)

    def whole(model):
        first = ops.cross_entropy(model(x), y) * (8 / 12)
        (first + ops.cross_entropy(through(model, z), w) * (4 / 12)).backward()
        return gradients(model)

    alike(together(2, step), whole(copy.deepcopy(base)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(dtype):
    eps = np.finfo(dtype).eps
    make, x = NETWORKS["mlp"]
    base, x = made(make, dtype), x.astype(dtype)

    def step(group):
        model = dist.DataParallel(copy.deepcopy(base))
        mine, labels = cut((6, 6), x, CLASSES)[group.rank]
        loss_of(model(mine), labels).backward()
        return gradients(model.module)

    alike(together(2, step), of_whole(base, x), atol=4 * eps)


def test_a_gradient_that_is_not_finite_on_one_rank_is_so_on_all():
    base = made(Tied)

    def step(group):
        model = dist.DataParallel(copy.deepcopy(base))
        (model(POINTS).sum() * (np.inf if group.rank else 1.0)).backward()
        return gradients(model.module)["head.bias"]

    assert all(np.isinf(g).all() for g in together(2, step))


def test_training_without_gradients_or_evaluating_waits_for_nobody():
    """Rank 0 alone evaluates; the others go on."""
    base = made(convolutional)

    def step(group):
        model = dist.DataParallel(copy.deepcopy(base))
        if group.rank == 0:
            with gpunn.no_grad():
                model.eval()(IMAGES)
                model.train()
        before = len(group.log)
        loss_of(model(IMAGES[:2]), CLASSES[:2]).backward()
        return before

    assert len(set(together(2, step))) == 1
