"""Which memory was changed in place after a recorded op may have kept it: what backward asks before it reads that.

A change costs a number; backward looks at what an op keeps only where the op is older than the last change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# The package, not its parts: the engine's walk asks here.
import gpunn
from gpunn.backend import Array
from gpunn.backend.memory import block_of

MOST = 1 << 16  # blocks remembered, the last ones
# Ops whose gradient for one input does not depend on that input: they may keep it for another's.
BILINEAR = frozenset(
    (
        "mul",
        "matmul",
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
    )
)

newest = 0  # the number of the last change: nodes with a higher one came later
_numbers: dict[int, int] = {}  # by block, of its last change


def blocks(arrays: Iterable[Array]) -> list[int]:
    """The blocks of memory that arrays lie in, for `note`."""
    return [block_of(array).key for array in arrays]


def note(keys: Iterable[int]) -> None:
    """The blocks have other values from now on."""
    global newest
    newest = gpunn.engine.autograd.mark()
    for key in keys:
        _numbers[key] = newest
    if len(_numbers) > MOST:
        for key in sorted(_numbers, key=_numbers.__getitem__)[: MOST // 2]:
            del _numbers[key]


def check(node: Any) -> None:
    """RuntimeError where an op's backward would read what has changed since the op ran."""
    alone = _only_input(node)
    for array in gpunn.engine.kept.arrays_kept(node):
        key = block_of(array).key
        if _numbers.get(key, -1) > node.number and key != alone:
            raise RuntimeError(
                f"backward: a value {array.shape} that the gradient of {node.name!r} needs was changed in place after "
                "it was computed with, for example by an optimizer's step, expected the values of then; run the "
                "forward pass again after the change, or compute with x.clone()"
            )


def _only_input(node: Any) -> int | None:
    """The block of the only input that learns, of an op whose gradient for that input does not depend on it."""
    if node.name not in BILINEAR or sum(node.needs) != 1:
        return None
    leaf = node.edges[node.needs.index(True)]
    tensor = leaf.tensor() if isinstance(leaf, gpunn.engine.autograd.Leaf) else None
    return None if tensor is None else block_of(tensor.array).key
