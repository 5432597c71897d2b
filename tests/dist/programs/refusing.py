"""What ranks that MPI started are told of their mistakes: one of them comes late, differs, or calls something else."""

import os
import sys
import time

import numpy as np
import pytest

import gpunn
from gpunn import dist, nn
from tests.dist.mpi import tell


def words(call):
    """What a call says, and after how many seconds."""
    start = time.monotonic()
    try:
        call()
    except dist.DistError as error:
        return str(error), time.monotonic() - start
    return "", time.monotonic() - start


def other_networks(group):
    return words(lambda: dist.DataParallel(nn.Linear(3, 2 + (group.rank == 1))))


def other_seeds(group):
    gpunn.manual_seed(group.rank == 1)
    found = words(lambda: dist.DataParallel(nn.Linear(3, 2)))
    gpunn.manual_seed(0)
    return found


def other_calls(group):
    os.environ["GPUNN_DIST_DEBUG"] = "1"
    a = np.ones(3, np.float32)
    found = [
        words(lambda: dist.broadcast(a) if group.rank == 1 else dist.all_reduce(a)),
        words(lambda: dist.all_reduce(a.astype(np.float64 if group.rank == 1 else np.float32))),
        words(lambda: dist.all_reduce(a, "max" if group.rank == 1 else "sum")),
        words(lambda: dist.broadcast(a, int(group.rank == 1))),
        words(lambda: dist.all_reduce(a)),
    ]
    del os.environ["GPUNN_DIST_DEBUG"]
    return found


def other_arrays(group):
    """Of as many bytes, which MPI takes for each other without a word, and without GPUNN_DIST_DEBUG."""
    one, a, long = group.rank == 1, np.ones(3, np.float32), np.ones(9000, np.float32)
    other = np.int32 if one else np.float32
    return [
        words(lambda: dist.all_reduce(a.astype(other))),
        words(lambda: dist.all_reduce(long.astype(other))),
        words(lambda: dist.all_reduce(a, "max" if one else "sum")),
        words(lambda: dist.all_gather_into_tensor(np.empty((group.size, 3), other), a.astype(other))),
        words(lambda: dist.reduce_scatter_tensor(np.empty(3, other), np.ones(3 * group.size, other))),
        words(lambda: dist.broadcast(a, int(one))),
        words(lambda: dist.all_reduce(a)),
    ]


def not_json(group):
    with pytest.raises(TypeError) as error:
        group.exchange({"loss": np.float32(0.5)})
    return str(error.value)


CHECKS = other_networks, other_seeds, other_calls, other_arrays, not_json


if __name__ == "__main__":
    folder, what = sys.argv[1:]
    if what == "late" and os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK")) == "1":
        time.sleep(600)
    group = dist.init("cpu", timeout=3 if what == "late" else 300)
    gpunn.manual_seed(0)
    if what == "missing" and group.rank == 1:
        time.sleep(600)
    if what == "missing":
        group.timeout = 3  # not before: ranks start some seconds apart where others use the cores
        dist.all_reduce(np.ones(3))
    found = {check.__name__: check(group) for check in CHECKS}
    model = dist.DataParallel(nn.Linear(3, 2))
    dist.destroy_process_group()
    found["parted"] = words(lambda: model(np.ones((2, 3), np.float32)).sum().backward())
    tell(folder, group.rank, found)
