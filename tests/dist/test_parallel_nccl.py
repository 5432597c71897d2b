"""DataParallel over NCCL, on the look-alike."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import dist, ops, optim
from gpunn.optim.accumulate import Accumulation
from tests.dist.nccl_ranks import on_gpus
from tests.train.captured_steps import Net


def part(step, rank, where):
    """Four samples on rank 0, and three on rank 1."""
    rng = np.random.default_rng(10 * step + rank)
    x = rng.standard_normal((4 - rank, 5)).astype(np.float32)
    return gpunn.to_device(x, where), gpunn.to_device(rng.integers(0, 5, 4 - rank), where)


def bits(model):
    return [gpunn.to_numpy(p.array).tobytes() for p in model.parameters()]


@pytest.mark.usefixtures("look_alike")
def test_ranks_have_the_bits_of_one_that_accumulates_their_parts():
    if not gpunn.is_available("emulator"):
        pytest.skip("the look-alike runs kernels on the emulator, which is not available (gpunn doctor says why)")
    gpunn.manual_seed(0)
    base = Net()

    def run(group):
        where = f"cuda:{group.rank}"
        model = dist.DataParallel(copy.deepcopy(base).to(where), [group.rank], bucket_cap_mb=1e-4, ordered=True)
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for i in range(3):
            x, y = part(i, group.rank, where)
            optimizer.zero_grad()
            ops.cross_entropy(model(x), y).backward()
            optimizer.step()
        return bits(model)

    one = copy.deepcopy(base).to("cuda")
    parts, optimizer = Accumulation(2), optim.SGD(one.parameters(), 0.1, momentum=0.9)
    for i in range(3):
        for rank in range(2):
            optimizer.zero_grad()
            with parts.collecting(optimizer.parameters(), 4 - rank, rank == 1):
                x, y = part(i, rank, "cuda")
                ops.cross_entropy(one(x), y).backward()
        parts.release(optimizer.parameters())
        optimizer.step()
    assert on_gpus(2, run) == [bits(one)] * 2
