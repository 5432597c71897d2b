"""The emulator's figures in place of times: what a kernel does to memory, exactly repeatable."""

from __future__ import annotations

from typing import Any

from bench.clocks import Call

SECTOR = 32  # bytes
TOTALS = {  # name: what is summed over all loads (False), stores (True) or both (None) of a memory space
    "sectors": ("sectors", "global", None),
    "ideal_sectors": ("compulsory", "global", None),
    "passes": ("wavefronts", "shared", None),
    "ideal_passes": ("phases", "shared", None),
    "global_loads": ("instructions", "global", False),
    "global_stores": ("instructions", "global", True),
    "shared_loads": ("instructions", "shared", False),
    "shared_stores": ("instructions", "shared", True),
}


def counted(call: Call, bytes_: int) -> tuple[Any, dict[str, float]]:
    """The call's result and its counts over all launches. `bytes_` is what the operation must move at least.

    sectors, ideal_sectors: 32-byte sectors that warps asked for, and the fewest that hold the same bytes. traffic:
    sectors over the compulsory bytes, that is, how often caches must serve each byte. passes, ideal_passes: cycles of
    shared memory, and without bank conflicts. The rest are warp instructions by class.
    """
    from gpunn import emulator

    with emulator.counting() as kernels:
        result = call()
    found: dict[str, float] = {
        name: sum(getattr(one, name) for one in kernels.values()) for name in ("launches", "blocks", "barriers")
    }
    found |= {name: sum(one.total(*what) for one in kernels.values()) for name, what in TOTALS.items()}
    found["sector_excess"] = found["sectors"] / max(1, found["ideal_sectors"])
    found["traffic"] = found["sectors"] * SECTOR / max(1, bytes_)
    found["conflict_ways"] = found["passes"] / max(1, found["ideal_passes"])
    return result, found
