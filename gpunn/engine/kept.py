"""What a recorded graph keeps for its backward pass: the arrays that its closures hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from gpunn.backend import Array, is_array
from gpunn.backend.memory import block_of
from gpunn.engine.autograd import Known, Node


def nodes_behind(roots: Iterable[Node]) -> list[Node]:
    """The recorded operations that lead to the roots, in the order in which they were made."""
    found: dict[int, Node] = {}
    ahead = list(roots)
    while ahead:
        node = ahead.pop()
        if node.number not in found:
            found[node.number] = node
            ahead += [edge for edge in node.edges if edge is not None]
    return [found[number] for number in sorted(found)]


def arrays_kept(node: Node) -> Iterator[Array]:
    """The arrays that an operation's closure holds: its variables, and those of the functions and tuples in them."""
    ahead: list[Any] = [node.backward]
    seen: set[int] = set()
    while ahead:
        value = ahead.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if is_array(value):
            yield value
        else:
            ahead += _inside(value)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, FunctionType):
        return [*_cells(value), *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    if isinstance(value, MethodType):
        return value.__self__, value.__func__
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, Known):
        return value.below, value.gradient, value.more
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, tuple | list | set | frozenset) else ()


def _cells(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue


def bytes_kept(nodes: Iterable[Node], besides: Iterable[Array] = ()) -> dict[int, int]:
    """By node number: the bytes that an operation keeps and none before it; not the memory of the arrays `besides`."""
    counted = {block_of(array).key for array in besides}
    kept: dict[int, int] = {}
    for node in nodes:
        blocks = dict(map(block_of, arrays_kept(node)))
        kept[node.number] = sum(size for key, size in blocks.items() if key not in counted)
        counted |= blocks.keys()
    return kept
