"""What a launch did to memory, counted a warp instruction at a time: the profiler's figures, with no GPU."""

from __future__ import annotations

import contextvars
import ctypes
from dataclasses import dataclass, field

from gpunn.emulator.faults import source_lines
from gpunn.restored import Setting

_SUMS = ("instructions", "lanes", "bytes", "sectors", "compulsory", "wavefronts", "phases")


class _Site(ctypes.Structure):  # struct SiteCount of host/runtime/count.h
    _fields_ = (
        ("site", ctypes.c_uint64),
        ("shared", ctypes.c_int32),
        ("write", ctypes.c_int32),
        *((name, ctypes.c_uint64) for name in _SUMS),
    )


@dataclass
class Site:
    """The counts of one load or store in the source. ``bytes`` is over all lanes."""

    place: str  # file:line
    space: str  # "global" or "shared"
    write: bool
    instructions: int = 0
    lanes: int = 0
    bytes: int = 0
    sectors: int = 0
    compulsory: int = 0
    wavefronts: int = 0
    phases: int = 0

    @property
    def bytes_a_lane(self) -> float:
        return self.bytes / self.lanes

    @property
    def excess(self) -> float:
        """Sectors over compulsory ones (global), passes over conflict-free passes (shared): 1.0 is ideal."""
        return self.sectors / self.compulsory if self.space == "global" else self.wavefronts / self.phases


@dataclass
class Counters:
    """Sums over launches. A sector is 32 bytes; compulsory is the fewest that hold a warp access's distinct bytes.

    A shared access takes one pass (wavefront) a phase when no two lanes want different words of one bank; a phase is a
    warp for accesses up to 4 bytes a lane, half a warp for 8, a quarter for 16.
    """

    launches: int = 0
    blocks: int = 0
    barriers: int = 0
    sites: list[Site] = field(default_factory=list)

    def total(self, what: str, space: str, write: bool | None = None) -> int:
        """The sum of one field over the sites of one memory space, over loads (write False), stores (True) or both."""
        return sum(getattr(s, what) for s in self.sites if s.space == space and (write is None or s.write == write))

    @property
    def barriers_per_block(self) -> float:
        return self.barriers / self.blocks

    @property
    def global_load_sectors(self) -> int:
        return self.total("sectors", "global", False)

    @property
    def global_store_sectors(self) -> int:
        return self.total("sectors", "global", True)

    @property
    def sector_excess(self) -> float:
        """Global sectors over compulsory sectors; 1.0 is fully coalesced."""
        return self.total("sectors", "global") / max(1, self.total("compulsory", "global"))

    @property
    def shared_accesses(self) -> int:
        return self.total("instructions", "shared")

    @property
    def conflict_ways(self) -> float:
        """Passes a conflict-free pass over all shared accesses; 1.0 is free of bank conflicts."""
        return self.total("wavefronts", "shared") / max(1, self.total("phases", "shared"))

    def hottest(self, space: str, count: int = 4) -> list[Site]:
        """The sites of one space with the most instructions: the main loop's."""
        return sorted((s for s in self.sites if s.space == space), key=lambda s: -s.instructions)[:count]

    def table(self) -> str:
        """One line a site: place, kind, instructions, bytes a lane, excess."""
        rows = [f"{'where':50} {'what':13} {'warp accesses':>13} {'B/lane':>6} {'excess':>6}"]
        for s in sorted(self.sites, key=lambda s: (s.space, -s.instructions)):
            what = f"{s.space} {'store' if s.write else 'load'}"
            rows.append(f"{s.place:50} {what:13} {s.instructions:13} {s.bytes_a_lane:6.1f} {s.excess:6.2f}")
        return "\n".join(rows)


_active: contextvars.ContextVar[dict[str, Counters] | None]
_active = contextvars.ContextVar("gpunn emulator counting", default=None)


def counting() -> Setting[dict[str, Counters]]:
    """Count every launch inside: gives a dict from kernel name to its Counters."""
    return Setting(_active, lambda before: {})


def active_counters(name: str) -> Counters | None:
    """The Counters that an enclosing ``counting`` keeps for this kernel."""
    counts = _active.get()
    return None if counts is None else counts.setdefault(name, Counters())


def collect(function, library: ctypes.CDLL, wanted: list[Counters], blocks: int) -> None:
    """Add the counts of the launch that has just ended."""
    table, barriers = ctypes.POINTER(_Site)(), ctypes.c_uint64()
    count = library.gpunn_counts(ctypes.byref(table), ctypes.byref(barriers))
    entries = [table[i] for i in range(count)]
    places = source_lines(function, [entry.site for entry in entries])
    for counters in wanted:
        counters.launches += 1
        counters.blocks += blocks
        counters.barriers += barriers.value
        known = {(s.place, s.space, s.write, s.bytes // max(1, s.lanes)): s for s in counters.sites}
        for entry, place in zip(entries, places, strict=True):
            space = "shared" if entry.shared else "global"
            key = (place, space, bool(entry.write), entry.bytes // entry.lanes)
            if key not in known:
                known[key] = Site(place, space, bool(entry.write))
                counters.sites.append(known[key])
            for name in _SUMS:
                setattr(known[key], name, getattr(known[key], name) + getattr(entry, name))
