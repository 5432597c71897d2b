"""The guards are guarded: `gpunn verify` catches bugs planted into the kernels, a few of them here, forty in CI.

All of them take the better part of an hour: python -m tests.kernels.mutants
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpunn.cuda import source
from tests.kernels.mutants import table
from tests.kernels.mutants.run import MUTANTS, judge

ROOT = Path(__file__).parents[2]


def test_every_place_is_in_the_kernels_once(tmp_path):
    for mutant in MUTANTS:
        file = tmp_path / mutant.file
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source.folder() / mutant.file, file)
        mutant.plant(tmp_path)
        assert file.read_text() != (source.folder() / mutant.file).read_text()


def test_every_family_and_every_kind_has_its_bugs():
    planted = [mutant for mutant in MUTANTS if not mutant.harmless]
    assert len(planted) >= 150 and len(set(MUTANTS)) == len(MUTANTS)
    assert {mutant.file.split("/")[0] for mutant in planted} >= {name.split("/")[0] for name in source.names()}
    kinds = {value for name, value in vars(table).items() if name.isupper()}
    assert {mutant.kind for mutant in planted} == kinds
    assert all(mutant.harmless == "" or len(mutant.harmless) > 20 for mutant in MUTANTS)


def test_a_place_that_is_gone_is_named(tmp_path):
    (tmp_path / "a.cu").write_text("x = 1; x = 1;")
    for old, times in (("x = 2", 0), ("x = 1", 2)):
        with pytest.raises(
            ValueError, match=rf"a.cu, halo: {old}: a.cu has its text {times} times, expected once; mend"
        ):
            table.Mutant("a.cu", table.HALO, old, "").plant(tmp_path)


@pytest.mark.skipif(not os.environ.get("CI"), reason="kernels that test_cases.py runs as well: in CI")
@pytest.mark.usefixtures("emulator")
def test_kernels_without_a_bug_are_not_caught():
    assert judge({"reduce/segment_sums"}) == ""


@pytest.mark.timeout(1000)
@pytest.mark.usefixtures("emulator")
def test_verify_catches_the_planted_bugs():
    """Of hundreds by default two, in CI forty, the same each time."""
    pytest.importorskip("ml_dtypes")
    count = 40 if os.environ.get("CI") else 2
    command = [sys.executable, "-m", "tests.kernels.mutants", "--sample", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} mutants planted, {count} caught, 0 wrong" in done.stdout
