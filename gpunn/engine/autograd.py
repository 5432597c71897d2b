"""The engine: a graph of nodes built while the program runs, and the walk that goes back along it.

A node stands for one recorded operation and knows the nodes of its inputs; it holds no Tensor, so that an activation
nobody needs for a gradient is freed at once. Nodes are numbered as they are made. Every consumer of a node has a higher
number than the node, so taking the highest number first, from a heap, visits each node after all of its consumers:
no recursion, however long the chain.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import TypeAlias

import numpy as np

from gpunn.backend import Array, twins
from gpunn.engine import written
from gpunn.engine.grad_mode import is_grad_enabled as is_grad_enabled
from gpunn.engine.grad_mode import no_grad as no_grad
from gpunn.engine.node import Closure as Closure
from gpunn.engine.node import Gradients as Gradients
from gpunn.engine.node import Joint as Joint
from gpunn.engine.node import Known as Known
from gpunn.engine.node import Leaf as Leaf
from gpunn.engine.node import Needs as Needs
from gpunn.engine.node import Node as Node
from gpunn.engine.node import as_type as as_type
from gpunn.engine.node import awaited, behind, consumers
from gpunn.engine.node import mark as mark
from gpunn.restored import restored

Arriving: TypeAlias = dict[Node, tuple[Array, bool]]
FIRST = 1 << 62  # above all numbers of nodes


class Backward:
    """A backward under way.

    Attributes:
        root: the node where it began.
        calls: what is to be called when every ``.grad`` is filled.
    """

    def __init__(self, root: Node):
        self.root = root
        self.calls: list[Callable[[], object]] = []

    @cached_property
    def nodes(self) -> set[Node]:
        """All that it comes to, the leaves not among them."""
        return behind([self.root])


_last: ContextVar[Backward | None] = ContextVar("gpunn backward", default=None)


def under_way() -> Backward | None:
    """The backward under way in this thread; None where there is none."""
    return _last.get()


def at_the_end(call: Callable[[], object]) -> None:
    """Call ``call()`` when the backward under way in this thread has filled every ``.grad``."""
    now = _last.get()
    if now is None:
        raise RuntimeError("at_the_end: no backward is under way in this thread; call it from a hook of a leaf")
    now.calls.append(call)


def backward(root: Node, gradient: Array, retain_graph: bool = False) -> None:
    """Carry a gradient from the root back into ``.grad`` of all leaves."""
    token = _last.set(now := Backward(root))
    try:
        waited_for = consumers(now.nodes) if awaited else {}
        # Only then, so that an exception on the way leaves every .grad as it was for which nobody waits.
        for leaf, (whole, fresh) in walk([(root, gradient)], retain_graph, waited_for=waited_for).items():
            if isinstance(leaf, Leaf):
                leaf.deliver(whole, fresh)
        for call in now.calls:
            call()
    finally:
        _last.reset(token)


@restored
def walk(
    roots: Sequence[tuple[Node, Array]],
    retain_graph: bool = False,
    until: set[Node] | None = None,
    waited_for: Mapping[Leaf, int] | None = None,
) -> Arriving:
    """Carry gradients from the roots back to the leaves.

    Args:
        roots: pairs of a node and the gradient to start with.
        retain_graph: keep the closures, so that the same graph can be walked again.
        until: nodes whose gradients are wanted; without it, all leaves.
        waited_for: leaves that get their gradients as soon as they are whole, and how often each is an input.

    Returns:
        dict from node to (gradient, fresh): ``fresh`` says that nobody else holds the array.
    """
    np.seterr(all="ignore")  # inf and nan travel on in silence, as on a GPU
    arriving: Arriving = {}
    left = dict(waited_for or {})  # what each leaf still waits for
    # Their turn, as every leaf's, comes last; but one whose consumers are all done is put first.
    heap: list[tuple[int, Node]] = [(-leaf.number, leaf) for leaf in left]
    heapq.heapify(heap)
    found: Arriving = {}

    def arrive(node: Node, gradient: Array, fresh: bool) -> None:
        if node not in arriving:
            arriving[node] = (gradient, fresh)
            if node not in left:
                heapq.heappush(heap, (-node.number, node))
            return
        held, is_ours = arriving[node]
        if isinstance(node, Joint):
            held.update(gradient)  # type: ignore[attr-defined]
        elif is_ours:
            twins(held).elementwise.add_into(held, gradient)
        else:  # someone else may hold this array, so the sum goes into a new one
            # in the first one's memory order
            arriving[node] = (twins(held).elementwise.apply("add", held, gradient), True)

    for node, gradient in roots:
        arrive(node, gradient, False)
    while heap:
        node = heapq.heappop(heap)[1]
        if node not in arriving:  # nothing came, or it was put first
            continue
        gradient, fresh = arriving.pop(node)
        if node.hooks:
            gradient, fresh = node.run_hooks(gradient), False
            if node.known is not None:
                node.known.gradient = None  # a hook may have changed it in place
        if isinstance(node, Leaf) and node in left:
            node.deliver(gradient, fresh)
        elif isinstance(node, Leaf) if until is None else node in until:
            found[node] = (gradient, fresh)
        if node.edges:
            _step(node, gradient, arrive, retain_graph)
            for edge in node.edges if left else ():
                if isinstance(edge, Leaf) and edge in left:
                    left[edge] -= 1
                    if not left[edge]:
                        heapq.heappush(heap, (-FIRST - edge.number, edge))
    return found


def _step(node: Node, gy: Array, arrive: Callable[[Node, Array, bool], None], retain_graph: bool) -> None:
    """Run one node's closure and hand its gradients to the nodes before it."""
    if node.backward is None:
        raise RuntimeError(
            f"backward: the graph behind {node.name!r} was used and freed by an earlier backward; "
            "run the forward pass again, or call backward(retain_graph=True) the first time"
        )
    if node.number < written.newest:
        written.check(node)
    gradients = node.backward(gy, node.needs)
    if not retain_graph:
        node.backward = None
    if len(gradients) != len(node.edges):
        raise RuntimeError(f"backward: {node.name!r} gave {len(gradients)} gradients for {len(node.edges)} inputs")
    seen = [gy]
    for edge, gradient in zip(node.edges, gradients, strict=True):
        if edge is None or gradient is None:
            continue
        # Else a view, gy itself, or one array given twice is shared: nobody may add into it.
        fresh = node.owned or (getattr(gradient, "base", None) is None and all(gradient is not other for other in seen))
        if edge.known is not None and gradient is edge.known.gradient:
            fresh = False
        seen.append(gradient)
        arrive(edge, edge.checked(gradient, repr(node.name)), fresh)
