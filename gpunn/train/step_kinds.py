"""Kinds of steps: what tells one that is captured from another, and what is kept of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from gpunn.backend import Array
from gpunn.cuda.graph import Graph
from gpunn.engine.tensor import Tensor
from gpunn.train.batches import Batch
from gpunn.train.readings import Share, has_classes, one_each

Body: TypeAlias = Callable[..., Mapping[str, Any]]


@dataclass
class Host:
    """What a step counts on the host beside what it is fed with; it is part of a step's kind, and set by a replay."""

    get: Callable[[], Any] = lambda: None
    set: Callable[[Any], None] = lambda state: None


@dataclass
class Kind:
    """Steps of one signature."""

    warm: int = 0
    eager: bool = False
    graph: Graph | None = None
    inputs: tuple[Array, ...] = ()
    words: np.ndarray | None = None  # of a Loadable, for their shape and dtype
    grads: list[tuple[Tensor, Array | None]] = field(default_factory=list)
    after: Any = None


def signature(batch: Batch, index: int) -> Any:
    """What graphs depend on of a batch; None where it is not on this card."""
    if not isinstance(batch, tuple):
        return batch.key
    if any([isinstance(a, np.ndarray) or a.data.device_id != index for a in batch]):
        return None
    return tuple([(a.shape, a.dtype, a.strides) for a in batch])


def taking_apart(body: Body) -> Body:
    """The body, the numbers of each Share apart."""

    def run(*arrays: Array) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for name, value in body(*arrays).items():
            if not isinstance(value, Share):
                found[name] = value
                continue
            for part, own in vars(value).items():
                each = {(name, part, i): one for i, one in enumerate(one_each(own))} if has_classes(own) else {}
                found |= each or {(name, part): own}
        return found

    return run


def joined(found: Mapping[Any, Any]) -> dict[str, Any]:
    """What such a body gave, its Shares whole again."""
    whole: dict[str, Any] = {}
    shares: dict[str, dict[str, Any]] = {}
    for key, value in found.items():
        if type(key) is not tuple:
            whole[key] = value
            continue
        name, part, *at = key
        own = shares.setdefault(name, {})
        if at:
            own.setdefault(part, []).append(value)
        else:
            own[part] = value
    for name, parts in shares.items():
        whole[name] = Share(**parts)
    return whole
