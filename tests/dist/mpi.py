"""Real ranks for tests: a program of tests/dist/programs under mpiexec, whose ranks each write what they have found."""

import json
import os
import subprocess
import sys

import pytest

from gpunn.dist import launch_starts
from gpunn.errors import GpunnError


def found_by(n, program, folder, *args, env=None):
    """What each of n ranks of `program` has found, by its `main(group, folder, *args)`: see `tell`."""
    pytest.importorskip("mpi4py", reason="ranks on cpu are MPI's")
    try:
        mpiexec = launch_starts.find_mpiexec()
    except GpunnError as error:
        pytest.skip(str(error))
    start, settings = launch_starts.mpiexec_options(mpiexec, n)
    command = [*start, sys.executable, "-m", f"tests.dist.programs.{program}", str(folder), *args]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **settings, **(env or {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(n)]


def tell(folder, rank, found):
    """Write what a rank has found."""
    with open(os.path.join(folder, f"found-{rank}.json"), "w") as file:
        json.dump(found, file)
