"""Trainers among ranks, whatever gives the batches and happens on the way, beside one process with all parts."""

import copy
import os

import numpy as np
import pytest

import gpunn
from gpunn import data, dist, nn, optim, train
from tests.dist.together import together

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(50, 6)).astype(np.float32), RNG.integers(0, 4, 50)
RANKS = [2, pytest.param(3, marks=pytest.mark.skipif(not os.environ.get("CI"), reason="seconds: in CI"))]
OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, 0.1, momentum=0.9),
    "AdamW": lambda params: optim.AdamW(params, 0.01),
}


class Stream(data.IterableDataset):
    def __iter__(self):
        return zip(X, Y, strict=True)


def noisy(x, y, rng):
    return x + rng.normal(0, 0.1, x.shape).astype(x.dtype), y


def array_loader(batch, n=50, **options):
    return data.DataLoader(data.ArrayDataset(X[:n], Y[:n]), batch, shuffle=True, seed=3, **options)


SAMPLES = data.TensorDataset(X, Y)
LOADERS = {
    "transform": lambda batch: array_loader(batch, transform=noisy),
    "made ahead": lambda batch: array_loader(batch, prefetch=3),
    "last batch dropped": lambda batch: array_loader(batch, 48, drop_last=True),
    "threads": lambda batch: data.DataLoader(SAMPLES, batch, True, num_workers=2, workers="threads", seed=3),
    "generator": lambda batch: data.DataLoader(SAMPLES, batch, True, generator=np.random.default_rng(5), seed=3),
    "sampler": lambda batch: data.DataLoader(SAMPLES, batch, sampler=range(49, -1, -1), seed=3),
    "subset": lambda batch: data.DataLoader(data.Subset(SAMPLES, range(3, 40)), batch, True, seed=3),
    "stream": lambda batch: data.DataLoader(Stream(), batch, seed=3),
}


def made():
    gpunn.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))


def fit(base, loader, epochs=2, optimizer="SGD", validation=None, resume=None, **options):
    """The weights, and the history."""
    model = copy.deepcopy(base)
    trainer = train.Trainer(model, OPTIMIZERS[optimizer](model.parameters()), seed=1, **options)
    history = trainer.fit(loader, validation, epochs, resume=resume)
    return {name: np.array(a.array) for name, a in model.state_dict().items()}, list(history)


def same_bits(found, want):
    for weights, history in found:
        assert all(weights[name].tobytes() == a.tobytes() for name, a in want[0].items())
        assert len(history) == len(want[1])


@pytest.mark.parametrize("n", RANKS)
@pytest.mark.parametrize("name", LOADERS)
def test_each_rank_takes_its_part_of_what_a_loader_gives(name, n):
    """Samples in the same order, changed by the same random numbers, and in the same parts."""
    base, make = made(), LOADERS[name]
    found = together(n, lambda group: fit(base, make(4 * n), ranks=group))
    same_bits(found, fit(base, make(4), ranks=False, accumulate=n))


@pytest.mark.parametrize("batch", [7, 5, 2])
def test_batches_that_ranks_cannot_share_equally(batch):
    """Of 2 samples a batch, one rank of three never has any."""
    base = made()
    found = together(3, lambda group: fit(base, array_loader(batch), ranks=group))
    same_bits(found, found[0])
    for name, a in fit(base, array_loader(batch), ranks=False)[0].items():
        np.testing.assert_allclose(found[0][0][name], a, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["sampler", "batch_sampler", "generator"])
def test_orders_that_differ_are_refused_on_all_ranks(kind):
    """Generators of other states; without one a sampler draws from gpunn.random, which is one for all at that time."""
    base = made()

    def run(group):
        rng = np.random.default_rng(group.rank)
        if kind == "generator":
            loader = data.DataLoader(SAMPLES, 8, shuffle=True, generator=rng, seed=3)
        elif kind == "sampler":
            loader = data.DataLoader(SAMPLES, 8, sampler=data.RandomSampler(SAMPLES, generator=rng), seed=3)
        else:
            order = data.BatchSampler(data.SubsetRandomSampler(range(50), rng), 8, False)
            loader = data.DataLoader(SAMPLES, batch_sampler=order, seed=3)
        with pytest.raises(dist.DistError) as error:
            fit(base, loader, ranks=group)
        return str(error.value)

    for words in together(2, run):
        assert words.startswith(
            "Trainer: the loader's sampler gives rank 1 other samples than rank 0; give it a generat"
        )


class Thaw(train.Callback):
    """The first layer learns in every second epoch."""

    def on_epoch_end(self, trainer):
        trainer.model[0].requires_grad_(trainer.epoch % 2 == 1)


def test_layers_that_are_frozen_and_freed_on_the_way():
    base = made()
    base[0].requires_grad_(False)
    found = together(2, lambda group: fit(base, array_loader(8), 4, ranks=group, callbacks=[Thaw()]))
    same_bits(found, fit(base, array_loader(4), 4, ranks=False, accumulate=2, callbacks=[Thaw()]))


def test_all_ranks_stop_early_together():
    base = made()

    def run(batch, **options):
        seen = array_loader(4, 11)
        return fit(
            base, array_loader(batch), 30, validation=seen, callbacks=[train.EarlyStopping(patience=1)], **options
        )

    found, want = together(2, lambda group: run(8, ranks=group)), run(4, ranks=False, accumulate=2)
    assert len(want[1]) < 30
    same_bits(found, want)


def test_in_16_bits():
    base = made()
    found = together(2, lambda group: fit(base, array_loader(8), ranks=group, precision="bf16"))
    same_bits(found, fit(base, array_loader(4), ranks=False, accumulate=2, precision="bf16"))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("sizes", [(2, 3, 1), (1, 2), (3, 2)], ids=str)
def test_a_run_goes_on_with_other_numbers_of_ranks(sizes, optimizer, tmp_path):
    """One epoch by each: weights, averages and history of one process, within rounding."""
    base = made()

    def run(epochs, resume=None, **options):
        seen = array_loader(12, 11)
        return fit(base, array_loader(12), epochs, optimizer, seen, resume, ema=train.EMA(0.9), **options)

    for epoch, n in enumerate(sizes):
        before = tmp_path if epoch else None
        found = together(n, lambda group: run(epoch + 1, before, ranks=group, out=tmp_path))  # noqa: B023
        same_bits(found, found[0])
    weights, history = run(len(sizes), ranks=False)
    for name, a in weights.items():
        np.testing.assert_allclose(found[0][0][name], a, rtol=0, atol=1e-5)
    for row, want in zip(found[0][1], history, strict=True):
        assert row["epoch"] == want["epoch"] and row["val_loss"] == pytest.approx(want["val_loss"], rel=1e-5)
