"""Averaging: what a DataParallel does from its forward to the end of backward."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from gpunn.backend import Array
from gpunn.dist.alike import share
from gpunn.dist.reducer import Reducer
from gpunn.engine import autograd
from gpunn.engine.autograd import Node, mark
from gpunn.engine.tensor import Tensor
from gpunn.errors import DistError
from gpunn.handle import Handle
from gpunn.nn import Module
from gpunn.ranks.averaged import Averaged
from gpunn.ranks.group import Group


class Averaging:
    """Waits for the gradients of a network's parameters, and averages them.

    Attributes:
        enabled: whether gradients are averaged that come of the next forward.
        weighed: what this rank's gradients last weighed.
        meet: what ranks ask that may have unequal numbers of batches, before each forward, with whether gradients are
            to be averaged and buffers to be shared: whose buffers they are.
    """

    def __init__(self, module: Module, group: Group, bucket_bytes: int, ordered: bool | None, as_views: bool):
        self.module, self.group, self.as_views = module, group, as_views
        self.reducer = Reducer(1, group, bucket_bytes, ordered)
        self.enabled, self.weighed = True, 0.0
        self.meet: Callable[[bool, bool], int] | None = None
        self._last: Forward | None = None  # since gradients were averaged
        self._backward: object = None  # the one whose gradients come
        self._reached: list[Forward] = []  # by that one
        self._due: bool | None = None  # whether its gradients are averaged, once the first has come
        self._params: list[Tensor] = []
        self._handles: list[Handle] = []
        if group.size > 1:
            self._forwards: WeakKeyDictionary[Node, Forward] = WeakKeyDictionary()  # by the nodes of what they gave
            self._watch()

    def __getstate__(self) -> dict[str, Any]:
        if self.group.size > 1:
            raise DistError("DataParallel: a rank's cannot be copied or pickled; copy its network, model.module")
        return vars(self)

    def _watch(self) -> None:
        """Wait for the gradients of the parameters that learn now."""
        params: list[Tensor] = [p for p in self.module.parameters() if p.requires_grad]
        if list(map(id, params)) == list(map(id, self._params)):
            return
        for handle in self._handles:
            handle.remove()
        self._params = params
        self._handles = [p.register_post_accumulate_grad_hook(Arrival(self, i)) for i, p in enumerate(params)]

    @contextmanager
    def forward(self, weight: float | Array, buffers: list[Array]) -> Iterator[Forward]:
        """A block of the network's forward: buffers are shared, and what the gradients will weigh is noted."""
        self._watch()
        src = 0 if self.meet is None else self.meet(self.enabled, bool(buffers))
        if self.enabled and buffers:
            share(buffers, self.group, src)
        self._last = forward = Forward(weight, self.enabled, mark())
        before, self.group.weigher = self.group.weigher, partial(self._weight_of, forward)
        try:
            yield forward
        finally:
            self.group.weigher = before

    def after_forward(self, forward: Forward, y: object) -> None:
        """Remember which nodes are of a forward: a backward that comes to one of them is of it."""
        self._forwards.update({node: forward for node in nodes_in(y) if node.number > forward.began})

    def _begin(self) -> bool:
        """See to what is known of a backward; False outside of one."""
        backward = autograd.under_way()
        if backward is not None and backward is not self._backward:
            self._backward, self._due = backward, None
            found = [forward for node, forward in self._forwards.items() if node in backward.nodes]
            self._reached = list(dict.fromkeys(found))
            autograd.at_the_end(self._end)
        return backward is not None

    def _weight_of(self, forward: Forward) -> float | Array:
        """What the gradients of the backward under way weigh, of which a layer asks that sums over ranks itself."""
        if not self._begin():  # the gradients are not for the parameters
            return forward.weight
        if forward not in self._reached:  # by something else than what it returned
            self._reached.append(forward)
        return mean_weight(self._reached)

    def arrived(self, i: int) -> None:
        """The gradient of a parameter is whole, while backward goes on."""
        self._begin()
        if self._due is None:  # of what is no Tensor nothing is known but the last forward
            forwards = self._reached or [forward for forward in (self._last,) if forward is not None]
            self._due = any(forward.due for forward in forwards)
            if self._due:
                self.weighed = mean_weight(forwards)
                self.reducer.expect(self._params, self.weighed)
        if self._due:
            self.reducer.arrived(self._params, i)

    def _end(self) -> None:
        due, self._backward, self._reached, self._due = self._due, None, [], None
        if due:
            self._last = None
            self._finish()

    def _finish(self) -> None:
        """Leave the means in `.grad`."""
        self.reducer.release(self._params)
        if self.as_views:
            return
        for bucket in self.reducer.buckets:
            for i, gradient in zip(bucket.members, bucket.copied().views, strict=True):
                if self._params[i].gradient is not None:
                    self._params[i].gradient = gradient

    def take_part(self) -> None:
        """Do what the other ranks do in a backward, without gradients of one's own, and keep none."""
        self.reducer.expect(self._params, None)
        self.reducer.release(self._params)
        for p in self._params:
            p.gradient = None


@dataclass(eq=False)
class Forward:
    """A forward that learns: what its gradients weigh, whether they are averaged, and a number below its nodes'."""

    weight: float | Array
    due: bool
    began: int


def mean_weight(forwards: Sequence[Forward]) -> float | Array:
    """What the gradients of several forwards weigh together."""
    first, *others = [forward.weight for forward in forwards]
    return sum(others, first) / len(forwards) if others else first


def nodes_in(value: object) -> Iterator[Node]:
    """The nodes of Tensors that have a history, in lists, tuples and dicts, too."""
    if isinstance(value, Tensor):
        if value.requires_grad and not value.is_leaf and value._node is not None:
            yield value._node
    elif isinstance(value, (tuple, list, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from nodes_in(part)


class Arrival(Averaged):
    """A hook of a parameter, which does not keep the Averaging alive."""

    def __init__(self, owner: Averaging, i: int):
        self._owner, self._i = weakref.ref(owner), i

    def __call__(self, tensor: Tensor) -> None:
        owner = self._owner()
        if owner is not None:
            owner.arrived(self._i)

    def ranks(self) -> tuple[Group, float] | None:
        owner = self._owner()
        return None if owner is None else (owner.group, float(owner.weighed))
