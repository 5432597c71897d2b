"""The nodes of the graph: recorded operations, and the leaves at its end."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gpunn.backend import Array
from gpunn.handle import Handle

Needs: TypeAlias = tuple[bool, ...]  # for each input of an op, whether its gradient is wanted
Gradients: TypeAlias = tuple[Array | None, ...]  # one for each input
Closure: TypeAlias = Callable[[Array, Needs], Gradients]  # from the gradient of an op's result to its inputs'
Hook: TypeAlias = Callable[[Array], Any]  # gives an array or a Tensor in the gradient's place, or None

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
        "__weakref__", "array_type", "backward", "dtype", "edges", "hooks", "known", "name", "needs", "number", "owned",
        "shape",
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


class Joint(Node):
    """An op of several results: each is a node of its own, whose gradient arrives here by its number."""

    __slots__ = ()

    def checked(self, gradient: Any, source: str) -> Any:
        return gradient  # the results' nodes checked theirs

    @staticmethod
    def part(i: int) -> Closure:
        """What the i-th result hands on: its gradient, by its number, where those of the others join it."""
        return lambda gy, needs: ({i: gy},)  # type: ignore[return-value]


class Leaf(Node):
    """The end of the graph: a Tensor that the user made, whose ``.grad`` receives what arrives."""

    __slots__ = ("tensor", "waiting")

    def __init__(self, tensor: Any):  # a Tensor, which stands on this module
        super().__init__("leaf", tensor.array)
        # Weak, or every leaf would be a cycle that only the garbage collector frees.
        self.tensor = weakref.ref(tensor)
        self.waiting: dict[int, Callable[..., object]] = {}

    def add_waiting(self, call: Callable[..., object]) -> Handle:
        """Call ``call(tensor)`` in each backward as soon as ``.grad`` has all of it; returns what ends that."""
        key = next(_numbers)
        self.waiting[key] = call
        awaited.add(weakref.ref(self, awaited.discard))

        def remove() -> None:
            self.waiting.pop(key, None)
            if not self.waiting:
                awaited.discard(weakref.ref(self))

        return Handle(remove)

    def stand_for(self, other: Leaf) -> None:
        """Take over the hooks of the leaf of the same Tensor, and those who wait for it."""
        self.hooks, self.waiting = other.hooks, other.waiting
        if self.waiting:
            awaited.add(weakref.ref(self, awaited.discard))

    def deliver(self, gradient: Array, fresh: bool) -> None:
        """Add to ``.grad`` all that a backward has for it, and tell who waits."""
        tensor = self.tensor()
        if tensor is None or not tensor.requires_grad:  # None: nobody can look at its gradient any more
            return
        with _leaves:
            tensor._receive(gradient, fresh)
        for call in list(self.waiting.values()):
            call(tensor)


awaited: set[weakref.ref[Leaf]] = set()  # the leaves whom someone waits for: a WeakSet's length is a call


def behind(roots: Sequence[Node]) -> set[Node]:
    """The nodes of the graph behind the roots, and these; no other leaf."""
    seen, todo = set(roots), list(roots)
    while todo:
        for edge in todo.pop().edges:
            if edge is not None and edge not in seen and not isinstance(edge, Leaf):
                seen.add(edge)
                todo.append(edge)
    return seen


def consumers(nodes: Iterable[Node]) -> dict[Leaf, int]:
    """How often each leaf that is awaited is an input of the nodes."""
    found: dict[Leaf, int] = {}
    for node in nodes:
        for edge in node.edges:
            if isinstance(edge, Leaf) and edge.waiting:
                found[edge] = found.get(edge, 0) + 1
    return found


_leaves = threading.RLock()  # held while adding to ``.grad``: two threads may run backward into one parameter at once


def _renew_lock() -> None:
    global _leaves
    _leaves = threading.RLock()  # a forked child may have got it locked by a thread that it lacks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
