"""Ranks that begin alike: one network, one seed, one rank's values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from gpunn import random
from gpunn.backend import Array, array_module, device_of
from gpunn.dist.buckets import memory_order
from gpunn.engine import written
from gpunn.errors import DistError
from gpunn.nn import Module
from gpunn.ranks.group import Group

PIECE = 25 << 20  # bytes of arrays that travel together, for which there is memory twice meanwhile


def check_alike(who: str, model: Module, group: Group) -> None:
    """DistError on all ranks where one has another network or seed than rank 0: which rank, and in what."""
    if group.size == 1:
        return
    rows = design(model)
    seed = int(random.get_state()["seed"])
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    found = group.exchange([digest, str(seed)])
    for rank, (_, theirs) in enumerate(found):
        if theirs != found[0][1]:
            raise DistError(
                f"{who}: rank {rank} has the seed {theirs}, rank 0 {found[0][1]}; call gpunn.manual_seed with the same "
                "number on all ranks"
            )
    if len({digest for digest, _ in found}) > 1:
        designs = group.exchange(rows)
        rank = next(rank for rank, one in enumerate(designs) if one != designs[0])
        raise DistError(
            f"{who}: rank {rank} has another network than rank 0: {_difference(designs[rank], designs[0])}; build the "
            "same one on all ranks"
        )


def design(model: Module) -> list[list[Any]]:
    """A network's parameters and buffers in their order: name, shape, dtype, axes in memory, whether it learns."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [[name, list(t.shape), str(t.dtype), memory_order(t.array), t.requires_grad] for name, t in tensors]


def _difference(theirs: Sequence[list[Any]], ours: Sequence[list[Any]]) -> str:
    """The first difference of a design from rank 0's, in words."""
    for one, other in zip(theirs, ours, strict=False):
        if one != other:
            return f"{_words(one)}, expected {_words(other)}"
    more = theirs[len(ours) :] or ours[len(theirs) :]
    return f"{'it has' if len(theirs) > len(ours) else 'it lacks'} {_words(more[0])}"


def _words(row: list[Any]) -> str:
    name, shape, dtype, axes, learns = row
    plain = [axis for axis, size in enumerate(shape) if size != 1]
    order = "" if axes == plain else f", axes {axes} in memory"
    return f"{name} {dtype} {tuple(shape)}{order}{'' if learns else ', which does not learn'}"


def share(arrays: Iterable[Array], group: Group, src: int = 0) -> None:
    """Give all ranks rank src's values, in place: many small arrays in one message."""
    if group.size == 1:
        return
    pieces: dict[tuple, list[list[Array]]] = {}
    for a in arrays:
        some = pieces.setdefault((device_of(a), a.dtype), [[]])
        if some[-1] and sum(one.nbytes for one in some[-1]) + a.nbytes > PIECE:
            some.append([])
        some[-1].append(a)
    for some in (piece for kind in pieces.values() for piece in kind):
        flat = array_module(some[0]).concatenate([a.reshape(-1) for a in some])
        group.broadcast(flat, src).wait()
        at = 0
        for a in some if group.rank != src else ():
            a[...] = flat[at : at + a.size].reshape(a.shape)
            at += a.size
        if group.rank != src:
            written.note(written.blocks(some))
