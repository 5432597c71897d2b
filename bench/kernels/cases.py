"""The cases of each suite, in groups by network: the tests' shape table, and the layers that only a benchmark needs.

On the CPU and the emulator a case keeps the table's small batch; on a GPU it takes its group's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bench.kernels import elements
from gpunn.errors import unknown_name
from gpunn.reference import cases
from gpunn.reference.shapes import AdaptiveCase, BatchNormCase, ConvCase, PoolCase

GPU_BATCH = {"lenet": 256, "alexnet": 128, "resnet20": 128, "resnet50": 64, "vgg": 32, "mobilenet": 64}
GPU_BATCH |= {"wave": 8, "unet3d": 4}
DEFAULT_GROUPS = {"cuda": ["all"], "cpu": ["lenet", "resnet20"], "emulator": ["lenet"]}
ODD = "odd"  # the tests' own table: every geometry, small sizes; not a part of "all"


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


def _conv(name: str, c: int, h: int, k: int, size: int = 3, stride: int = 1) -> ConvCase:
    """A convolution that keeps the plane's size, or halves it."""
    geometry = (stride, stride), (size // 2, size // 2), (1, 1)
    return ConvCase(name, (1, c, h, h), (k, c, size, size), *geometry, 1, False, heavy=True)


def _wave(name: str, c: int, samples: int, k: int, taps: int, stride: int = 1, dilation: int = 1) -> ConvCase:
    """A 1-d convolution, which runs as one of two dimensions, here and in PyTorch."""
    geometry = (1, stride), (0, taps // 2 * dilation), (1, dilation)
    return ConvCase(name, (1, c, 1, samples), (k, c, 1, taps), *geometry, 1, False, heavy=True)


def _solid(name: str, c: int, d: int, k: int, size: int = 3, stride: int = 1) -> ConvCase:
    """A 3-d convolution that keeps the volume's size, or halves it."""
    geometry = (stride,) * 3, (size // 2,) * 3, (1,) * 3
    return ConvCase(name, (1, c, d, d, d), (k, c, size, size, size), *geometry, 1, False, heavy=True)


# With those of gpunn/reference/cases.py every convolution of ResNet-50, each shape once.
RESNET50 = [
    _conv("resnet50 stage1 first", 64, 56, 64, 1),
    _conv("resnet50 stage1 reduce", 256, 56, 64, 1),
    _conv("resnet50 stage2 first", 256, 56, 128, 1),
    _conv("resnet50 stage2 reduce", 512, 28, 128, 1),
    _conv("resnet50 stage2 3x3", 128, 28, 128),
    _conv("resnet50 stage2 1x1", 128, 28, 512, 1),
    _conv("resnet50 stage3 first", 512, 28, 256, 1),
    _conv("resnet50 stage3 down", 256, 28, 256, 3, 2),
    _conv("resnet50 stage3 shortcut", 512, 28, 1024, 1, 2),
    _conv("resnet50 stage3 reduce", 1024, 14, 256, 1),
    _conv("resnet50 stage3 3x3", 256, 14, 256),
    _conv("resnet50 stage3 1x1", 256, 14, 1024, 1),
    _conv("resnet50 stage4 first", 1024, 14, 512, 1),
    _conv("resnet50 stage4 down", 512, 14, 512, 3, 2),
    _conv("resnet50 stage4 shortcut", 1024, 14, 2048, 1, 2),
    _conv("resnet50 stage4 reduce", 2048, 7, 512, 1),
    _conv("resnet50 stage4 1x1", 512, 7, 2048, 1),
]
TABLES: dict[str, list[Any]] = {
    "conv2d": [
        *cases.ALL_CONV2D,
        _conv("vgg conv1_1", 3, 224, 64),
        _conv("vgg conv1_2", 64, 224, 64),
        _conv("vgg conv2_2", 128, 112, 128),
        _conv("vgg conv3_2", 256, 56, 256),
        _conv("vgg conv4_2", 512, 28, 512),
        _conv("vgg conv5_2", 512, 14, 512),
        *RESNET50,
        _conv("resnet20 stage2", 32, 16, 32),
        _conv("resnet20 stage3 down", 32, 16, 64, 3, 2),
    ],
    "conv1d": [
        _wave("lenet of waves", 8, 96, 16, 9),
        _wave("wave 64 to 128", 64, 16384, 128, 9),
        _wave("wave dilated", 64, 16384, 128, 9, dilation=4),
        _wave("wave down", 64, 16384, 128, 9, 2),
        _wave("wave first", 4, 16384, 64, 9),
    ],
    "conv3d": [
        *cases.CONV3D,
        _solid("lenet of volumes", 8, 6, 16),
        _solid("unet3d 32 to 64", 32, 32, 64),
        _solid("unet3d 64 to 32", 64, 32, 32),
        _solid("unet3d down", 32, 32, 64, 3, 2),
        _solid("unet3d first", 4, 32, 32),
    ],
    "pool2d": [
        *cases.ALL_POOL,
        PoolCase("lenet pool2", (8, 16, 10, 10), (2, 2), (2, 2), heavy=True),
        PoolCase("vgg pool1", (1, 64, 224, 224), (2, 2), (2, 2), heavy=True),
        *(AdaptiveCase(f"adaptive {x} to {out}", x, out) for x, out in cases.ADAPTIVE if len(out) == 2),
        AdaptiveCase("resnet20 last pool", (8, 64, 8, 8), (1, 1), heavy=True),
        AdaptiveCase("resnet50 last pool", (2, 2048, 7, 7), (1, 1), heavy=True),
    ],
    "batchnorm": [
        *cases.ALL_BATCHNORM,
        BatchNormCase("lenet 20-50-500 norm", (8, 20, 24, 24), relu=True, heavy=True),
        BatchNormCase("resnet50 stage4 norm", (1, 512, 7, 7), relu=True, heavy=True),
    ],
    "elementwise": elements.CASES,
    "gemm": [
        GemmCase("lenet5 fc1", 64, 400, 120),
        GemmCase("lenet 20-50-500 fc1", 64, 800, 500),
        GemmCase("alexnet fc1", 128, 9216, 4096),
        GemmCase("resnet50 fc", 64, 2048, 1000),
        GemmCase("resnet20 fc", 128, 64, 10),
        *(GemmCase(f"square {n}", n, n, n) for n in (256, 512, 1024, 4096)),
    ],
}


def group_of(case: Any) -> str:
    """The network that a case's name starts with, "square", or "odd" for the tests' small shapes."""
    if not getattr(case, "heavy", True):
        return ODD
    first = case.name.split()[0]
    return next((name for name in ("lenet", "alexnet") if first.startswith(name)), first)


def groups(suite: str) -> dict[str, list[Any]]:
    """Cases by group, in the table's order."""
    found: dict[str, list[Any]] = {}
    for case in TABLES[suite]:
        found.setdefault(group_of(case), []).append(case)
    return found


def choose(suite: str, wanted: str | None, device: str, batch: int | None) -> list[Any]:
    """The cases that ``--cases`` names: groups, single cases, or "all". Raises UsageError with the nearest name."""
    table = groups(suite)
    single = {case.name: [case] for case in TABLES[suite]}
    known = {"all": [case for name, group in table.items() if name != ODD for case in group], **table, **single}
    usual = [name for name in DEFAULT_GROUPS[device] if name in known] or ["all"]
    found: dict[str, Any] = {}
    for name in usual if wanted is None else filter(None, map(str.strip, wanted.split(","))):
        if name not in known:
            words = set(name.lower().split())  # of single cases those that share a word with what was asked for
            alike = [case for case in single if words & set(case.lower().split())]
            raise unknown_name(f"case of {suite}", name, [*table, "all", *alike])
        found.update((case.name, _batched(case, device, batch)) for case in known[name])
    return list(found.values())


def _batched(case: Any, device: str, batch: int | None) -> Any:
    usual = GPU_BATCH.get(group_of(case), case.x[0] * getattr(case, "on_gpu", 0))
    size = batch or (usual if device == "cuda" else None)
    if not size or isinstance(case, GemmCase) or not case.x[0]:
        return case
    return replace(case, x=(size, *case.x[1:]))
