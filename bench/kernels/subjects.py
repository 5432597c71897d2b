"""What is measured: an operation on one case, its arrays on the device, what it must give, what it costs at least.

The calls and the oracle's answers are those of `gpunn.verify`, costs come from the kernels' own headers: a new variant,
or a new pass of a family below, needs no change here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

import gpunn
from bench.clocks import Call
from bench.kernels import oracle
from bench.kernels.oracle import Part
from gpunn import backend
from gpunn.cuda import source
from gpunn.cuda.adaptive_variants import Adaptive
from gpunn.cuda.dtypes import SIZES
from gpunn.cuda.variants import OPERATIONS
from gpunn.layout import as_channels_last, channels_first
from gpunn.reference.shapes import AdaptiveCase
from gpunn.verify.tasks import TF32, as_stored, of_case
from gpunn.window import size_text

PRECISIONS = {"fp32": "float32", "tf32": "float32", "fp64": "float64", "fp16": "float16", "bf16": "bfloat16"}
# Of operations, where not the suite's.
PREFIXES = {"conv1d": "conv2d", "pool2d": "pool", "batchnorm": "batch_norm", "gemm": "matmul"}
NAMES = {  # of a case's arrays
    **dict.fromkeys(("conv2d", "conv3d"), ("x", "w", "b", "gy")),
    "pool": ("x", "gy"),
    "batch_norm": ("x", "gamma", "beta", "residual", "gy"),
}


@dataclass
class Subject:
    """`run` computes on the device; `given` holds what rivals need: the case and the host arrays by name.

    letters: those of the headers' formulas. cost: (FLOP, bytes), where no kernel's header says it. ready: makes what
    `run` takes of another pass, and is called before that is counted.
    """

    case: str
    shape: str
    operation: str
    precision: str
    run: Call
    expect: Callable[[], Part]
    given: SimpleNamespace
    letters: dict[str, int]
    cost: tuple[int, int] | None = None
    ready: Callable[[], object] = lambda: None

    @cached_property
    def expected(self) -> Part:
        return self.expect()

    @property
    def pass_(self) -> str:
        return self.operation.partition(".")[2]

    @cached_property
    def floor(self) -> tuple[int, int]:
        """(FLOP, bytes) as the headers of the last variant state them: the one that takes everything.

        One figure for all variants, so that none looks better for stating more work. A file whose formula needs more
        than the shape handles scratch alone.
        """
        if self.cost:
            return self.cost
        total = [0, 0]
        for name in OPERATIONS[self.operation].variants[-1].sources:
            try:
                costs = [source.read(name).formula(key, self.letters) for key in ("flops", "bytes")]
            except NameError:
                continue
            total = [a + b for a, b in zip(total, costs, strict=True)]
        return total[0], total[1]


def kind_of(precision: str) -> str:
    """How numbers are rounded before both sides get them: TF32's own are exact in its products."""
    return TF32 if precision == TF32 else PRECISIONS[precision]


def asking(precision: str, run: Call) -> Call:
    """The call under the precision that it is a row of; what is stored in 16 bits needs no asking."""
    if precision != TF32:
        return run

    def asked() -> Any:
        with gpunn.precision(TF32):
            return run()

    return asked


def operations(suite: str) -> list[str]:
    """The passes of a suite by their names in gpunn.cuda.variants; no change of weights, half a pass, or places."""
    mine = [one for one in OPERATIONS if one.startswith(f"{PREFIXES.get(suite, suite)}.")]
    return [one for one in mine if not one.endswith((".fold", ".apply_backward", ".places", ".positions", ".scatter"))]


