"""Runs and ensembles that are killed anywhere go on to the same bits, by the command that their last words name."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpunn.train import History, load_checkpoint

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and signals at an access")
ROOT = Path(__file__).parents[2]
KILLS = 200 if os.environ.get("CI") else 12
TRAIN = ["train", "mlp", "--batch-size", "60", "--epochs", "2", "--model-option", "hidden=[8]", "--out"]
KINDS = {"run": [], "ensemble": ["--ensemble", "2"]}
UNTIMED = ("seconds", "images_per_second")


class Runs:
    """Commands in a folder of their own, in forks of one process."""

    def __init__(self, folder: Path):
        self.folder = folder
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.recipes.killing"]
        self.server = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, command, at=0, signum=0, again=0):
        """Status, file accesses, and what was printed."""
        log = self.folder / "log"
        job = {"command": command, "log": str(log), "at": at, "signal": int(signum), "again": again}
        print(json.dumps(job), file=self.server.stdin, flush=True)
        done = json.loads(self.server.stdout.readline())
        return done["status"], done["accesses"], log.read_text()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = Runs(tmp_path_factory.mktemp("kills"))
    with runs.server:  # its input is closed at the end, and it ends
        yield runs


@pytest.fixture(scope="module")
def straight(runs):
    """What runs that nobody kills leave, and how often they access their files."""
    found = {}
    for kind, more in KINDS.items():
        status, accesses, words = runs.run([*TRAIN, kind, *more])
        assert status == 0, words
        found[kind] = (accesses, left(runs.folder / kind))
    return found


def left(folder: Path) -> dict[str, object]:
    """What a run leaves, without what no two runs share: each file's name, and its values where it has some."""
    found: dict[str, object] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".npz":
            found[name] = {key: array.tobytes() for key, array in load_checkpoint(path)["model"].items()}
        elif path.suffix == ".csv":
            found[name] = [{k: v for k, v in row.items() if k not in UNTIMED} for row in History.read_csv(path)]
        else:
            found[name] = path.suffix
    return found


def next_command(command: list[str], out: str, signum: int, words: str) -> list[str]:
    """What to do after a kill: what the last words say, or what one tries after SIGKILL, which says nothing."""
    if named := re.search(r"(?:go on|start a run there) with: gpunn (.*)", words):
        return shlex.split(named[1]) if "NAME" not in named[1] else command
    return ["train", "--resume", out] if signum == signal.SIGKILL else command


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_run_goes_on_to_the_same_bits_and_leaves_no_litter(runs, straight, seed):
    rng = random.Random(seed)
    kind, signum = rng.choice([*KINDS]), rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    accesses, whole = straight[kind]
    out = f"{kind}-{seed}"
    started = [*TRAIN, out, *KINDS[kind]]
    again = rng.choice([0, 0, 1, 2]) if signum != signal.SIGKILL else 0
    status, _, words = runs.run(started, rng.randint(1, accesses), signum, again)
    assert status == (-9 if signum == signal.SIGKILL else 128 + signum), words
    if signum != signal.SIGKILL:
        assert "Traceback" not in words and len(re.findall("^gpunn: (?:interrupted|terminated)", words, re.M)) == 1
        assert {*left(runs.folder / out)} <= {*whole}, "temporary files"
    command = next_command(started, out, signum, words)
    status, _, words = runs.run(command)
    if status:  # killed before there was a run to go on with: the error names the command that starts it
        command = next_command(started, out, signal.SIGINT, words)
        status, _, words = runs.run(command)
    assert status == 0, (command, words)
    assert left(runs.folder / out) == whole, command


def test_the_seeds_cut_runs_at_many_places(runs, straight):
    assert all(accesses > 20 for accesses, _ in straight.values())
    assert {"checkpoint.npz", "last.npz", "best.npz", "history.csv"} <= {*straight["run"][1]}
    assert np.any([name.startswith("member-2/") for name in straight["ensemble"][1]])
