"""What a measurement was made on: processor, versions, threads, commit."""

from __future__ import annotations

import datetime
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

# Settings that hold NumPy's OpenBLAS, and nothing of PyTorch, to another processor's kernels.
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


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


def torch_or_none() -> Any:
    return importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def hold_threads(count: int) -> None:
    """The same count of threads for every side, on the same cores."""
    from gpunn.cpu.threads import set_thread_count

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    set_thread_count(count)
    if torch := torch_or_none():
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


def describe(threads: int, seed: int, device: str = "cpu") -> dict[str, Any]:
    """What goes on top of a file of results."""
    import numpy as np

    from gpunn.cpu.blas import blas

    torch = torch_or_none()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
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
    from gpunn import backend

    cupy = backend.require_cupy()
    runtime, device = cupy.cuda.runtime, cupy.cuda.Device()
    properties = runtime.getDeviceProperties(device.id)
    core, memory = (device.attributes.get(name, 0) / 1e3 for name in ("ClockRate", "MemoryClockRate"))
    return {
        "gpu": properties["name"].decode(),
        "multiprocessors": properties["multiProcessorCount"],
        "memory_bytes": properties["totalGlobalMem"],
        "driver": runtime.driverGetVersion(),
        "cuda_runtime": runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "clock_mhz": {"core": core, "memory": memory},
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