def of_kernels(case: Any, device: str, precision: str, wanted: list[str]) -> Iterator[Subject]:
    """The wanted operations of a convolution, a pooling or a normalisation."""
    dtype, family = PRECISIONS[precision], wanted[0].partition(".")[0]
    names = NAMES[family]
    arrays: list[Any] = [None if a is None else as_stored(kind_of(precision), a) for a in case.arrays()]
    given = SimpleNamespace(case=case, **dict(zip(names, arrays, strict=True)))
    there = [channels_last(a, device) for a in arrays]
    shape, letters = ABOUT[family](case)
    left = [name for name in wanted if not name.endswith("grad_bias") or case.bias]
    for task in of_case(case, *there):
        if task.operation in left:
            left.remove(task.operation)  # a second task of this name is another mode of the same kernels
            expect = oracle.conv(task, case, arrays) if family.startswith("conv") else oracle.parts(task, case)
            yield Subject(case.name, shape, task.operation, precision, asking(precision, task.run), expect, given,
                          {**letters, "e": SIZES[dtype], "V": 16 // SIZES[dtype]}, ready=task.ready)  # fmt: skip


def gemm(case: Any, device: str, precision: str, wanted: list[str]) -> Iterator[Subject]:
    """A matrix product, by each of our kernels on a device."""
    dtype, rng = PRECISIONS[precision], np.random.default_rng(case.M + case.L + case.K)
    shapes = (case.M, case.L), (case.L, case.K)
    a, b = (as_stored(kind_of(precision), rng.standard_normal(s)) for s in shapes)
    A, B = (backend.to_device(array, device) for array in (a, b))
    rows = np.unique(oracle.sample((case.M,), 24)[:, 0])

    def expect() -> Part:
        want = a[rows].astype(np.float64) @ b.astype(np.float64)
        return Part(((want, case.L, None),), lambda y: y[backend.asarray(rows, device=backend.device_of(y))])

    run = asking(precision, lambda: (backend.twins(A).matmul.matmul(A, B),))
    cost = 2 * case.M * case.K * case.L, SIZES[dtype] * (case.M * case.L + case.L * case.K + case.M * case.K)
    shape, given = f"{case.M}x{case.L} times {case.L}x{case.K}", SimpleNamespace(case=case, x=a, w=b)
    for name in wanted:
        yield Subject(case.name, shape, name, precision, run, expect, given, {}, cost)


Family = Callable[..., Iterator[Subject]]
OF_KERNELS = ("conv1d", "conv2d", "conv3d", "pool2d", "batchnorm")
FAMILIES: dict[str, Family] = {**dict.fromkeys(OF_KERNELS, of_kernels), "gemm": gemm}


def _conv(case: Any) -> tuple[str, dict[str, int]]:
    n, k, *out = case.y
    x, w, stride, padding = map(size_text, (case.x, case.w, case.stride, case.padding))
    letters = {"N": n, "C": case.x[1], "K": k, "G": case.groups, "M": n * math.prod(out)}
    for named, sizes in (("DHW", case.x[2:]), ("ARS", case.size), ("OPQ", out)):
        letters |= zip(named[-len(out) :], sizes, strict=True)
    return f"x {x}, w {w}, stride {stride}, padding {padding}", letters


def _pool(case: Any) -> tuple[str, dict[str, int]]:
    if isinstance(case, AdaptiveCase):
        letters = Adaptive("float32", True, case.x, case.out, True).letters
    else:
        r, s = case.size
        letters = dict.fromkeys("DAO", 1) | dict(zip("NCHWRSPQ", (*case.x, r, s, *case.y[2:]), strict=True))
        letters |= {"I": 1 if r * s <= 256 else 2}
    return f"x {size_text(case.x)} to {size_text(case.y[2:])}", letters


def _norm(case: Any) -> tuple[str, dict[str, int]]:
    fused = "".join(f", {word}" for word in ("residual", "relu") if getattr(case, word))
    return f"x {size_text(case.x)}{fused}", {"N": case.x[0], "C": case.x[1], "L": math.prod(case.x[2:])}


# Of a case: its title, and the headers' letters.
ABOUT = {"conv2d": _conv, "conv3d": _conv, "pool": _pool, "batch_norm": _norm}


def channels_last(array: Any, device: str) -> Any:
    """(N, C, *) on the device in channels-last memory, as a convolution leaves it; None stays None."""
    moved = None if array is None else backend.to_device(array, device)
    return moved if moved is None or moved.ndim < 3 else channels_first(as_channels_last(moved))


def size_in_memory(case: Any, dtype: str) -> int:
    """Bytes of a case's arrays and results on the device, at least."""
    x, y, w = (math.prod(getattr(case, name, shape)) for name, shape in (("x", ()), ("y", case.x), ("w", (0,))))
    return SIZES[dtype] * (2 * x + 2 * y + w)
