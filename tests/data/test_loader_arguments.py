"""A DataLoader's arguments: PyTorch's names, order and defaults, and which do not go together."""

import inspect

import pytest

from gpunn.data import ArrayDataset, DataLoader, TensorDataset
from gpunn.errors import DataError
from tests.data.test_samples import Samples, Stream, X


def test_arguments_are_pytorch_s_in_their_order():
    torch = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed")
    ours, theirs = (list(inspect.signature(cls).parameters.values()) for cls in (DataLoader, torch.DataLoader))
    assert [(p.name, p.kind, p.default) for p in ours[: len(theirs)]] == [(p.name, p.kind, p.default) for p in theirs]


BAD = {
    "sampler and shuffle": (
        {"sampler": [1], "shuffle": True},
        "sampler and shuffle=True both choose the order; give on",
    ),
    "batch_sampler and shuffle": (
        {"batch_sampler": [[1]], "shuffle": True},
        "batch_sampler and shuffle=True both choo",
    ),
    "batch_sampler and size": (
        {"batch_sampler": [[1]], "batch_size": 2},
        "batch_sampler replaces batch_size, shuffle,",
    ),
    "batch_sampler and sampler": ({"batch_sampler": [[1]], "sampler": [1]}, "batch_sampler replaces batch_size"),
    "batch_sampler and drop_last": ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler replaces batch_size"),
    "sampler, no order": ({"sampler": True}, "sampler is True; give an iterable of indices"),
    "batch_sampler, no order": ({"batch_sampler": 3}, "batch_sampler is 3; give an iterable of lists of indices"),
    "no batch, drop_last": ({"batch_size": None, "drop_last": True}, "batch_size=None makes no batches, so drop_last"),
    "num_workers": ({"num_workers": -1}, "num_workers is -1; give a whole number of at least 0: processes that make"),
    "timeout": ({"num_workers": 1, "timeout": -1}, r"timeout is -1; give seconds, at least 0 \(0: no limit\)"),
    "timeout, no workers": ({"timeout": 3}, "timeout is for workers, and num_workers is 0; give num_workers=1 or more"),
    "prefetch_factor": ({"prefetch_factor": 0}, "prefetch_factor is 0; give a whole number of at least 1"),
    "prefetch_factor, no workers": ({"prefetch_factor": 2}, "prefetch_factor is for workers, and num_workers is 0"),
    "persistent, no workers": ({"persistent_workers": True}, "persistent_workers is for workers, and num_workers is 0"),
    "context, no workers": (
        {"multiprocessing_context": "fork"},
        "multiprocessing_context is for workers, and num_work",
    ),
    "context": (
        {"num_workers": 1, "multiprocessing_context": "frok"},
        "multiprocessing_context is 'frok'; give",
    ),
    "context, a number": ({"num_workers": 1, "multiprocessing_context": 3}, "multiprocessing_context is 3; give"),
    "workers": ({"workers": "gpu"}, 'workers is \'gpu\'; give "processes" or "threads"'),
    "collate_fn": ({"collate_fn": 3}, r"collate_fn is 3; give a function collate_fn\(samples\)"),
    "worker_init_fn": ({"worker_init_fn": 3}, r"worker_init_fn is 3; give a function init\(id\)"),
    "no data set": ({"dataset": iter([1])}, "list_iterator lacks __getitem__ or __len__; give both, or derive it from"),
    "stream, shuffle": (
        {"dataset": Stream(), "shuffle": True},
        "an IterableDataset has its own order, but shuffle was",
    ),
    "stream, sampler": ({"dataset": Stream(), "sampler": [1]}, "an IterableDataset has its own order, but sampler was"),
    "stream, threads": (
        {"dataset": Stream(), "num_workers": 2, "workers": "threads"},
        'threads cannot share an IterableDataset; give workers="processes" or num_workers=0',
    ),
}


@pytest.mark.parametrize(("how", "words"), BAD.values(), ids=BAD)
def test_refused(how, words):
    with pytest.raises(DataError, match=f"DataLoader: {words}"):
        DataLoader(**{"dataset": Samples(), **how})


@pytest.mark.parametrize("dataset", [ArrayDataset(X), TensorDataset(X)])
def test_indices_are_not_rounded(dataset):
    with pytest.raises(DataError, match=r"TypeError: the indices of a batch are float64 of shape \(2,\), exp"):
        list(DataLoader(dataset, 2, sampler=[0.5, 1.7]))


def test_what_a_loader_was_made_of_stays():
    loader = DataLoader(Samples(), 4)
    for name in ("dataset", "batch_size", "sampler", "collate_fn", "transform"):
        with pytest.raises(DataError, match=f"DataLoader: {name} cannot change once the loader is made; make another"):
            setattr(loader, name, None)
    loader.seed = 3  # as a run that is resumed does
