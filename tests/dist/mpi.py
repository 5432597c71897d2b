"""Real ranks for tests: a program of tests/dist/programs under mpiexec, whose ranks each write what they have found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpunn.dist import launch_starts
from gpunn.errors import GpunnError

ROOT = Path(__file__).parents[2]


def needs_mpi():
    """The path of mpiexec; skips the test where it, or mpi4py, is missing."""
    pytest.importorskip("mpi4py", reason="ranks on cpu are MPI's", exc_type=ImportError)
    try:
        return launch_starts.find_mpiexec()
    except GpunnError as error:
        pytest.skip(str(error))


def under_mpi(n, *command, env=None, timeout=400):
    """Run Python with these arguments as n ranks of one thread each; skips the test where there is no MPI."""
    start, settings = launch_starts.mpiexec_options(needs_mpi(), n)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **settings, **(env or {})}
    command = [*start, sys.executable, *map(str, command)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, cwd=ROOT)


def found_by(n, program, folder, *args, env=None):
    """What each of n ranks of `program` has found, by its `main(group, folder, *args)`: see `tell`."""
    done = under_mpi(n, "-m", f"tests.dist.programs.{program}", folder, *args, env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(n)]


def tell(folder, rank, found):
    """Write what a rank has found."""
    with open(os.path.join(folder, f"found-{rank}.json"), "w") as file:
        json.dump(found, file)
