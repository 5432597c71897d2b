"""Trainers on ranks that do not the same: all are told which and in what, before their weights drift apart."""

import copy
import pickle
import threading

import numpy as np
import pytest

import gpunn
from gpunn import data, dist, nn, optim, train
from tests.dist.together import together

turn = threading.Lock()  # gpunn.random is one for all threads


def fitted(group, loader, val=None, callbacks=(), lr=0.1, epochs=2, **options):
    with turn:
        gpunn.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    trainer = train.Trainer(model, optimizer, callbacks=callbacks, ranks=group, **options)
    trainer.fit(loader, val, epochs)
    return trainer


def pairs(batches=3, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(4, 3)).astype(np.float32), rng.integers(0, 2, 4)) for _ in range(batches)]


class Unsized:
    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        return iter(self.pairs)


def words_of(run):
    """What each of two ranks is told."""

    def caught(group):
        with pytest.raises(dist.DistError) as error:
            run(group)
        return str(error.value)

    words = together(2, caught)
    assert words[0] == words[1]
    return words[0]


def test_loaders_of_other_lengths():
    known = words_of(lambda group: fitted(group, pairs(3 - group.rank)))
    assert known.startswith("Trainer: rank 1 has loader's batches 2, rank 0 3; start all ranks with the same program")
    val = words_of(lambda group: fitted(group, pairs(), pairs(2 + group.rank)))
    assert val.startswith("Trainer: rank 1 has validation loader's batches 3, rank 0 2;")
    found = words_of(lambda group: fitted(group, Unsized(pairs(3 - group.rank))))
    assert found == (
        "Trainer: rank 1 is at the end of epoch 1's batches, rank 0 at batch 3 of epoch 1; give all ranks as many "
        "batches, and let all of them call fit, evaluate and what saves"
    )


def test_loaders_of_other_samples():
    def run(group):
        n = 12 - group.rank
        fitted(group, data.DataLoader(data.ArrayDataset(np.zeros((n, 3), np.float32), np.zeros(n, int)), 4, seed=1))

    assert words_of(run).startswith("Trainer: rank 1 has loader's samples 11, rank 0 12;")
    words = words_of(lambda group: fitted(group, pairs(seed=group.rank)))
    assert words == (
        "Trainer: rank 1 has another first batch than rank 0; a loader gives the batches of all ranks, of which each "
        "takes its part; give all of them the same, or a DataLoader with a DistributedSampler"
    )


def test_optimizers_with_other_options():
    words = words_of(lambda group: fitted(group, pairs(), lr=0.1 + group.rank))
    assert words.startswith("Trainer: rank 1 has optimizer's options \"[{'lr': 1.1, ")

    def run(group):
        model = nn.Linear(3, 2)
        parameters = list(model.parameters())[:: 1 - 2 * group.rank]
        train.CapturedStep(model, nn.functional.cross_entropy, optim.SGD(parameters, lr=0.1), ranks=group)

    assert words_of(run).startswith("CapturedStep: rank 1 has optimizer's parameters \"['bias', 'weight']\"")


class AtEpochEnd(train.Callback):
    def __init__(self, act):
        self.act = act

    def on_epoch_end(self, trainer):
        self.act(trainer)


def test_an_evaluation_of_one_rank_is_told_to_the_others():
    def run(group):
        one = AtEpochEnd(lambda trainer: trainer.evaluate(pairs()) if group.rank else None)
        fitted(group, pairs(), callbacks=[one])

    assert words_of(run).startswith("Trainer: rank 1 is at the start of an evaluation, rank 0 at the end of epoch 1;")


def test_one_ranks_reason_to_stop_is_all_ranks():
    def run(group):
        def stop(trainer):
            if group.rank:
                trainer.stop_reason = "an hour has gone"

        trainer = fitted(group, pairs(), callbacks=[AtEpochEnd(stop)], epochs=9)
        return trainer.epoch, trainer.stop_reason

    assert together(2, run) == [(1, "an hour has gone")] * 2


def test_a_copy_has_the_same_ranks_and_a_pickle_none():
    def run(group):
        trainer = fitted(group, pairs(1), epochs=1)
        with pytest.raises(dist.DistError, match=r"a group of ranks cannot be pickled; call dist\.init\(\) in the"):
            pickle.dumps(group)
        return copy.deepcopy(trainer).group is group

    assert together(2, run) == [True, True]


def test_ranks_without_a_sample_take_part():
    """A sampler of fewer samples than ranks, and a metric that has no mean of nothing."""
    x, y = (np.concatenate(some) for some in zip(*pairs(1), strict=True))

    def run(group):
        rows = data.ArrayDataset(x[:2], y[:2])
        sampler = data.DistributedSampler(rows, group.size, group.rank, shuffle=False)
        metrics = {"worst": lambda output, target: float((output.array.argmax(1) != target).max())}
        trainer = fitted(group, data.DataLoader(rows, 2, sampler=sampler), epochs=1, metrics=metrics)
        return trainer.history[0]["train_worst"], trainer.model[0].weight.array.tolist()

    one, *others = together(3, run)
    assert np.isfinite(one[0]) and all(other == one for other in others)
