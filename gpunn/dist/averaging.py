"""Averaging: what a DataParallel does from its forward to the end of backward."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from gpunn.backend import Array
from gpunn.dist.alike import share
from gpunn.dist.reducer import Reducer
from gpunn.engine import autograd
from gpunn.engine.tensor import Tensor
from gpunn.errors import DistError
from gpunn.handle import Handle
from gpunn.nn import Module
from gpunn.ranks.group import Group


class Averaging:
    """Waits for the gradients of a network's parameters, and averages them.

    Attributes:
        enabled: whether gradients are averaged that come of the next forward.
        meet: what ranks ask that may have unequal numbers of batches, before each forward, with whether gradients are
            to be averaged and buffers to be shared: whose buffers they are.
    """

    def __init__(self, module: Module, group: Group, bucket_bytes: int, ordered: bool | None, as_views: bool):
        self.module, self.group, self.as_views = module, group, as_views
        self.reducer = Reducer(1, group, bucket_bytes, ordered)
        self.enabled = True
        self.meet: Callable[[bool, bool], int] | None = None
        self._due = False  # whether gradients are averaged that come of the last forward
        self._weights: float | Array = 0  # of the forwards since gradients were averaged
        self._forwards = 0
        self._weight: float | Array = 1  # of the gradients that come
        self._backward: object = None  # the one whose gradients come
        self._params: list[Tensor] = []
        self._handles: list[Handle] = []
        if group.size > 1:
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

    def before_forward(self, weight: float | Array, buffers: list[Array]) -> None:
        """Share the buffers, and take note of what the gradients will weigh."""
        self._watch()
        src = 0 if self.meet is None else self.meet(self.enabled, bool(buffers))
        if self.enabled and buffers:
            share(buffers, self.group, src)
        self._due = self.enabled
        self._weights, self._forwards = self._weights + weight, self._forwards + 1
        self.group.weight = self._mean_weight()  # for layers that sum over all ranks themselves

    def _mean_weight(self) -> float | Array:
        return self._weights if self._forwards == 1 else self._weights / self._forwards

    def arrived(self, i: int) -> None:
        """The gradient of a parameter is whole, while backward goes on."""
        if not self._due:
            return
        if self._backward is not (backward := autograd.under_way()):
            self._backward = backward
            if self._forwards:
                self._weight = self._mean_weight()
            self.reducer.expect(self._params, self._weight)
            autograd.at_the_end(self._finish)
        self.reducer.arrived(self._params, i)

    def _finish(self) -> None:
        """Leave the means in `.grad`."""
        self._backward, self._weights, self._forwards = None, 0, 0
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


class Arrival:
    """A hook of a parameter, which does not keep the Averaging alive."""

    def __init__(self, owner: Averaging, i: int):
        self._owner, self._i = weakref.ref(owner), i

    def __call__(self, tensor: Tensor) -> None:
        owner = self._owner()
        if owner is not None:
            owner.arrived(self._i)
