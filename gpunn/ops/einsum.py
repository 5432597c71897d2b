"""Einstein's sums, as products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpunn.backend import Array
from gpunn.engine.operators import A
from gpunn.engine.tensor import data_of
from gpunn.errors import kind_of
from gpunn.ops.arithmetic import matmul, mul
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast, wide_on_cpu
from gpunn.ops.reduce import sum as total
from gpunn.ops.shape import broadcast_to, permute, reshape, squeeze
from gpunn.ops.views import diagonal

Labels = list[str]
_ELLIPSIS = "..."


@with_out
def einsum(equation: str, *xs: A, out: Array | None = None) -> A:
    """Products of arrays whose dimensions have letters, summed over those that the result lacks.

    Letters in one array twice are its diagonal; ``...`` stands for further dimensions, which broadcast. Without an
    arrow the result has the letters that occur once, in alphabetical order, behind those of the ``...``. From left to
    right each pair is one batched matrix product, so that gradients and devices are those of ``ops.matmul``.

    Args:
        equation: for example "bij,bjk->bik".
        xs: as many arrays as it names, or one list of them.

    Raises:
        ValueError: letters and dimensions that do not fit together.
        TypeError: the equation is no string: PyTorch's form of lists of numbers is not taken.

    Examples:
        >>> ops.einsum("ij,jk->ik", [[1.0, 2.0]], [[3.0], [4.0]])
        array([[11.]], dtype=float32)
        >>> ops.einsum("ii", np.arange(9.0).reshape(3, 3))
        array(12.)
    """
    if not isinstance(equation, str):
        raise TypeError(
            f"einsum: the equation is {kind_of(equation)}, expected a string such as 'ij,jk->ik'; write it so"
        )
    given = tuple(xs[0]) if len(xs) == 1 and isinstance(xs[0], list | tuple) else xs
    given, narrow = wide_on_cpu(*given) if given else (given, None)
    inputs, output = _read(equation, [data_of(x).ndim for x in given])
    sizes = _sizes(equation, inputs, [data_of(x).shape for x in given])
    operands = [_distinct(x, labels, sizes) for x, labels in zip(given, inputs, strict=True)]
    y, labels = operands[0]
    for i, (x, of_x) in enumerate(operands[1:], 1):
        later = {label for _, rest in operands[i + 1 :] for label in rest}
        y, labels = _pair(y, labels, x, of_x, later | set(output))
    y, labels = _summed(y, labels, set(output))
    y = permute(y, [labels.index(label) for label in output if label in labels])
    y = reshape(y, [sizes[label] if label in labels else 1 for label in output])
    y = broadcast_to(y, [sizes[label] for label in output])
    return y if narrow is None else cast(y, narrow)


def _read(equation: str, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The letters of each array and of the result, those of "..." as "0", "1" and on, counted from the last."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(
            f"einsum: {equation!r} names {len(terms)} arrays but got {len(ranks)}, expected as many; pass them"
        )
    inputs = [_labels(equation, term, rank) for term, rank in zip(terms, ranks, strict=True)]
    more = sorted({label for labels in inputs for label in labels if label.isdigit()}, key=int, reverse=True)
    if not arrow:
        every = [label for labels in inputs for label in labels if not label.isdigit()]
        return inputs, more + sorted({label for label in every if every.count(label) == 1})
    if right.count(_ELLIPSIS) > 1:
        raise ValueError(f"einsum: {equation!r} has two ellipses in the result, expected one at most; leave one out")
    before, dots, after = right.partition(_ELLIPSIS)
    output = [*before, *(more if dots else []), *after]
    known = {label for labels in inputs for label in labels}
    wrong = [label for label in output if label not in known or output.count(label) > 1]
    if wrong:
        raise ValueError(
            f"einsum: {wrong[0]!r} in the result of {equation!r} is not in an array, or there twice; expected each of "
            "the result's letters once, from the arrays"
        )
    return inputs, output


def _labels(equation: str, term: str, rank: int) -> Labels:
    before, dots, after = term.partition(_ELLIPSIS)
    more = rank - len(before) - len(after)
    if not (before + after).isalpha() and before + after:
        odd = next(c for c in before + after if not c.isalpha())
        raise ValueError(f"einsum: {equation!r} has {odd!r}, expected letters, ',', '->' and '...' alone")
    if more < 0 or (more and not dots):
        raise ValueError(
            f"einsum: {term!r} of {equation!r} has {len(before + after)} letters for an array of {rank} dimensions; "
            "expected one each, or '...' for the others"
        )
    return [*before, *map(str, range(more - 1, -1, -1)), *after]


def _sizes(equation: str, inputs: list[Labels], shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The size of each letter: that of every array that has it, or 1."""
    sizes: dict[str, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        for label, n in zip(labels, shape, strict=True):
            known = sizes.setdefault(label, n)
            if known != n and 1 not in (known, n):
                name = "'...'" if label.isdigit() else repr(label)
                raise ValueError(f"einsum: {name} of {equation!r} has size {known} and {n}, expected one size, or 1")
            sizes[label] = n if known == 1 else known
    return sizes


def _distinct(x: Any, labels: Labels, sizes: dict[str, int]) -> tuple[Any, Labels]:
    """x with each letter once, and without dimensions of 1 that others repeat."""
    labels = list(labels)
    for label in sorted(set(labels)):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal(x, 0, first, second)
            labels = [n for d, n in enumerate(labels) if d not in (first, second)] + [label]
    shape = data_of(x).shape
    ones = [d for d, label in enumerate(labels) if shape[d] == 1 and sizes[label] != 1]
    return (squeeze(x, ones) if ones else x), [label for d, label in enumerate(labels) if d not in ones]


def _summed(x: Any, labels: Labels, kept: set[str]) -> tuple[Any, Labels]:
    """x summed over the letters that are not kept."""
    gone = tuple([d for d, label in enumerate(labels) if label not in kept])
    return (total(x, gone) if gone else x), [label for label in labels if label in kept]


def _pair(x: Any, of_x: Labels, y: Any, of_y: Labels, kept: set[str]) -> tuple[Any, Labels]:
    """Two arrays as one: a product of batches of matrices over the letters that both have and nobody else wants."""
    x, of_x = _summed(x, of_x, kept | set(of_y))
    y, of_y = _summed(y, of_y, kept | set(of_x))
    both = [label for label in of_x if label in of_y]
    batch, inner = [n for n in both if n in kept], [n for n in both if n not in kept]
    rows, columns = [n for n in of_x if n not in both], [n for n in of_y if n not in both]
    sizes = dict(zip(of_x + of_y, data_of(x).shape + data_of(y).shape, strict=True))

    def laid(a: Any, labels: Labels, *groups: Labels) -> Any:
        a = permute(a, [labels.index(label) for group in groups for label in group])
        return reshape(a, [sizes[n] for n in batch] + [math.prod([sizes[n] for n in group]) for group in groups[1:]])

    left = laid(x, of_x, batch, rows, inner) if inner else laid(x, of_x, batch, rows, [])
    right = laid(y, of_y, batch, inner, columns) if inner else laid(y, of_y, batch, [], columns)
    product = matmul(left, right) if inner else mul(left, right)
    labels = batch + rows + columns
    return reshape(product, [sizes[label] for label in labels]), labels
