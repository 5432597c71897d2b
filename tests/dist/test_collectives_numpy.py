"""Every collective beside what NumPy makes of all ranks' arrays: on threads, and on ranks that MPI started."""

import os

import pytest

from tests.dist.mpi import found_by
from tests.dist.programs.collecting import found_among
from tests.dist.together import together


def nothing_differs(found):
    for rank, checks in enumerate(found):
        for check, differences in checks.items():
            assert not differences, f"rank {rank}, {check}: {differences}"


def test_on_threads():
    nothing_differs(together(2, found_among))


@pytest.mark.skipif(not os.environ.get("CI"), reason="starts three processes: in CI")
def test_on_processes_of_mpi(tmp_path):
    nothing_differs(found_by(3, "collecting", tmp_path))
