"""Ranks that MPI starts: the bits of one process that accumulates their parts in rank order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpunn.dist import launch_starts
from gpunn.errors import DistError

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif("CI" not in os.environ, reason="seconds of several ranks: in CI")
@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_have_the_bits_of_one_process(ranks, tmp_path):
    pytest.importorskip("mpi4py", reason="ranks on the CPU talk by MPI")
    try:
        options, settings = launch_starts.mpiexec_options(launch_starts.find_mpiexec(), ranks)
    except DistError as error:
        pytest.skip(str(error))
    command = [*options, sys.executable, "-m", "tests.dist.programs.learning", str(tmp_path)]
    own = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # ranks share the cores
    subprocess.run(command, env={**os.environ, **settings, **own}, cwd=ROOT, check=True, timeout=60)
    found = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(ranks)]
    alone = found[0].pop("alone")
    assert all(one == found[0] for one in found)
    assert found[0]["reduced"] == found[0]["averaged"] == alone != found[0]["unequal"]
