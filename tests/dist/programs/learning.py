"""A few steps of LeNet-5 on this rank's parts of batches: the weights' digests, and of one process with all parts.

mpiexec -n 2 python -m tests.dist.programs.learning FOLDER    leaves rank0.json, ... there
"""

import copy
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import gpunn
from gpunn import dist, models, ops, optim
from gpunn.dist.reducer import Reducer
from gpunn.optim.accumulate import Accumulation

BATCH, STEPS = 24, 3


def digest(model):
    return hashlib.sha256(b"".join(p.array.tobytes() for p in model.parameters())).hexdigest()


def parts(ranks):
    """Each step's parts, one a rank."""
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        x = rng.standard_normal((BATCH, 1, 28, 28)).astype(np.float32)
        yield list(zip(np.split(x, ranks), np.split(rng.integers(0, 10, BATCH), ranks), strict=True))


def alone(model, ranks):
    """One process that accumulates all parts."""
    optimizer, sums = optim.SGD(model.parameters(), 0.05, 0.9), Accumulation(ranks)
    for some in parts(ranks):
        for rank, (x, y) in enumerate(some):
            optimizer.zero_grad()
            with sums.collecting(optimizer.parameters(), len(x), rank + 1 == ranks):
                ops.cross_entropy(model(x), y).backward()
        sums.release(optimizer.parameters())
        optimizer.step()
    return digest(model)


def reduced(model, group):
    """The same, by a Reducer over the ranks."""
    optimizer, sums = optim.SGD(model.parameters(), 0.05, 0.9), Reducer(1, group, 1 << 14)
    for some in parts(group.size):
        x, y = some[group.rank]
        optimizer.zero_grad()
        with sums.collecting(optimizer.parameters(), len(x), True):
            ops.cross_entropy(model(x), y).backward()
        sums.release(optimizer.parameters())
        optimizer.step()
    return digest(model)


def averaged(model, group):
    """The same, in a loop as PyTorch's."""
    model = dist.DataParallel(model, bucket_cap_mb=1 / 64)
    optimizer = optim.SGD(model.parameters(), 0.05, 0.9)
    for some in parts(group.size):
        x, y = some[group.rank]
        optimizer.zero_grad()
        ops.cross_entropy(model(x), y).backward()
        optimizer.step()
    return digest(model)


def unequal(model, group):
    """Ranks with unequal numbers of batches."""
    model = dist.DataParallel(model)
    optimizer = optim.SGD(model.parameters(), 0.05, 0.9)
    with model.join(optimizer):
        for x, y in [some[group.rank] for some in parts(group.size)][group.rank % 2 :]:
            optimizer.zero_grad()
            ops.cross_entropy(model(x), y).backward()
            optimizer.step()
    return digest(model)


if __name__ == "__main__":
    group = dist.init("cpu", timeout=300)
    gpunn.manual_seed(0)
    base = models.create("lenet5")
    found = {run.__name__: run(copy.deepcopy(base), group) for run in (reduced, averaged, unequal)}
    if group.rank == 0:
        found["alone"] = alone(copy.deepcopy(base), group.size)
    Path(sys.argv[1], f"rank{group.rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()
