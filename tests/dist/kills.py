"""Kills random ranks at random moments of runs of gpunn train: does each end in time, say who died, and go on?

    python -m tests.dist.kills --kills 100

A run is `gpunn launch -n 3 --restarts ...`, which goes on by itself; its last weights are compared, bit for bit, with
those of a run that nobody disturbed. One kill in ten is a SIGSTOP: a rank that stands still.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpunn.dist import launch_guard

RANKS = 3
LIMIT = 30.0  # seconds from a kill to the end of all its run's ranks
COMMAND = ["train", "lenet5", "--data", "digits", "--limit", "600", "--epochs", "6", "--batch-size", "30"]
SAYS = r"launch: rank (\d+) \(process (\d+) on "


@dataclass
class Kill:
    """A rank that was ended so many seconds after its start; whom the launcher named, and when all had ended."""

    rank: int
    pid: int
    signum: int
    after: float
    seconds: float = float("inf")
    named: tuple[int, int] | None = None


@dataclass
class Run:
    """A launched training and what happened in it."""

    folder: Path
    kills: list[Kill] = field(default_factory=list)
    status: int | None = None
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0  # from when its first ranks were there

    def start(self, restarts: int) -> subprocess.Popen:
        command = ["launch", "-n", str(RANKS), "--restarts", str(restarts), *COMMAND, "--out", str(self.folder)]
        process = subprocess.Popen(
            [sys.executable, "-m", "gpunn", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.pipe: Any = process.stderr
        self.reader = threading.Thread(target=self.lines.extend, args=(self.pipe,))
        self.reader.start()
        return process

    def train(self, rng: random.Random, kills: int, span: float, stops: float) -> Run:
        """Train, and kill so many ranks, each at a random moment up to `span` seconds after a start."""
        process = self.start(kills + 1)
        try:
            seen: set[int] = set()
            pids = self.next_ranks(process, seen)
            began = time.monotonic()
            while pids and len(self.kills) < kills:
                self.kill_one(process, rng, pids, rng.uniform(0, span), stops)
                pids = self.next_ranks(process, seen)
            self.status = process.wait(timeout=600)
            self.seconds = time.monotonic() - began
        finally:
            process.kill()
            self.reader.join()
            self.pipe.close()
        return self

    def next_ranks(self, process: subprocess.Popen, seen: set[int]) -> dict[int, int]:
        """The ranks of a start that has not been met yet, once all are there; none where the launcher ends before."""
        while process.poll() is None:
            pids = ranks_of(process.pid)
            if len(pids) == RANKS and not seen & set(pids.values()):
                seen.update(pids.values())
                return pids
            time.sleep(0.01)
        return {}

    def kill_one(
        self, process: subprocess.Popen, rng: random.Random, pids: dict[int, int], after: float, stops: float
    ) -> None:
        """Kill one of these, unless the run ends before, and wait until all have ended and the launcher has spoken."""
        rank, signum = rng.randrange(RANKS), signal.SIGSTOP if rng.random() < stops else signal.SIGKILL
        until = time.monotonic() + after
        while time.monotonic() < until:
            if process.poll() is not None or ended(pids[rank]):
                return
            time.sleep(0.005)
        said = len(self.lines)
        os.kill(pids[rank], signum)
        kill = Kill(rank, pids[rank], signum, after)
        self.kills.append(kill)
        began = time.monotonic()
        while not all(map(ended, pids.values())):
            if time.monotonic() - began > 3 * LIMIT:
                return
            time.sleep(0.01)
        kill.seconds = time.monotonic() - began
        while (
            kill.named is None
            and time.monotonic() - began < LIMIT + 10
            and (process.poll() is None or self.reader.is_alive())
        ):
            found = [match for line in self.lines[said:] if (match := re.search(SAYS, line))]
            kill.named = (int(found[0][1]), int(found[0][2])) if found else None
            time.sleep(0.01)


def ranks_of(launcher: int) -> dict[int, int]:
    """The processes of a launcher's ranks, by number: children of guards, and they of mpiexec's."""
    parents, guards = {}, set()
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and (parent := _parent(entry)):
            parents[int(entry)] = parent
    for pid in parents:
        if launch_guard.__file__.encode() in _read(f"/proc/{pid}/cmdline") and _descends(pid, launcher, parents):
            guards.add(pid)
    found = {}
    for pid, parent in parents.items():
        if parent in guards and not ended(pid):
            match = re.search(rb"(?:^|\0)PMI_RANK=(\d+)\0", _read(f"/proc/{pid}/environ"))
            if match:
                found[int(match[1])] = pid
    return found


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        if (pid := parents[pid]) == ancestor:
            return True
    return False


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # it has ended
        return b""


def _parent(entry: str) -> int:
    words = _read(f"/proc/{entry}/stat").rpartition(b")")[2].split()
    return int(words[1]) if words else 0


def ended(pid: int) -> bool:
    """Whether a process has ended; one that its parent has not looked at yet has."""
    words = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return not words or words[0] == b"Z"


def weights(folder: Path) -> dict[str, np.ndarray]:
    """All arrays that a run leaves for others; not what it notes of itself, such as its seconds."""
    found = {}
    for name in ("last.npz", "best.npz"):
        with np.load(folder / name, allow_pickle=False) as file:
            found.update({f"{name}: {key}": file[key] for key in file.files if key != "meta.json"})
    return found


def differences(got: Path, want: Path) -> list[str]:
    """The arrays in which two runs differ in any bit."""
    a, b = weights(got), weights(want)
    return [key for key in sorted({*a, *b}) if key not in a or key not in b or a[key].tobytes() != b[key].tobytes()]


def complaints(run: Run, want: Path) -> list[str]:
    """What is wrong with a run that was disturbed."""
    found = []
    for kill in run.kills:
        what = f"{signal.Signals(kill.signum).name} of rank {kill.rank} after {kill.after:.2f} s"
        if kill.seconds > LIMIT:
            found.append(f"{what}: its run had not ended after {kill.seconds:.1f} s")
        if kill.named != (kill.rank, kill.pid):
            found.append(f"{what}: the launcher named {kill.named}, not {(kill.rank, kill.pid)}")
    if run.status != 0:
        return [*found, f"exit status {run.status}: {run.lines[-3:]}"]
    return found + [f"{key} differs from the undisturbed run's" for key in differences(run.folder, want)]


def disturb(kills: int, seed: int, each: int, stops: float, folder: Path) -> tuple[list[Run], list[str]]:
    """Runs with so many kills together, at most `each` in one, and what was wrong."""
    rng = random.Random(seed)
    calm = Run(folder / "calm").train(rng, 0, 0.0, 0.0)
    if calm.status != 0:
        raise SystemExit(f"the undisturbed run ended with {calm.status}: {''.join(calm.lines)}")
    runs, wrong, span = [], [], calm.seconds
    while (done := sum(len(run.kills) for run in runs)) < kills:
        run = Run(folder / f"run-{len(runs)}")
        run.train(rng, min(each, kills - done), span, stops)
        if not run.kills:  # it was quicker than the moment that was drawn
            span = min(span, run.seconds)
        found = [f"run {len(runs)}: {words}" for words in complaints(run, calm.folder)]
        if found:
            print("\n".join(found), *run.lines, sep="\n", flush=True)
        wrong += found
        runs.append(run)
        print(f"{done + len(run.kills)} kills in {len(runs)} runs, {len(wrong)} complaints", flush=True)
    return runs, wrong


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=5, help="kills in one run at most")
    parser.add_argument("--stops", type=float, default=0.1, help="share of them that are SIGSTOP")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="gpunn-kills-"))
    runs, wrong = disturb(args.kills, args.seed, args.each, args.stops, folder)
    for signum in (signal.SIGKILL, signal.SIGSTOP):
        seconds = sorted(kill.seconds for run in runs for kill in run.kills if kill.signum == signum)
        if seconds:
            words = f"all ranks had ended {seconds[len(seconds) // 2]:.2f} s later (median; {seconds[-1]:.2f} at most)"
            print(f"{signum.name}: {len(seconds)}; {words}")
    print("\n".join(wrong) or "every run ended in time, named the rank, went on, and has the undisturbed run's weights")
    if not wrong:
        shutil.rmtree(folder)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
