"""What a measurement was made on: processor, versions, threads, commit."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# Settings that hold NumPy's OpenBLAS, and nothing of PyTorch, to another processor's kernels.
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def whole(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return int(text)

    return read


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else name


def cores() -> int:
    """The processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hold_threads(count: int) -> None:
    """The same count of threads for every side, on the same cores."""
    from gpunn.cpu.threads import set_thread_count

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    set_thread_count(count)
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(count)


def memory(field: str, file: str = "/proc/meminfo") -> int | None:
    """Bytes of a line such as MemAvailable; None where the system keeps no such file."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def commit() -> str | None:
    """The checkout's commit, with + where files differ from it; None outside of git."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def torch_version() -> str | None:
    try:
        import torch
    except ImportError:
        return None
    return torch.__version__


def describe(threads: int, seed: int) -> dict[str, object]:
    """What goes on top of a file of results."""
    import numpy as np

    from gpunn.cpu.blas import blas

    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas_kernels": blas.core,
        "torch": torch_version(),
        "seed": seed,
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def without_pins(keep: bool) -> list[str]:
    """Start this program again without PINS, unless `keep`; gives the pins that hold.

    OpenBLAS reads them once, when NumPy is imported, so they can only be taken off in a new process.
    """
    held = [f"{name}={os.environ[name]}" for name in PINS if os.environ.get(name)]
    if not held or keep:
        return held
    environment = {key: value for key, value in os.environ.items() if key not in PINS}
    environment["GPUNN_BENCH_UNPINNED"] = " ".join(held)
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
