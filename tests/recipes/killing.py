"""Runs commands in forks of a process that has imported all, and signals them at a given access to their files.

Started as `python -m tests.recipes.killing`; a line of JSON in, {"command": [...], "log": path, "at": 7, "signal": 9,
"again": 0}, a line out: {"status": 137, "accesses": 7}. The signal is sent as the file access number `at` begins,
once more at each of the next `again` ones. Neither times nor processor decide where a run is cut.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "fcntl.flock")


def run(job: Mapping[str, Any], report: int) -> None:
    """In a fork: the command, signalled where the job says; writes how many accesses there were."""
    from gpunn.cli import main

    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    here, count = os.getcwd(), 0

    def hook(event: str, args: tuple) -> None:
        nonlocal count
        if event not in EVENTS:
            return
        where = args[0] if args else None
        if isinstance(where, int) if event != "fcntl.flock" else False:
            return
        if event != "fcntl.flock" and not os.path.abspath(os.fsdecode(where)).startswith(here + os.sep):
            return
        count += 1
        os.pwrite(report, b"%8d" % count, 0)
        if job["at"] <= count <= job["at"] + job["again"]:
            os.kill(os.getpid(), job["signal"])

    sys.addaudithook(hook)
    status = main(job["command"])
    sys.stdout.flush()
    os._exit(status)


def serve() -> None:
    """Answer jobs until the input ends."""
    import gpunn.train.callbacks
    from gpunn import data
    from tests.tiny_runs import tiny_dataset

    dataset = tiny_dataset()
    data.load = lambda name, limit=None: dataset
    gpunn.train.callbacks.draw_curves = lambda *args: None  # 0.2 s each, through the writer that all files go through
    report = os.memfd_create("accesses")
    for line in sys.stdin:
        job = json.loads(line)
        os.pwrite(report, b"%8d" % 0, 0)
        child = os.fork()
        if child == 0:
            try:
                run(job, report)
            finally:
                os._exit(99)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"status": code, "accesses": int(os.pread(report, 8, 0))}), flush=True)


if __name__ == "__main__":
    serve()
