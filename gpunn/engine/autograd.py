"""The engine: a graph of nodes built while the program runs, and the walk that goes back along it.

A node stands for one recorded operation and knows the nodes of its inputs; it holds no Tensor, so that an activation
nobody needs for a gradient is freed at once. Nodes are numbered as they are made. Every consumer of a node has a higher
number than the node, so taking the highest number first, from a heap, visits each node after all of its consumers:
no recursion, however long the chain.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gpunn.backend import Array, twins
from gpunn.engine import written
from gpunn.engine.grad_mode import is_grad_enabled as is_grad_enabled
from gpunn.engine.grad_mode import no_grad as no_grad
from gpunn.handle import Handle
from gpunn.restored import restored

Needs: TypeAlias = tuple[bool, ...]  # for each input of an op, whether its gradient is wanted
Gradients: TypeAlias = tuple[Array | None, ...]  # one for each input
Closure: TypeAlias = Callable[[Array, Needs], Gradients]  # from the gradient of an op's result to its inputs'
Hook: TypeAlias = Callable[[Array], Any]  # gives an array or a Tensor in the gradient's place, or None
Arriving: TypeAlias = dict["Node", tuple[Array, bool]]

_numbers = itertools.count()


def mark() -> int:
    """A number between those of the nodes made before now and those to come."""
    return next(_numbers)


class Known:
    """What the op that gives a node its gradient may find out about it on the way.

    below: what it needs for that, of the node's own op; None where the gradient will be a sum, or has been asked for.
    Nobody adds into a gradient of which more is known: if it is the one that arrives, it came alone.
    """

    __slots__ = ("below", "gradient", "more", "taken")

    def __init__(self, below: tuple):
        self.below: tuple | None = below
        self.taken = False
        self.gradient: Array | None = None
        self.more: tuple[Array, ...] | None = None

    def take(self, all_of_it: bool = True) -> Known | None:
        """For an op that reads the node's value: the same, if it is the first, and no other adds to the gradient."""
        if self.taken or not all_of_it:
            self.below = None
        self.taken = True
        return self if self.below is not None else None

    def of(self, gradient: Array) -> tuple[Array, ...] | None:
        """What is known of this gradient, asked once."""
        more = self.more if gradient is self.gradient else None
        self.below = self.gradient = self.more = None
        return more


class Node:
    """One recorded operation: ``backward(gy, needs)`` gives a gradient, or None, for each of ``edges``."""

    __slots__ = (
        "array_type", "backward", "dtype", "edges", "hooks", "known", "name", "needs", "number", "owned", "shape",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        y: Array,
        edges: Sequence[Node | None] = (),
        needs: Needs = (),
        backward: Closure | None = None,
        owned: bool = False,
    ):
        self.number = next(_numbers)
        self.name, self.backward, self.owned = name, backward, owned
        self.array_type, self.shape, self.dtype = type(y), y.shape, y.dtype
        self.edges, self.needs = edges, needs
        self.hooks: dict[int, Hook] | None = None
        self.known: Known | None = None

    def add_hook(self, hook: Hook) -> Handle:
        """Call ``hook(gradient)`` on the way back; returns what removes it."""
        self.hooks = {} if self.hooks is None else self.hooks
        key = next(_numbers)
        self.hooks[key] = hook

        def remove() -> None:
            if self.hooks:
                self.hooks.pop(key, None)

        return Handle(remove)

    def run_hooks(self, gradient: Array) -> Array:
        """The gradient after the hooks: each may return a replacement of the same shape."""
        for hook in list((self.hooks or {}).values()):
            replaced = hook(gradient)
            if replaced is not None:
                gradient = self.checked(replaced.array if hasattr(replaced, "requires_grad") else replaced, "a hook")
        return gradient

    def checked(self, gradient: Array, source: str) -> Array:
        """``gradient`` as an array of this node's type and dtype; RuntimeError where its shape is not the value's."""
        if type(gradient) is not self.array_type:
            gradient = as_type(gradient, self.array_type, source)
        if gradient.shape != self.shape:
            raise RuntimeError(
                f"backward: {source} gave a gradient of shape {gradient.shape} for a value of shape {self.shape}; "
                "a gradient has its value's shape"
            )
        return gradient if gradient.dtype == self.dtype else gradient.astype(self.dtype)


def as_type(array: object, wanted: type, source: str) -> Array:
    """``array`` as a device's array type: NumPy turns 0-d arrays into numbers, and some functions lose subclasses."""
    if issubclass(wanted, np.ndarray) and isinstance(array, np.ndarray | np.generic):
        return np.asarray(array).view(wanted)
    raise RuntimeError(
        f"{source} gave a {type(array).__name__} where the value is a {wanted.__name__}; keep to one device"
    )


class Leaf(Node):
    """The end of the graph: a Tensor that the user made, whose ``.grad`` receives what arrives."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Any):  # a Tensor, which stands on this module
        super().__init__("leaf", tensor.array)
        # Weak, or every leaf would be a cycle that only the garbage collector frees.
        self.tensor = weakref.ref(tensor)


class Joint(Node):
    """An op of several results: each is a node of its own, whose gradient arrives here by its number."""

    __slots__ = ()

    def checked(self, gradient: Any, source: str) -> Any:
        return gradient  # the results' nodes checked theirs

    @staticmethod
    def part(i: int) -> Closure:
        """What the i-th result hands on: its gradient, by its number, where those of the others join it."""
        return lambda gy, needs: ({i: gy},)  # type: ignore[return-value]


_leaves = threading.RLock()  # so that a thread that an interrupt left holding it can go on


def delivering() -> threading.RLock:
    """The lock to hold while adding to ``.grad``: two threads may run backward into one parameter at once."""
    return _leaves


def _renew_lock() -> None:
    global _leaves
    _leaves = threading.RLock()  # a forked child may have got it locked by a thread that it lacks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@restored
def walk(roots: Sequence[tuple[Node, Array]], retain_graph: bool = False, until: set[Node] | None = None) -> Arriving:
    """Carry gradients from the roots back to the leaves.

    Args:
        roots: pairs of a node and the gradient to start with.
        retain_graph: keep the closures, so that the same graph can be walked again.
        until: nodes whose gradients are wanted; without it, all leaves.

    Returns:
        dict from node to (gradient, fresh): ``fresh`` says that nobody else holds the array.
    """
    np.seterr(all="ignore")  # inf and nan travel on in silence, as on a GPU
    arriving: Arriving = {}
    heap: list[tuple[int, Node]] = []
    found: Arriving = {}

    def arrive(node: Node, gradient: Array, fresh: bool) -> None:
        if node not in arriving:
            arriving[node] = (gradient, fresh)
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
        gradient, fresh = arriving.pop(node)
        if node.hooks:
            gradient, fresh = node.run_hooks(gradient), False
            if node.known is not None:
                node.known.gradient = None  # a hook may have changed it in place
        if isinstance(node, Leaf) if until is None else node in until:
            found[node] = (gradient, fresh)
        if node.edges:
            _step(node, gradient, arrive, retain_graph)
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
