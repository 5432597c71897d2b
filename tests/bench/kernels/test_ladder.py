"""The ladder of kernels/README.md is what the kernels are."""

import json
import os
from functools import cache
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.kernels import ladder
from gpunn import backend

README = Path(__file__).parents[3] / "kernels" / "README.md"
pytestmark = pytest.mark.skipif(not backend.is_available("emulator"), reason="no C++ compiler for the emulator")
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="five seconds of compiling: in CI")


@pytest.fixture(scope="module", autouse=True)
def counted():
    """The rungs are counted once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "counted", cache(ladder.counted))
        yield


@in_ci
def test_the_table_is_of_the_kernels_as_they_are(tmp_path):
    again = tmp_path / "README.md"
    again.write_text(README.read_text().replace("| `naive` |", "| `changed` |"))
    assert main(["ladder", "--write", str(again)]) == 0
    remedy = "run `python -m bench ladder --device emulator --write kernels/README.md`"
    assert again.read_text() == README.read_text(), f"kernels/README.md has another ladder; {remedy}"


@in_ci
def test_a_rung_without_a_run_on_a_card_has_no_speed(tmp_path, capsys):
    head = {"schema": "gpunn bench 1", "suite": "conv2d", "device": "emulator", "date": "2026-01-02", "commit": "a"}
    (tmp_path / "a.json").write_text(json.dumps({**head, "seed": 0, "numpy": "2", "rows": []}))
    assert main(["ladder", "--results", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert len(lines) >= 3 and all(line.endswith("| - |") for line in lines)
    assert [line.split("`")[1] for line in lines] == [name for name in ladder.RUNGS if f"`{name}`" in str(lines)]


def test_registers_are_the_tables_own():
    table = json.loads((README.parent / "resources.json").read_text())
    assert ladder.registers("conv2d/naive_forward", None) == str(table["conv2d/naive_forward"]["float32"]["90"][0])
    assert ladder.registers("conv2d/none", None) == "-"


def test_another_device_is_refused(capsys):
    assert main(["ladder", "--device", "cpu"]) == 2
    assert "ladder: --device cpu counts nothing; leave it at emulator" in capsys.readouterr().err
