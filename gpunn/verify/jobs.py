"""What the compile gate compiles: everything once a source has changed, one set of macros of what has not.

kernels/compiled.json keeps a digest of each kernel's code, its sets of macros and the options: the tables beside it
hold what the compiler said of exactly that, whatever the comments say. A kernel that is as it was is compiled for all
architectures by one set alone, so that a machine with nothing in its cache is done in two minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gpunn.cuda import cubins, source
from gpunn.cuda.nvrtc import ARCHITECTURES
from gpunn.verify.launches import Build, label


class Job(NamedTuple):
    """One build for one architecture."""

    build: Build
    architecture: int

    @property
    def target(self) -> str:
        """What the compiler is asked for: "90", or "90a"."""
        return source.compiled_for(source.read(self.build[0]).architecture, self.architecture)

    @property
    def where(self) -> str:
        """In words: ``gemm/tiled float32 BM=64 VEC=4 sm_90``."""
        name, dtype, macros = self.build
        return f"{name} {label(dtype, macros)} sm_{self.target}"


def everything(sets: Iterable[Build], architectures: Sequence[int] = ARCHITECTURES) -> list[Job]:
    """Each build for each of these architectures that its kernel runs on."""
    return [
        Job(one, architecture)
        for one in sets
        for architecture in architectures
        if source.runs_on(source.read(one[0]).architecture, architecture)
    ]


def by_kernel(sets: Iterable[Build]) -> dict[str, list[Build]]:
    """The sets of each kernel."""
    found: dict[str, list[Build]] = {}
    for one in sets:
        found.setdefault(one[0], []).append(one)
    return found


def digest(sets: Sequence[Build]) -> str:
    """Of one kernel's code with all its sets of macros, and the compiler's options."""
    kernel = source.read(sets[0][0])
    parts = [*cubins.OPTIONS, kernel.architecture, kernel.code, *sorted(label(dtype, m) for _, dtype, m in sets)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def changed(sets: Iterable[Build], kept: Mapping[str, str]) -> list[Job]:
    """All of a kernel whose digest is not the kept one, and one set of every other, for every architecture."""
    found: list[Job] = []
    for name, mine in by_kernel(sets).items():
        found += everything([_widest(mine)] if digest(mine) == kept.get(name) else mine)
    return found


def in_turn(sets: Iterable[Build]) -> list[Job]:
    """One set of every kernel for one architecture, which take turns: what a second compiler is asked."""
    found = []
    for turn, mine in enumerate(by_kernel(sets).values()):
        jobs = everything([_widest(mine)])
        found.append(jobs[turn % len(jobs)])
    return found


def _widest(sets: Sequence[Build]) -> Build:
    """Of its first storage type that with the largest macros."""

    def width(one: Build) -> list[int]:
        return [number for _, number in sorted(one[2].items()) if isinstance(number, int)]

    return max((one for one in sets if one[1] == sets[0][1]), key=width)
