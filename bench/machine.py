"""What a measurement was made on: processor, versions, threads, commit."""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.cpu.blas import blas
from gpunn.cpu.threads import set_thread_count
from gpunn.machine import cores as cores
from gpunn.machine import lines_of, now, processor

# Settings that hold NumPy's OpenBLAS, and nothing of PyTorch, to another processor's kernels.
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
CLOCKS = {"core": "ClockRate", "memory": "MemoryClockRate"}  # of CuPy's attributes of a device, in kHz


def torch_or_none() -> Any:
    return importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def hold_threads(count: int) -> None:
    """The same count of threads for every side, on the same cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    set_thread_count(count)
    if torch := torch_or_none():
        torch.set_num_threads(count)


def memory(field: str, file: str = "/proc/meminfo") -> int | None:
    """Bytes of a line such as MemAvailable, in kB there; None where the system does not say."""
    found = lines_of(file).get(field)
    return None if found is None else int(found.split()[0]) * 1024


def commit() -> str:
    """The checkout's commit, with + where files differ from it; outside of git what $COMMIT says, or "unknown"."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL, cwd=Path(__file__).parent).strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("COMMIT") or "unknown"


def describe(threads: int, seed: int, device: str = "cpu") -> dict[str, Any]:
    """What goes on top of a file of results."""
    torch = torch_or_none()
    return {
        "date": now(),
        "command": shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        "commit": commit(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas_kernels": blas.core,
        "torch": torch.__version__ if torch else None,
        "seed": seed,
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        **(_gpu() if device.startswith("cuda") else {}),
    }


def _gpu() -> dict[str, Any]:
    """The current GPU with its clocks, and the versions of what drives it."""
    cupy = backend.require_cupy()
    runtime, device = cupy.cuda.runtime, cupy.cuda.Device()
    properties = runtime.getDeviceProperties(device.id)
    return {
        "gpu": properties["name"].decode(),
        "multiprocessors": properties["multiProcessorCount"],
        "memory_bytes": properties["totalGlobalMem"],
        "driver": runtime.driverGetVersion(),
        "cuda_runtime": runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "clock_mhz": {key: device.attributes.get(name, 0) / 1e3 for key, name in CLOCKS.items()},
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
