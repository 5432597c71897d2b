"""One subject: an operation on one case, its arrays on the device, what it must give, what it costs at least.

Which operations and variants there are is read from gpunn.cuda.variants, costs from the kernels' own headers: a new
variant, or a new pass of a family below, needs no change here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.kernels.oracle import Expected
from gpunn import backend
from gpunn.cuda import source
from gpunn.cuda.dtypes import SIZES
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify import numpy_dtype

PRECISIONS = {"fp32": "float32", "fp64": "float64", "fp16": "float16", "bf16": "bfloat16"}


@dataclass
class Subject:
    """`run` computes on the device; `given` holds what rivals need: the case, `kind` and the host arrays by name."""

    case: str
    shape: str
    operation: str
    precision: str
    run: Callable[[], Any]
    expect: Callable[[], list[Expected]]
    given: SimpleNamespace
    letters: dict[str, int] = field(default_factory=dict)
    cost: tuple[int, int] | None = None  # (FLOP, bytes), where no kernel's header says it
    prepare: Callable[[], Any] | None = None  # makes those of `run`'s inputs that are another pass's outputs

    @cached_property
    def expected(self) -> list[Expected]:
        return self.expect()

    @cached_property
    def floor(self) -> tuple[int, int]:
        """(FLOP, bytes) as the headers of the last variant state them: the one that takes everything.

        One figure for all variants, so that none looks better for stating more work.
        """
        return self.cost or _stated(OPERATIONS[self.operation].variants[-1].sources, self.letters)


def _stated(sources: tuple[str, ...], letters: dict[str, int]) -> tuple[int, int]:
    """(FLOP, bytes) over a variant's files; a file whose formula needs more than the shape handles scratch alone."""
    total = [0, 0]
    for name in sources:
        kernel = source.read(name)
        try:
            costs = [kernel.formula(key, letters) for key in ("flops", "bytes")]
        except NameError:
            continue
        total = [a + b for a, b in zip(total, costs, strict=True)]
    return total[0], total[1]


def operations(family: str) -> list[str]:
    """The passes of a family by their names in gpunn.cuda.variants; "gemm.product" while no kernel multiplies."""
    if family == "gemm":
        return [name for name in OPERATIONS if name.startswith(("gemm.", "matmul."))] or ["gemm.product"]
    prefix = {"pool2d": "pool", "batchnorm": "batch_norm"}.get(family, family)
    return [name for name in OPERATIONS if name.startswith(f"{prefix}.")]


def channels_last(array: Any, device: str) -> Any:
    """(N, C, *) on the device in channels-last memory, as a convolution leaves it."""
    if array is None or array.ndim < 3:
        return None if array is None else backend.to_device(array, device)
    order = (0, *range(2, array.ndim), 1)
    moved = backend.to_device(np.ascontiguousarray(array.transpose(order)), device)
    return moved.transpose((0, array.ndim - 1, *range(1, array.ndim - 1)))


def rounded(arrays: tuple, dtype: str) -> list[Any]:
    kind = numpy_dtype(dtype)
    return [None if a is None else a.astype(kind) for a in arrays]


def by(array: tuple[int, ...]) -> str:
    return "x".join(map(str, array))


def letters_of(names: str, sizes: tuple[int, ...], dtype: str) -> dict[str, int]:
    return {**dict(zip(names, sizes, strict=True)), "e": SIZES[dtype], "V": 16 // SIZES[dtype]}


def size_in_memory(case: Any, dtype: str) -> int:
    """Bytes of a case's arrays and results on the device, at least."""
    shapes = [case.x, case.x, getattr(case, "y", case.x), getattr(case, "y", case.x), getattr(case, "w", (0,))]
    return SIZES[dtype] * sum(math.prod(s) for s in shapes)
