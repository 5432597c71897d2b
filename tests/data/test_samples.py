"""A DataLoader of samples: collated, in the order of samplers, with PyTorch's arguments, as PyTorch's gives them."""

from typing import NamedTuple

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, optim, train
from gpunn.data import (
    ArrayDataset,
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    Subset,
    TensorDataset,
)
from gpunn.errors import DataError
from tests.data.test_collate import same

X = np.arange(46, dtype=np.float32).reshape(23, 2)


class Point(NamedTuple):
    x: np.ndarray
    label: int


class Samples(Dataset):
    """Samples of one form, each made for a whole number alone."""

    def __init__(self, form=lambda i: (X[i], i), n=23):
        self.form, self.n = form, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        assert type(i) is int, i
        return self.form(i)


class Stream(IterableDataset):
    def __init__(self, n=11, form=lambda i: i):
        self.n, self.form = n, form

    def __iter__(self):
        return (self.form(i) for i in range(self.n))


def numbers(loader) -> list:
    return [np.asarray(batch).tolist() for batch in loader]


FORMS = {
    "tuple": lambda i: (X[i], i),
    "dict": lambda i: {"x": X[i], "name": str(i), "t": (i, float(i))},
    "named": lambda i: Point(X[i], i),
    "array": lambda i: X[i],
    "number": lambda i: i / 2,
    "list": lambda i: [i, [X[i]]],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("how", [{"batch_size": 5}, {"batch_size": 5, "drop_last": True}, {}, {"batch_size": None}])
def test_as_pytorch(form, how):
    torch = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed")
    ours, theirs = DataLoader(Samples(form), **how), torch.DataLoader(Samples(form), **how)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        same(a, b)


@pytest.mark.parametrize("how", [{"batch_size": 4}, {"batch_size": 4, "drop_last": True}, {"batch_size": None}])
def test_streams_as_pytorch(how):
    torch = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed")

    class Theirs(torch.IterableDataset):
        def __iter__(self):
            return iter(Stream(11, FORMS["tuple"]))

    for a, b in zip(DataLoader(Stream(11, FORMS["tuple"]), **how), torch.DataLoader(Theirs(), **how), strict=True):
        same(a, b)


def test_foreign_data_sets_are_asked_for_samples():
    assert numbers(DataLoader([3, 1, 2], 2)) == [[3, 1], [2]]
    assert [b.shape for b in DataLoader(X, 20)] == [(20, 2), (3, 2)]
    assert [type(b) for b in DataLoader(Tensor(X), 23)] == [Tensor]
    assert list(DataLoader("abc", 2)) == [["a", "b"], ["c"]]


def test_batched_data_sets_give_arrays_and_others_tensors():
    y = np.arange(23)
    kinds = {
        "arrays": (ArrayDataset(X, y), tuple, np.ndarray),
        "a part of arrays": (Subset(ArrayDataset(X, y), range(23)), tuple, np.ndarray),
        "tensors": (TensorDataset(X, y), list, Tensor),
        "a part of a part of tensors": (Subset(Subset(TensorDataset(X, y), range(23)), range(23)), list, Tensor),
        "several": (ConcatDataset([ArrayDataset(X, y)]), list, Tensor),
    }
    for dataset, batch_type, part_type in kinds.values():
        for batch in DataLoader(dataset, 12):
            assert type(batch) is batch_type and [type(part) for part in batch] == [part_type] * 2
        whole = next(iter(DataLoader(dataset, 23)))
        assert np.array_equal(np.asarray(whole[0]), X) and np.asarray(whole[1]).tolist() == y.tolist()
        first = next(iter(DataLoader(dataset, 2, collate_fn=list)))
        assert len(first) == 2 and int(first[1][1]) == 1, "a collate_fn gets samples"


def test_a_part_of_tensors_takes_its_own_rows():
    pairs = TensorDataset(np.arange(100))
    part = Subset(Subset(pairs, [9, 7, 5, 3]), [3, 0, 2])
    assert [x.tolist() for (x,) in DataLoader(part, 2)] == [[3, 9], [5]]

    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return (super().__getitem__(index)[0] * 2,)

    assert [x.tolist() for (x,) in DataLoader(Subset(Doubled(np.arange(9)), [4, 2]), 2)] == [[8, 4]]


def test_gradients_go_through_tensors_that_want_them():
    x = Tensor(X, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(x), 2)))
    batch.sum().backward()
    assert np.asarray(x.grad)[:3].tolist() == [[1, 1], [1, 1], [0, 0]]


def test_samplers():
    assert numbers(DataLoader(range(9), 2, sampler=[3, 1, 8])) == [[3, 1], [8]]
    assert numbers(DataLoader(range(9), 2, sampler=[3, 1, 8], drop_last=True)) == [[3, 1]]
    assert numbers(DataLoader(range(9), batch_sampler=[[3], [1, 8]])) == [[3], [1, 8]]
    assert numbers(DataLoader(range(9), batch_size=None, sampler=[3, 1])) == [3, 1]
    assert numbers(DataLoader(range(9), batch_size=None, shuffle=True, seed=1)) != list(range(9))
    whole = DataLoader(range(9), batch_sampler=BatchSampler(SequentialSampler(range(9)), 4, True))
    assert numbers(whole) == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(whole) == 2 and whole.batch_size is None
    arrays = DataLoader(ArrayDataset(X), 2, sampler=[3, 1, 8])
    assert [x.tolist() for (x,) in arrays] == [X[[3, 1]].tolist(), X[[8]].tolist()]
    assert numbers(DataLoader(range(9), 2, sampler=[3, 1, 8]).iter_from(1)) == [[8]]
    assert len(DataLoader(range(9), 2).sampler) == len(DataLoader(range(9), 2, True).sampler) == 9


