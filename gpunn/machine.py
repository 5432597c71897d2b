"""The clock, the processor and its cores, in the system's words."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path


def now() -> str:
    """The date and time in UTC, to the second, as ISO 8601 writes them."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def lines_of(file: str) -> dict[str, str]:
    """The "key: value" lines of a file in /proc; none where the system keeps no such file."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def processor() -> str:
    """The processor's name, with family and model where the system says them."""
    found = lines_of("/proc/cpuinfo")
    name = found.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family {found['cpu family']}, model {found['model']})" if "cpu family" in found else name


def cores() -> int:
    """The processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
