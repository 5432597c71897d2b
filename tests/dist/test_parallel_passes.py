"""Gradients that add up over several forward and backward passes among ranks, with no_sync and without."""

import copy

import pytest

import gpunn
from gpunn import dist
from tests.dist.networks import (
    CLASSES,
    NETWORKS,
    POINTS,
    Idle,
    Tied,
    alike,
    cut,
    gradients,
    loss_of,
    made,
    of_whole,
)  # fmt: skip
from tests.dist.together import together


@pytest.mark.parametrize("name", ["mlp", "words", "shared weights", "unused"])
def test_batches_under_no_sync_add_up_on_each_rank_before_all_are_averaged(name):
    """Three batches a rank, two of them under no_sync: the mean over ranks of the ranks' sums, as PyTorch's."""
    make, x = NETWORKS[name]
    base, parts = made(make), cut((2,) * 6, x, CLASSES)

    def steps(group):
        model = dist.DataParallel(copy.deepcopy(base))
        first, second, third = parts[group.rank :: 2]
        with model.no_sync():
            for mine, labels in (first, second):
                loss_of(model(mine), labels).backward()
            alone = gradients(model.module)
        loss_of(model(third[0]), third[1]).backward()
        return alone, gradients(model.module)

    found = together(2, steps)
    model = copy.deepcopy(base)
    for mine, labels in parts:
        (loss_of(model(mine), labels) / 2).backward()
    alike([after for _, after in found], gradients(model))
    for rank, (alone, _) in enumerate(found):
        model = copy.deepcopy(base)
        for mine, labels in parts[rank:4:2]:
            loss_of(model(mine), labels).backward()
        alike([alone], gradients(model))


def test_no_sync_ends_where_an_exception_leaves_it():
    base = made(Tied)

    def steps(group):
        model = dist.DataParallel(copy.deepcopy(base))
        with pytest.raises(KeyError), model.no_sync():
            raise KeyError
        x, y = cut((6, 6), POINTS, CLASSES)[group.rank]
        loss_of(model(x), y).backward()
        return gradients(model.module)

    alike(together(2, steps), of_whole(base, POINTS))


@pytest.mark.parametrize("view", [False, True], ids=["own", "view"])
def test_several_forwards_before_one_backward(view):
    base, parts = made(Tied), cut((3, 3, 3, 3), POINTS, CLASSES)

    def step(group):
        model = dist.DataParallel(copy.deepcopy(base), gradient_as_bucket_view=view)
        first, second = parts[group.rank :: 2]
        (loss_of(model(first[0]), first[1]) + 3 * loss_of(model(second[0]), second[1])).backward()
        return gradients(model.module)

    model = copy.deepcopy(base)
    losses = [loss_of(model(x), y) for x, y in parts]
    ((losses[0] + losses[1] + 3 * losses[2] + 3 * losses[3]) / 2).backward()
    alike(together(2, step), gradients(model))


@pytest.mark.parametrize("view", [False, True], ids=["own", "view"])
@pytest.mark.parametrize("graphs", ["one after the other", "both at once"])
def test_gradients_add_up_over_backward_passes_without_zero_grad(graphs, view):
    """.grad is what was there and the new mean, as PyTorch's."""
    base, parts = made(Idle), cut((3, 3, 3, 3), POINTS, CLASSES)

    def steps(group):
        model = dist.DataParallel(copy.deepcopy(base), gradient_as_bucket_view=view)
        losses = (loss_of(model(x), y) for x, y in parts[group.rank :: 2])
        for loss in losses if graphs == "one after the other" else list(losses):
            loss.backward()
        return gradients(model.module)

    model = copy.deepcopy(base)
    for x, y in parts:
        (loss_of(model(x), y) / 2).backward()
    alike(together(2, steps), gradients(model))


def test_a_forward_that_nobody_learns_from_weighs_nothing():
    """As of a validation without no_grad, or of a loss that was thrown away; one under no_sync changes nothing."""
    base, parts = made(Tied), cut((4, 8), POINTS, CLASSES)

    def steps(group):
        model = dist.DataParallel(copy.deepcopy(base))
        x, y = parts[group.rank]
        model(POINTS[: (1, 9)[group.rank]])
        loss = loss_of(model(x), y)
        with model.no_sync():
            model(POINTS[: (9, 1)[group.rank]])
        loss.backward()
        return gradients(model.module)

    alike(together(2, steps), of_whole(base, POINTS))


def test_losses_before_their_backward_passes_weigh_by_their_own_samples():
    base, parts = made(Tied), cut((1, 5, 4, 2), POINTS, CLASSES)

    def steps(group):
        model = dist.DataParallel(copy.deepcopy(base))
        losses = [loss_of(model(x), y) for x, y in parts[group.rank :: 2]]
        for loss in losses:
            loss.backward()
        return gradients(model.module)

    model = copy.deepcopy(base)
    for (x, y), share in zip(parts, (1 / 6, 5 / 6, 4 / 6, 2 / 6), strict=True):
        (loss_of(model(x), y) * share).backward()
    alike(together(2, steps), gradients(model))


def test_a_graph_that_is_kept_is_averaged_each_time_and_asking_for_gradients_is_no_backward():
    base, parts = made(Tied), cut((4, 8), POINTS, CLASSES)

    def steps(group):
        model = dist.DataParallel(copy.deepcopy(base))
        x, y = parts[group.rank]
        if group.rank:
            gpunn.grad(loss_of(model(x[:1]), y[:1]), list(model.parameters()))
        loss = loss_of(model(x), y)
        loss.backward(retain_graph=True)
        loss.backward()
        return gradients(model.module)

    want = {name: 2 * g for name, g in of_whole(base, POINTS).items()}
    alike(together(2, steps), want)
