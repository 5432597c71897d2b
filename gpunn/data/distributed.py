"""The share of a data set that one of several processes takes."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np

from gpunn.data.draws import checked_seed
from gpunn.data.fetch import ORDER
from gpunn.data.sampler import Sampler
from gpunn.errors import DataError
from gpunn.ranks.group import current


class DistributedSampler(Sampler[int]):
    """The indices of one process of several, each of which trains on other samples: all together, each once an epoch.

    Process `rank` takes every num_replicas-th index of one order, from number `rank` on. Unlike PyTorch's, it repeats
    none to make the shares equal: some have one more than others, and drop_last=True leaves that one away. Where that
    makes one process's batches more, DataParallel's join() waits for it; `Trainer(ranks=...)` needs no such sampler.

    Args:
        dataset: anything with a length.
        num_replicas: processes; None: those of `gpunn.dist.init`, else one. `rank`: which of them; None: this one.
        shuffle: an order that depends on (seed, epoch) alone: that of DataLoader(shuffle=True, seed=seed).
        drop_last: whether all take equally many, so that up to num_replicas - 1 samples are left out.

    `set_epoch` chooses the epoch's order, and DataLoader.set_epoch passes it on. DataError for what is no rank, and for
    an epoch that would be empty.

    Examples:
        >>> [list(data.DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
        >>> sampler = data.DistributedSampler(range(100), num_replicas=4, rank=0)
        >>> first = list(sampler)
        >>> sampler.set_epoch(1)
        >>> len(first), first == list(sampler)
        (25, False)
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        group = current()
        self.num_replicas = _count("num_replicas", group.size if num_replicas is None else num_replicas, 1)
        self.rank = _count("rank", group.rank if rank is None else rank, 0)
        if self.rank >= self.num_replicas:
            raise DataError(
                f"DistributedSampler: rank is {self.rank} of {self.num_replicas} replicas; give a number from 0 to "
                f"{self.num_replicas - 1}"
            )
        self.dataset, self.shuffle, self.drop_last = dataset, bool(shuffle), bool(drop_last)
        self.seed = checked_seed("DistributedSampler", seed)
        self.epoch, self.start = 0, 0
        if not self.total_size:
            raise DataError(
                f"DistributedSampler: {len(dataset)} samples leave none to {self.num_replicas} replicas"
                f"{' with drop_last=True' * self.drop_last}; give more samples, or fewer replicas"
            )

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch, and how many of its samples all processes together have had already: those are left out.

        So a run goes on in mid-epoch on another number of processes. On as many, DataLoader.iter_from does it, too.
        """
        self.epoch, self.start = _count("epoch", epoch, 0), _count("start", start, 0)

    @property
    def total_size(self) -> int:
        """Samples that all processes together take of the epoch from `start` on."""
        left = max(0, len(self.dataset) - self.start)
        return left - left % self.num_replicas if self.drop_last else left

    @property
    def num_samples(self) -> int:
        """Samples that this process takes of them."""
        return len(range(self.rank, self.total_size, self.num_replicas))

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = np.random.default_rng((ORDER, self.seed, self.epoch)).permutation(n) if self.shuffle else np.arange(n)
        return iter(order[self.start :][self.rank : self.total_size : self.num_replicas].tolist())


def _count(name: str, value: object, least: int) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise DataError(f"DistributedSampler: {name} is {value!r}; give a whole number of at least {least}")
    return int(value)
