"""Ranks that MPI starts: the bits of one process that accumulates their parts in rank order."""

import json
import os

import pytest

from tests.dist.mpi import under_mpi


@pytest.mark.skipif("CI" not in os.environ, reason="seconds of several ranks: in CI")
@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_have_the_bits_of_one_process(ranks, tmp_path):
    under_mpi(ranks, "-m", "tests.dist.programs.learning", tmp_path).check_returncode()
    found = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(ranks)]
    alone = found[0].pop("alone")
    assert all(one == found[0] for one in found)
    assert found[0]["reduced"] == found[0]["averaged"] == alone != found[0]["unequal"]
