"""What must be one for all ranks, where the gradients of parameters are means over them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable

from gpunn.engine.node import Leaf
from gpunn.engine.tensor import Tensor
from gpunn.errors import DistError
from gpunn.ranks.group import Group


class Averaged(ABC):
    """Waits for the gradient of a parameter, and makes it the mean over a group of ranks: see `Tensor`'s hooks."""

    @abstractmethod
    def ranks(self) -> tuple[Group, float] | None:
        """The group, and what this rank's gradients last weighed; None where it has gone."""


def mean_loss(parameters: Iterable[Tensor], loss: float) -> float:
    """The mean of all ranks' losses, weighed as the gradients of the parameters are; the loss where none is averaged.

    >>> from gpunn.ranks.averaged import mean_loss
    >>> mean_loss(nn.Linear(2, 1).parameters(), 0.5)
    0.5
    """
    found = _averaging(parameters)
    if found is None:
        return loss
    group, weight = found
    pairs = [(float(weight), float(loss)) for weight, loss in group.exchange([weight, loss])]
    total = sum(weight for weight, _ in pairs)
    return sum(weight * loss for weight, loss in pairs if weight) / total if total else loss


def check_one(who: str, parameters: Iterable[Tensor], metric: float) -> None:
    """DistError on all ranks where one has another metric than rank 0, by which their parameters would drift apart."""
    found = _averaging(parameters)
    if found is None:
        return
    theirs = [float(one) for one in found[0].exchange(metric)]
    for rank, one in enumerate(theirs):
        if one != theirs[0] and not (math.isnan(one) and math.isnan(theirs[0])):
            raise DistError(
                f"{who}: the metric is {one:g} on rank {rank} and {theirs[0]:g} on rank 0, expected one for all ranks, "
                'whose rates would differ; average it before: gpunn.dist.all_reduce(metric, "avg")'
            )


def _averaging(parameters: Iterable[Tensor]) -> tuple[Group, float] | None:
    """The group that averages the gradients of some of the parameters, and this rank's weight."""
    for p in parameters:
        node: object = p._node
        for call in node.waiting.values() if isinstance(node, Leaf) else ():
            if isinstance(call, Averaged) and (found := call.ranks()) is not None:
                return found
    return None
