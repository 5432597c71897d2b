"""A data set that lies on a device, and its batches, which the device gathers and augments itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, Device
from gpunn.cuda.gather import THREADS, Making, gather
from gpunn.data.augment.program import Program
from gpunn.data.dataset import ArrayDataset, Indexable
from gpunn.data.subset import Subset
from gpunn.errors import DataError

DTYPES = ("uint8", "float16", "float32", "float64")
PIXELS = 65535 * THREADS  # of an image: the second axis of a grid is as long


class Resident:
    """The images and labels of an ArrayDataset on a device, copied there once; itself a data set.

    A DataLoader over it, or over Subsets of it, makes each batch by one launch: the host draws a few numbers a sample,
    the device gathers the rows and does what RandomCrop, RandomHorizontalFlip, Cutout, Normalise and Mixup do, in
    whatever order a Compose has them, to the bits of the same loader over the ArrayDataset. Other transforms are
    refused. Labels become int64, and images lie channels-last in memory, as convolutions read them.

    Args:
        dataset: uint8 or floating images (N, C, H, W) and whole-number labels (N,). Later changes do not show.
        device: where they go. On "cpu" they stay as they are, and batches are made as ever.

    It takes the images' bytes, 47 MB for MNIST and 154 MB for CIFAR-10, and 8 a label, for as long as it lives. Raises
    DataError for other data, and where the device has no room.

    Examples:
        >>> digits = data.ArrayDataset(np.zeros((100, 1, 28, 28), np.uint8), np.arange(100) % 10)
        >>> train, val = data.split(data.Resident(digits, "cpu"), 0.2)  # "cuda" on a GPU
        >>> loader = data.DataLoader(train, 32, shuffle=True, transform=data.Normalise(0.13, 0.31))
        >>> x, labels = next(iter(loader))
        >>> x.shape, x.dtype
        ((32, 1, 28, 28), dtype('float32'))
    """

    batched = True

    def __init__(self, dataset: ArrayDataset, device: str | Device):
        if not isinstance(dataset, ArrayDataset) or len(dataset.arrays) != 2:
            what = f"{len(dataset.arrays)} arrays" if isinstance(dataset, ArrayDataset) else type(dataset).__name__
            raise DataError(f"Resident: got {what}, expected an ArrayDataset of two arrays, images and labels")
        self.device, images, labels = backend.device(device), *dataset.arrays
        _check(images, labels)
        if self.device.type == "cpu":
            self.arrays, self.given = (images, labels), labels
            return
        room, taken = backend.free_bytes(self.device), images.nbytes + 8 * len(labels)
        if taken > room:
            raise DataError(
                f"Resident: the images take {taken / 1e9:.1f} GB, but {self.device} has {room / 1e9:.1f} GB free; give "
                "fewer, or leave them on the host in their ArrayDataset"
            )
        # What a loss and its checks need to know without waiting for the device.
        self.given = np.array(backend.to_numpy(labels), np.int64)
        there = backend.to_device(images, self.device)
        there = there if there.flags.c_contiguous else there.copy(order="C")
        self.arrays = there, backend.to_device(self.given, self.device)
        self._constants: dict[bytes, Array] = {}

    def constants(self, numbers: np.ndarray) -> Array:
        """These numbers on the device: one array for all loaders, which lives as long as captured steps may read it."""
        key = numbers.tobytes()
        if key not in self._constants:
            self._constants[key] = backend.to_device(numbers, self.device)
        return self._constants[key]

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, index: Any) -> tuple:
        if self.device.type == "cpu":
            return tuple(array[index] for array in self.arrays)
        rows = np.arange(len(self))[backend.to_numpy(index) if backend.is_array(index) else index]
        batch = Gathering(self, rows.reshape(-1), None).batch(slice(None), np.random.default_rng(0))
        return tuple(array.reshape((*rows.shape, *array.shape[1:])) for array in batch)

    def __repr__(self) -> str:
        images, labels = self.arrays
        return f"Resident({images.dtype}{tuple(images.shape)}, {labels.dtype}{tuple(labels.shape)}, on {self.device})"


def _check(images: Any, labels: Any) -> None:
    """DataError for what no kernel gathers."""
    shape = tuple(images.shape)
    if len(shape) != 4 or not all(shape[1:]) or images.dtype.name not in DTYPES:
        raise DataError(
            f"Resident: images are {images.dtype} of shape {shape}, expected {', '.join(DTYPES)} of shape "
            "(N, C, H, W); grey ones have C = 1"
        )
    if shape[2] * shape[3] > PIXELS:
        raise DataError(
            f"Resident: images have {shape[2]} x {shape[3]} pixels, expected at most {PIXELS:,}; leave them on the host"
        )
    if len(labels.shape) != 1 or labels.dtype.kind not in "iu" or not np.can_cast(labels.dtype, np.int64):
        raise DataError(
            f"Resident: labels are {labels.dtype} of shape {tuple(labels.shape)}, expected whole numbers up to int64 "
            f"of shape ({len(images)},); convert them with astype"
        )


class Gathering:
    """How a loader's batches are gathered: the set, which of its rows, and what is done to them."""

    def __init__(self, resident: Resident, rows: np.ndarray, transform: Callable | None):
        images, _ = resident.arrays
        self.resident, self.rows = resident, rows
        self.program = made = Program(transform, images.shape[1:], images.dtype)
        if made.mixup is not None:
            made.mixup.check(resident.given[rows], len(rows))
        self.how = Making(made.shape, made.dtype.name, made.columns, made.classes, made.steps)
        self.numbers = resident.constants(made.numbers)
        self.key = resident, self.how, made.numbers.tobytes()  # all that launches depend on beside a batch's size

    def batch(self, index: np.ndarray | slice, rng: np.random.Generator) -> Gathered:
        """The batch of these samples, with what `rng` draws for it."""
        rows = self.rows[index]  # NumPy refuses what is out of range; the kernel would read it
        return Gathered(self, self.program.words(rows, rng), self.resident.given[rows])

    def load(self, words: Array, n: int) -> tuple[Array, Array]:
        """x and y of the n samples that these words on the device tell of."""
        images, labels = self.resident.arrays
        return gather(images, labels, words, self.numbers, n, self.how)


