"""Ranks that are processes of mpiexec, with a GPU each of CuPy's look-alike: joined by `dist.init`."""

import json
import os

import pytest

import gpunn
from tests.dist.mpi import under_mpi

pytestmark = pytest.mark.skipif(not os.environ.get("CI"), reason="processes and their imports: in CI")


@pytest.fixture(scope="module")
def ranks():
    """What each of two ranks found: tests/dist/programs/nccl.py."""
    if not gpunn.is_available("emulator"):
        pytest.skip("the look-alike runs kernels on the emulator, which is not available (gpunn doctor says why)")
    run = under_mpi(2, "-m", "tests.dist.programs.nccl")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_each_rank_has_a_gpu(ranks):
    assert [(one["kind"], one["device"], one["local"]) for one in ranks] == [("nccl", i, [i, 2]) for i in range(2)]


def test_sums_are_those_of_both(ranks):
    assert all(one["reduced"] == [[3.0] * 5, 12.0] for one in ranks)


def test_both_learn_one_network_captured_and_eager(ranks):
    for one in ranks:
        (losses, weights, none, _), (found, captured, nodes, said) = one["eager"], one["captured"]
        assert losses == found and weights == captured == ranks[0]["eager"][1]
        assert none == 0 and nodes > 2 and not said


def test_host_memory_is_refused(ranks):
    assert all("the ranks talk by NCCL, which takes arrays of cuda alone" in one["refused"] for one in ranks)
