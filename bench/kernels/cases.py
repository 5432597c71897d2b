"""The cases of each suite, in groups by network: the tests' shape table, and the layers that only a benchmark needs.

On the CPU and the emulator a case keeps the table's small batch; on a GPU it takes its group's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gpunn.errors import unknown_name
from gpunn.reference import cases

GPU_BATCH = {"lenet": 256, "alexnet": 128, "resnet20": 128, "resnet50": 64, "vgg": 32, "mobilenet": 64}
DEFAULT_GROUPS = {"cuda": "all", "cpu": "lenet,resnet20", "emulator": "lenet"}
ODD = "odd"  # the tests' own table: every geometry, small sizes; not a part of "all"


@dataclass(frozen=True)
class AdaptiveCase:
    """Adaptive pooling of x (N, C, H, W) to `out`."""

    name: str
    x: tuple[int, ...]
    out: tuple[int, int]
    heavy: bool = True

    @property
    def y(self) -> tuple[int, ...]:
        return (*self.x[:2], *self.out)


@dataclass(frozen=True)
class GemmCase:
    """(M, L) times (L, K)."""

    name: str
    M: int
    L: int
    K: int

    @property
    def x(self) -> tuple[int, ...]:
        return (self.M, self.L)


def _conv(name: str, c: int, h: int, k: int, size: int = 3) -> Any:
    """A convolution of stride 1 that keeps the plane's size."""
    geometry = (1, 1), (size // 2, size // 2), (1, 1)
    return cases.ConvCase(name, (1, c, h, h), (k, c, size, size), *geometry, 1, False, heavy=True)


def _convs() -> list[Any]:
    more = [_conv("vgg conv1_1", 3, 224, 64), _conv("vgg conv1_2", 64, 224, 64), _conv("vgg conv2_2", 128, 112, 128)]
    more += [_conv("vgg conv3_2", 256, 56, 256), _conv("vgg conv4_2", 512, 28, 512), _conv("vgg conv5_2", 512, 14, 512)]
    more += [_conv("resnet50 stage2 3x3", 128, 28, 128), _conv("resnet50 stage3 3x3", 256, 14, 256)]
    more += [_conv("resnet50 stage1 reduce", 256, 56, 64, 1), _conv("resnet50 stage3 1x1", 256, 14, 1024, 1)]
    return [*cases.ALL_CONV2D, *more]


def _pools() -> list[Any]:
    more = [cases.PoolCase("lenet pool2", (8, 16, 10, 10), (2, 2), (2, 2), heavy=True)]
    more += [cases.PoolCase("vgg pool1", (1, 64, 224, 224), (2, 2), (2, 2), heavy=True)]
    adaptive = [AdaptiveCase(f"adaptive {x} to {out}", x, out, heavy=False) for x, out in cases.ADAPTIVE]
    adaptive += [AdaptiveCase("resnet20 last pool", (8, 64, 8, 8), (1, 1))]
    adaptive += [AdaptiveCase("resnet50 last pool", (2, 2048, 7, 7), (1, 1))]
    return [*cases.ALL_POOL, *more, *adaptive]


def _norms() -> list[Any]:
    more = [cases.BatchNormCase("lenet 20-50-500 norm", (8, 20, 24, 24), relu=True, heavy=True)]
    more += [cases.BatchNormCase("resnet50 stage4 norm", (1, 512, 7, 7), relu=True, heavy=True)]
    return [*cases.ALL_BATCHNORM, *more]


def _gemms() -> list[Any]:
    rows = [("lenet5 fc1", 64, 400, 120), ("lenet 20-50-500 fc1", 64, 800, 500), ("alexnet fc1", 128, 9216, 4096)]
    rows += [("resnet50 fc", 64, 2048, 1000), ("resnet20 fc", 128, 64, 10)]
    rows += [(f"square {n}", n, n, n) for n in (256, 512, 1024, 4096)]
    return [GemmCase(*row) for row in rows]


TABLES = {"conv2d": _convs, "pool2d": _pools, "batchnorm": _norms, "gemm": _gemms}


def group_of(case: Any) -> str:
    """The network that a case's name starts with, "square", or "odd" for the tests' small shapes."""
    if not getattr(case, "heavy", True):
        return ODD
    first = case.name.split()[0]
    return next((name for name in ("lenet", "alexnet") if first.startswith(name)), first)


def groups(suite: str) -> dict[str, list[Any]]:
    """Cases by group, in the table's order."""
    found: dict[str, list[Any]] = {}
    for case in TABLES[suite]():
        found.setdefault(group_of(case), []).append(case)
    return found


def choose(suite: str, wanted: str | None, device: str, batch: int | None) -> list[Any]:
    """The cases that ``--cases`` names: groups, single cases, or "all". Raises UsageError with the nearest name."""
    table = groups(suite)
    if wanted is None:
        wanted = ",".join(name for name in DEFAULT_GROUPS[device].split(",") if name == "all" or name in table) or "all"
    single = {case.name: [case] for cases in table.values() for case in cases}
    everything = [case for name, cases in table.items() if name != ODD for case in cases]
    known = {"all": everything, **table, **single}
    found: dict[str, Any] = {}
    for name in filter(None, map(str.strip, wanted.split(","))):
        if name not in known:
            raise unknown_name(f"case of {suite}", name, [*table, "all", *_alike(name, single)])
        found.update((case.name, _batched(case, device, batch)) for case in known[name])
    return list(found.values())


def _alike(name: str, single: dict[str, Any]) -> list[str]:
    """Single cases worth listing: those that share a word with what was asked for."""
    words = set(name.lower().split())
    return [case for case in single if words & set(case.lower().split())]


def _batched(case: Any, device: str, batch: int | None) -> Any:
    size = batch or (GPU_BATCH.get(group_of(case)) if device == "cuda" else None)
    if not size or isinstance(case, GemmCase) or not case.x[0]:
        return case
    return replace(case, x=(size, *case.x[1:]))
