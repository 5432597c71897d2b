"""When, with which command and on what a run was started: a line for each start, which its report shows."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpunn import files, machine
from gpunn.train.checkpoint import write_atomically

FILE = "starts.jsonl"
SHOWN = 20  # of a run that was resumed more often the first and the last ones stay
LARGEST = 2**20  # bytes; no file of so few lines is larger


class Start(NamedTuple):
    """One start of a run."""

    date: str
    command: str
    machine: str


def note_start(folder: Path, arguments: Sequence[str], device: str) -> None:
    """Add a line to the run folder's file: now, `gpunn` with these arguments, this machine."""
    known = starts(folder)
    new = Start(machine.now(), shlex.join(["gpunn", *arguments]), this_machine(device))
    kept = [*known[: SHOWN // 2], *known[SHOWN // 2 :][-(SHOWN // 2 - 1) :], new]
    text = "".join(json.dumps(start._asdict()) + "\n" for start in kept)
    write_atomically(folder / FILE, lambda file: file.write(text.encode()), "train")


def starts(folder: Path) -> list[Start]:
    """The starts that a run folder records, the first one first; none where the file is missing or damaged."""
    path = folder / FILE
    try:
        with files.reading(path) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            return []
        found = [Start(**json.loads(line)) for line in data.decode().splitlines()]
        return found if all(isinstance(word, str) for start in found for word in start) else []
    except (OSError, ValueError, TypeError, RecursionError):  # it decorates: no report is lost to it
        return []


def this_machine(device: str) -> str:
    """The machine in a line: device, processor, cores, system, versions."""
    return (
        f"{device}; {machine.processor()}, {machine.cores()} cores; {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )
