"""The emulator's figures in place of times: what a kernel does to memory, exactly repeatable."""

from __future__ import annotations

from typing import Any

from bench.clocks import Call

SECTOR = 32  # bytes


def counted(call: Call, bytes_: int) -> tuple[Any, dict[str, float]]:
    """The call's result and its counts over all launches. `bytes_` is what the operation must move at least.

    sectors, ideal_sectors: 32-byte sectors that warps asked for, and the fewest that hold the same bytes. traffic:
    sectors over the compulsory bytes, that is, how often caches must serve each byte. passes, ideal_passes: cycles of
    shared memory, and without bank conflicts. The rest are warp instructions by class.
    """
    from gpunn import emulator

    with emulator.counting() as kernels:
        result = call()

    def total(what: str, space: str, write: bool | None = None) -> int:
        return sum(one.total(what, space, write) for one in kernels.values())

    sectors, ideal = total("sectors", "global"), total("compulsory", "global")
    passes, ideal_passes = total("wavefronts", "shared"), total("phases", "shared")
    return result, {
        **{name: sum(getattr(one, name) for one in kernels.values()) for name in ("launches", "blocks", "barriers")},
        "sectors": sectors,
        "ideal_sectors": ideal,
        "sector_excess": sectors / max(1, ideal),
        "traffic": sectors * SECTOR / max(1, bytes_),
        "passes": passes,
        "ideal_passes": ideal_passes,
        "conflict_ways": passes / max(1, ideal_passes),
        "global_loads": total("instructions", "global", False),
        "global_stores": total("instructions", "global", True),
        "shared_loads": total("instructions", "shared", False),
        "shared_stores": total("instructions", "shared", True),
    }
