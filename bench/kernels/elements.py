"""The cases of the suite `elementwise`: what memory bounds besides pooling and batch norm, forward and backward.

Each is one op, written for ours, for PyTorch and for the array expression that a user of CuPy would write instead.
Backward is the op's recorded gradient alone, on both sides. Ours on the cpu in float64 is the oracle: the NumPy twins,
which plain loops check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

import gpunn
from bench.clocks import Call
from bench.kernels.oracle import Part
from bench.kernels.subjects import PRECISIONS, Subject
from gpunn import backend, ops
from gpunn.backend import array_module
from gpunn.cuda.dtypes import SIZES
from gpunn.cuda.variants import OPERATIONS
from gpunn.engine.autograd import Leaf
from gpunn.engine.tensor import Tensor
from gpunn.verify.tasks import as_stored
from gpunn.window import size_text

Op = Callable[..., Any]
IMAGES, ROWS, SCORES = (8, 16, 32, 32), (512, 768), (256, 1000)
DROPPED = 0.25


@dataclass(frozen=True)
class ElementCase:
    """An op of arrays of shape x, `others` of them besides, and of a row's, or a channel's, two parameters.

    operations: forward and backward as gpunn.cuda.variants names them; "" where several kernels do it, or none.
    moved: tensors of x's size that forward and backward read and write at least. take: what is compared, unless all.
    on_gpu: how many times as many rows, or images, a GPU takes.
    """

    name: str
    x: tuple[int, ...]
    ours: Op
    operations: tuple[str, str] = ("", "")
    moved: tuple[float, float] = (2, 3)
    others: int = 0
    parameters: tuple[int, ...] = ()
    labels: bool = False
    take: Callable[[Any], Any] | None = None
    on_gpu: int = 64

    def arrays(self) -> list[np.ndarray]:
        """What the op takes, x first."""
        rng = np.random.default_rng(math.prod(self.x))
        given = [rng.standard_normal(self.x) for _ in range(1 + self.others)]
        if self.labels:
            return [*given, rng.integers(0, self.x[1], self.x[0])]
        return [*given, *(rng.uniform(0.5, 1.5, self.parameters) for _ in range(2) if self.parameters)]


def _kept_share(y: Any) -> np.ndarray:
    """Of dropout each program has other numbers: how many are left, to two digits."""
    return np.array([round(float((y != 0).mean()), 2)])


def _both(name: str) -> tuple[str, str]:
    return f"{name}forward", f"{name}backward"


WIDE, AXIS = ROWS[1:], 1
CASES = [
    ElementCase("relu", IMAGES, lambda x: ops.relu(x), _both("activation.")),
    ElementCase("gelu", ROWS, lambda x: ops.gelu(x), _both("activation.")),
    ElementCase("add", IMAGES, lambda x, z: ops.add(x, z), ("elementwise.map", ""), (3, 0), 1),
    ElementCase("residual relu", IMAGES, lambda x, z: ops.relu(ops.add(x, z)), moved=(3, 3), others=1),
    ElementCase("row bias", ROWS, lambda x, b, _: ops.add(x, b), ("elementwise.map", ""), (2, 1), parameters=WIDE),
    ElementCase("row scale", ROWS, lambda x, b, _: ops.mul(x, b), ("elementwise.map", ""), (2, 3), parameters=WIDE),
    ElementCase("sum over pixels", IMAGES, lambda x: ops.sum(x, (0, 2, 3)), ("reduce.axes", ""), (1, 0)),
    ElementCase("mean of rows", ROWS, lambda x: ops.mean(x, AXIS), ("reduce.axes", ""), (1, 0)),
    ElementCase("maximum of rows", ROWS, lambda x: ops.max(x, AXIS), ("reduce.axes", ""), (1, 0)),
    ElementCase("layer norm", ROWS, lambda x, w, b: ops.layer_norm(x, 768, w, b), _both("group_norm.layer_"),
                parameters=WIDE),
    ElementCase("rms norm", ROWS, lambda x, w, _: ops.rms_norm(x, 768, w), _both("group_norm.layer_"), parameters=WIDE),
    ElementCase("group norm", (8, 64, 28, 28), lambda x, w, b: ops.group_norm(x, 32, w, b), _both("group_norm.group_"),
                parameters=(64,)),
    ElementCase("softmax", SCORES, lambda x: ops.softmax(x, AXIS), _both("softmax.")),
    ElementCase("log softmax", SCORES, lambda x: ops.log_softmax(x, AXIS), _both("softmax.")),
    ElementCase("causal attention", (32, 128, 64),
                lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, is_causal=True), moved=(4, 7), others=2),
    ElementCase("cross-entropy", SCORES, lambda x, t: ops.cross_entropy(x, t), _both("loss.cross_entropy_"), (1, 2),
                labels=True),
    ElementCase("dropout", ROWS, lambda x: ops.dropout(x, DROPPED), ("dropout.drop", "dropout.drop"), (2, 2),
                take=_kept_share),
    ElementCase("filter 5x5", (64, 4096), lambda x, k, _: ops.filter2d(x, k, "reflect"), ("filter.forward", ""), (2, 4),
                parameters=(5, 5)),
    ElementCase("embedding", (768, 512), lambda w, t: ops.embedding(t, w), ("indexing.rows", ""), labels=True),
    ElementCase("bilinear", (8, 16, 32, 32), lambda x: ops.interpolate(x, scale_factor=2, mode="bilinear"),
                ("resample.taps", "resample.taps"), (5, 5)),
    ElementCase("local response norm", (2, 96, 27, 27), lambda x: ops.local_response_norm(x, 5),
                _both("local_response_norm.")),
]  # fmt: skip


KERNELS = list(dict.fromkeys(name for case in CASES for name in case.operations if name in OPERATIONS))
PASSES = ["elements.forward", "elements.backward"]


def subjects(case: ElementCase, device: str, precision: str, wanted: list[str]) -> Iterator[Subject]:
    """Forward, and the gradient where that is more than a copy."""
    dtype, size = PRECISIONS[precision], math.prod(case.x)
    stored = [a if a.dtype.kind == "i" else as_stored(dtype, a) for a in case.arrays()]
    there = [_on(device, a) for a in stored]
    letters = {"e": SIZES[dtype], "V": 16 // SIZES[dtype]}
    for pass_, name, moved, make in zip(PASSES, case.operations, case.moved, (forward, backward), strict=True):
        if moved and pass_ in wanted:
            cost = int(size * moved), int(size * moved) * SIZES[dtype]
            given = SimpleNamespace(case=case, arrays=stored, back=make is backward)
            title, operation = f"{case.name}, {pass_.partition('.')[2]}", name if name in KERNELS else pass_
            yield Subject(title, f"x {size_text(case.x)}", operation, precision, make(case.ours, there),
                          _oracle(case, stored, make), given, letters, cost)  # fmt: skip


def _on(device: str, a: np.ndarray) -> Any:
    """On the device, images in channels-last memory."""
    moved = backend.to_device(a, device)
    if a.ndim != 4:
        return moved
    return backend.to_device(np.ascontiguousarray(a.transpose(0, 2, 3, 1)), device).transpose(0, 3, 1, 2)


def forward(op: Op, arrays: list[Any]) -> Call:
    """The op on raw arrays; random ones draw the same numbers at each call."""

    def run() -> tuple:
        gpunn.manual_seed(0)
        y = op(*arrays)
        return (y.array if isinstance(y, Tensor) else y,)

    return run


def backward(op: Op, arrays: list[Any]) -> Call:
    """The recorded gradient by all floating-point arrays, of a graph made once; a single op's is called itself."""
    gpunn.manual_seed(0)
    tensors = [Tensor(a, requires_grad=a.dtype.kind in "fV") for a in arrays]
    y = op(*tensors)
    node: Any = y._node
    gy = array_module(y.array).empty_like(y.array)
    gy[...] = backend.to_device(np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype), y.device)
    if all(edge is None or isinstance(edge, Leaf) for edge in node.edges):
        return lambda: tuple(g for g in node.backward(gy, node.needs) if g is not None)
    leaves = [x for x in tensors if x.requires_grad]
    return lambda: tuple(gpunn.grad(y, leaves, gy, retain_graph=True))


def _oracle(case: ElementCase, stored: list[np.ndarray], make: Callable[[Op, list[Any]], Call]) -> Callable[[], Part]:
    def expect() -> Part:
        found = make(case.ours, [a if a.dtype.kind == "i" else a.astype(np.float64) for a in stored])()
        terms = 4 * math.prod(case.x) // min(case.x)
        if case.take is not None:
            return Part(((case.take(found[0]), terms, None),), case.take)
        return Part(tuple((np.asarray(a), terms, None) for a in found))

    return expect
