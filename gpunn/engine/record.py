"""How an op records itself: its result becomes a Tensor, which remembers the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunn.backend import Array, is_array, plain
from gpunn.engine import autograd
from gpunn.engine.alias import UNTRACKED, join
from gpunn.engine.autograd import Closure, Gradients, Joint, Needs, Node
from gpunn.engine.tensor import Tensor, node_of


def record(name: str, y: Array, inputs: Sequence[object], backward: Closure, owned: bool = False) -> Any:
    """Wrap an op's result, and remember how to go back.

    Args:
        name: the op's name, for error messages.
        y: the resulting array.
        inputs: what the user passed: Tensors, arrays, numbers, None.
        backward: ``backward(gy, needs)`` returns one gradient, or None, per input, and computes only those for which
            ``needs`` is true. It captures arrays, never Tensors; it never changes ``gy``, and returns new arrays,
            views, or ``gy`` itself, but nothing that it keeps.
        owned: every gradient, be it a view, is memory that nobody else holds, which saves the copy of one that is kept.

    Returns:
        ``y`` itself where no input is a Tensor; else a Tensor, which remembers ``backward`` where an input requires a
        gradient and recording is on.
    """
    source, wrapped = None, False
    for x in inputs:
        if isinstance(x, Tensor):
            source, wrapped = x.array if source is None else source, True
            break
        if source is None and is_array(x):
            source = x
    if source is not None and type(y) is not type(source) and type(y) is not (kind := type(plain(source))):
        y = autograd.as_type(y, kind, name)
    return remember(name, y, inputs, backward, owned) if wrapped else y


def record_all(
    name: str,
    ys: Sequence[Array],
    inputs: Sequence[object],
    backward: Callable[[tuple[Array | None, ...], Needs], Gradients],
    owned: bool = False,
) -> tuple[Any, ...]:
    """`record` of an op with several results.

    ``backward(gys, needs)`` takes a gradient for each result, None for one that no gradient reached, and runs once.
    """
    if not any(isinstance(x, Tensor) for x in inputs):
        return tuple(ys)
    count = len(ys)  # all that the closure keeps of them

    def joined(gys: Any, needs: Needs) -> Gradients:
        return backward(tuple([gys.get(i) for i in range(count)]), needs)

    joint = remember(name, ys[0], inputs, joined, owned, Joint)
    return tuple([remember(name, y, (joint,), Joint.part(i)) for i, y in enumerate(ys)])


def remember(
    name: str,
    y: Array,
    inputs: Sequence[object],
    backward: Closure,
    owned: bool = False,
    kind: type[Node] = Node,
) -> Tensor:
    """``y`` as a Tensor, with a node in the graph where an input requires a gradient and recording is on."""
    result = Tensor.__new__(Tensor)  # an op's result needs none of __init__'s checks
    result.array, result.gradient, result._node, result._requires_grad = y, None, None, False
    result._alias, result._origin, result._read = None, None, False
    if autograd.is_grad_enabled() and y.dtype.kind in "fV":
        edges: list[Node | None] = []
        needs: list[bool] = []
        for x in inputs:
            if isinstance(x, Tensor) and x._requires_grad:
                edges.append(node_of(x, name))
                needs.append(True)
            else:
                edges.append(None)
                needs.append(False)
        if True in needs:
            result._node, result._requires_grad = kind(name, y, edges, tuple(needs), backward, owned), True
            for x in inputs:
                if isinstance(x, Tensor):
                    x._read = True
                    if x._alias is not None and x._alias is not UNTRACKED:
                        x._alias.read = True
    base = y.base
    for x in inputs:
        # A view's base is what it was taken of, or that one's base: `shares`, without its price on every op's way.
        if isinstance(x, Tensor) and (y is x.array or (base is not None and (base is x.array or base is x.array.base))):
            join(x, result)
    return result
