"""Data sets that worker processes can be given: at the top of a module, so that they can be pickled."""

import os
import random
import signal
import time

import numpy as np

import gpunn
from gpunn.data import Dataset, IterableDataset, get_worker_info


class Numbers(Dataset):
    """0 to n - 1, each with a draw from every global generator."""

    def __init__(self, n=23):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i, random.random(), np.random.rand(), gpunn.random.uniform(1)


class Whose(Numbers):
    """Each sample with its worker."""

    def __getitem__(self, i):
        info = get_worker_info()
        assert info is not None and info.dataset is self
        return i, info.id, info.num_workers, info.seed, os.getpid()


class Failing(Numbers):
    def __getitem__(self, i):
        if i == 17:
            raise KeyError("lost")
        return i


class Dying(Numbers):
    def __getitem__(self, i):
        if i == 17:
            os.kill(os.getpid(), signal.SIGKILL)
        return i


class Slow(Numbers):
    def __getitem__(self, i):
        if i >= 8:
            time.sleep(30)
        return i


class Unsendable(Numbers):
    def __getitem__(self, i):
        return lambda: i


class Stream(IterableDataset):
    """0 to n - 1, shared among the workers."""

    def __init__(self, n=11):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        return iter(range(self.n) if info is None else range(info.id, self.n, info.num_workers))


def no_init(number):
    raise RuntimeError(f"no disk for {number}")