class Gathered:
    """A batch that its device has yet to gather: (x, y) to whoever unpacks it, which gathers it once.

    A step that is captured takes it apart: `load` alone runs inside, on `words` that each replay fills anew. Batches of
    one `key` have words of one size, and results of one shape.
    """

    def __init__(self, source: Gathering, words: np.ndarray, given: np.ndarray):
        self.source, self._words, self._given = source, words, given
        self._made: tuple[Array, Array] | None = None

    @property
    def key(self) -> tuple:
        return self.source.key, len(self)

    @property
    def device(self) -> Device:
        """Where it will be."""
        return self.source.resident.device

    @property
    def given(self) -> np.ndarray | None:
        """The labels as the host holds them; None where they are blended."""
        return None if self.source.program.classes else self._given

    def words(self) -> np.ndarray:
        """All that differs from batch to batch: int32, of one axis."""
        return self._words

    def load(self, words: Array) -> tuple[Array, Array]:
        """x and y, by one launch, from these words on the device."""
        return self.source.load(words, len(self))

    def __len__(self) -> int:
        return len(self._given)

    def __iter__(self) -> Iterator[Array]:
        if self._made is None:
            self._made = self.load(backend.to_device(self._words, self.source.resident.device))
        return iter(self._made)

    def __getitem__(self, index: int) -> Array:
        return tuple(self)[index]


def gathering(dataset: Indexable, transform: Callable | None) -> Gathering | None:
    """How batches of a Resident's data set, or of Subsets of one, are gathered on its device; None for other data."""
    rows = np.arange(len(dataset))
    while isinstance(dataset, Subset):
        rows = dataset.indices[rows]
        dataset = dataset.dataset
    if not isinstance(dataset, Resident) or dataset.device.type == "cpu":
        return None
    return Gathering(dataset, rows, transform)