def test_samples_asked_for_together():
    class Together(Samples):
        def __getitems__(self, indices):
            return [10 * i for i in indices]

    assert numbers(DataLoader(Together(n=5), 3)) == [[0, 10, 20], [30, 40]]


def test_order_of_a_generator_and_of_the_global_seed():
    def order(**how):
        return numbers(DataLoader(range(23), 23, shuffle=True, **how))

    assert order(generator=gpunn.random.Generator(3)) == order(generator=gpunn.random.Generator(3))
    kept = DataLoader(range(23), 23, shuffle=True, generator=gpunn.random.Generator(3))
    assert numbers(kept) != numbers(kept)
    gpunn.manual_seed(4)
    assert order() == order(seed=4) != order(seed=0)


def test_transforms_of_batches_of_samples():
    def noisy(x, labels, rng):
        return x + rng.random(x.shape), labels

    first, second = (list(DataLoader(Samples(), 12, transform=noisy)) for _ in range(2))
    assert [type(part) for part in first[0]] == [Tensor, Tensor]
    assert all(np.array_equal(a[0].numpy(), b[0].numpy()) for a, b in zip(first, second, strict=True))
    with pytest.raises(
        DataError, match="transform takes the arrays of a batch, but this one is no list of Tensors; lea"
    ):
        list(DataLoader(Samples(FORMS["dict"]), transform=noisy))


def test_samples_are_made_in_the_iterating_thread_unless_asked_for():
    """So that what they draw from global generators comes in one order."""
    assert DataLoader(Samples()).prefetch == 0 and DataLoader(ArrayDataset(X)).prefetch == 2
    assert DataLoader(ArrayDataset(X), sampler=[1]).prefetch == 0
    assert numbers(DataLoader(range(9), 4, prefetch=2)) == numbers(DataLoader(range(9), 4))


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_exception_names_batch_and_sample(prefetch):
    def form(i):
        return i if i < 17 else 1 // (i - 17)

    with pytest.raises(
        DataError, match=r"DataLoader: sample 17 failed at batch 4 of epoch 0 \(ZeroDivisionError: .*\)"
    ):
        list(DataLoader(Samples(form), 4, prefetch=prefetch))
    with pytest.raises(
        DataError, match=r"DataLoader: collating failed at batch 0 of epoch 0 \(TypeError: .*NoneType\)"
    ):
        list(DataLoader(Samples(lambda i: None), 4, prefetch=prefetch))
    with pytest.raises(DataError, match="samples have the shapes"):
        list(DataLoader(Samples(lambda i: np.zeros(i)), 4, prefetch=prefetch))
    with pytest.raises(DataError, match=r"sample 99 failed at batch 0 of epoch 0 \(IndexError"):
        list(DataLoader(X, 4, sampler=[0, 99], prefetch=prefetch))


def test_no_length():
    with pytest.raises(TypeError, match="has no len"):
        len(DataLoader(Stream()))
    assert numbers(DataLoader(range(9), 2, sampler=iter([5, 3, 1]))) == [[5, 3], [1]]


def test_a_trainer_learns_from_samples():
    gpunn.manual_seed(0)

    def losses(dataset):
        gpunn.manual_seed(0)
        model = nn.Linear(2, 3)
        run = train.Trainer(model, optim.SGD(model.parameters(), 0.01))
        return [row["train_loss"] for row in run.fit(DataLoader(dataset, 8, shuffle=True), epochs=2)]

    labels = np.arange(23) % 3
    want = losses(ArrayDataset(X, labels))
    assert losses(Samples(lambda i: (X[i], int(labels[i])))) == losses(TensorDataset(X, labels)) == want


@pytest.mark.parametrize("form", ["tuple", "dict", "named", "list", "array"])
def test_batches_on_a_device(form):
    def tensors(batch) -> list:
        inner = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, (tuple, list)) else ()
        return [batch] if isinstance(batch, Tensor) else [t for part in inner for t in tensors(part)]

    there, here = (list(DataLoader(Samples(FORMS[form]), 5, device=device)) for device in ("emulator", None))
    for got, want in zip(there, here, strict=True):
        assert type(got) is type(want) or isinstance(got, list)
        for a, b in zip(tensors(got), tensors(want), strict=True):
            assert (str(a.device), str(b.device)) == ("emulator", "cpu") and a.tolist() == b.tolist()


def test_on_the_device_targets_of_the_host_come_along():
    (batch,) = DataLoader(TensorDataset(X, np.arange(23)), 23, device="emulator")
    assert isinstance(batch, list) and isinstance(batch.given[1], np.ndarray)
