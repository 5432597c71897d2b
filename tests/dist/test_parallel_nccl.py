"""DataParallel over NCCL, on the look-alike: sums of buckets are nodes of the captured step."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import dist, ops, optim
from gpunn.optim.accumulate import Accumulation
from gpunn.train import CapturedStep
from tests.dist.nccl_ranks import on_gpus
from tests.train.captured_steps import Net


@pytest.fixture(autouse=True)
def _emulator(look_alike):
    if not gpunn.is_available("emulator"):
        pytest.skip("the look-alike runs kernels on the emulator, which is not available (gpunn doctor says why)")


def part(step, rank, where):
    """Four samples on rank 0, and three on rank 1."""
    rng = np.random.default_rng(10 * step + rank)
    x = rng.standard_normal((4 - rank, 5)).astype(np.float32)
    return gpunn.to_device(x, where), gpunn.to_device(rng.integers(0, 5, 4 - rank), where)


def bits(model):
    return [gpunn.to_numpy(p.array).tobytes() for p in model.parameters()]


def test_ranks_that_replay_have_the_bits_of_one_that_accumulates_their_parts():
    gpunn.manual_seed(0)
    base = Net()

    def train(capture, group):
        where = f"cuda:{group.rank}"
        model = dist.DataParallel(copy.deepcopy(base).to(where), bucket_cap_mb=1e-4, ordered=True)
        step = CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.1, momentum=0.9), capture=capture)
        for i in range(5):
            step(*part(i, group.rank, where))
        step.read()
        return bits(model), step.captured

    def run(group):
        return train(False, group), train(None, group)

    one = copy.deepcopy(base).to("cuda")
    parts, optimizer = Accumulation(2), optim.SGD(one.parameters(), 0.1, momentum=0.9)
    for i in range(5):
        for rank in range(2):
            optimizer.zero_grad()
            with parts.collecting(optimizer.parameters(), 4 - rank, rank == 1):
                x, y = part(i, rank, "cuda")
                ops.cross_entropy(one(x), y).backward()
        parts.release(optimizer.parameters())
        optimizer.step()
    for eager, captured in on_gpus(2, run):
        assert eager == (bits(one), False) and captured == (bits(one), True)
