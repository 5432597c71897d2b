"""Reducer: sums of gradients over several batches and all ranks, reduced while backward runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture
from gpunn.dist.buckets import Bucket, plan
from gpunn.engine.tensor import Tensor
from gpunn.errors import CaptureError, DistError
from gpunn.optim.accumulate import Accumulation
from gpunn.optim.batch import by_kind
from gpunn.ranks.group import Group, Work

UNKNOWN = "which parameters the other ranks use is not known yet; take a step like this one before it is captured"


@dataclass
class Flags:
    """What a rank tells the others beside its weights' sum, and what it has learnt of them when it last told that.

    Attributes:
        told: float64, 0, whether anything counted, and which parameters have gradients.
        known: of these whether any rank has.
        strange: float64, 1 for what no rank has, where there is such.
    """

    told: Array
    known: tuple[bool, ...] | None = None
    strange: Array | None = None


class Reducer(Accumulation):
    """An Accumulation over all ranks of a group: the mean that `release` gives is of all ranks' samples.

    The sums lie in buckets, in the order in which backward makes the gradients. In a batch after which `release` is due
    each bucket is reduced as soon as its gradients are whole, while backward goes on to those before. A rank of whose
    samples none counts, or that uses only some of the parameters, takes part with zeros. Sums in rank order (`ordered`,
    the default on `cpu`) have the bits of one process that accumulates the same parts in rank order.

    Which parameters any rank uses is known after the first time that this rank uses the same ones; only where it leaves
    some out the host asks for it, and a captured step takes it for granted: where another rank comes to use a parameter
    that none did, its gradients are NaN.

    Args:
        every: batches an update on each rank.
        group: the ranks.
        bucket_bytes: of a bucket, about.
        ordered: whether sums are taken in rank order; None: the group's own choice.

    Examples:
        >>> model, sums = nn.Linear(3, 2), gpunn.dist.Reducer(1, gpunn.dist.current())
        >>> x = np.ones((4, 3), np.float32)
        >>> with sums.collecting(model.parameters(), len(x), due=True):
        ...     model(x).mean().backward()
        >>> sums.release(model.parameters())
        True
    """

    def __init__(self, every: int, group: Group, bucket_bytes: int = 25 << 20, ordered: bool | None = None):
        super().__init__(every)
        self.group, self.bucket_bytes, self.ordered = group, bucket_bytes, ordered
        self.buckets: list[Bucket] = []
        self._planned: list[Any] = []  # what the buckets were made for
        self._flags: dict[tuple[bool, ...], Flags] = {}
        self._start_backward()

    def _start_backward(self) -> None:
        self._works: list[Work] = []  # of the buckets under way, the first ones
        self._weight: float | Array | None = None  # of the batch that is added to buckets as they are reduced
        self._missing: list[set[int]] = []  # of each bucket, whose gradients are to come
        self.group.weight = 1.0

    # ---------------------------------------------------------------- taking in
    @contextmanager
    def collecting(self, parameters: Iterable[Tensor], weight: float | Array | None, due: bool) -> Iterator[None]:
        """A block in which the mean loss of a batch runs backward; its gradients are taken in.

        The weight is what the mean was divided by, None where nothing counted; `due`: `release` is to follow.
        """
        params = list(parameters)
        self.group.weight = 0.0 if weight is None else weight
        if self.group.size == 1:
            with super().collecting(params, weight, due):
                yield
        elif not due or weight is None:
            self._make_room(params)
            yield
            if weight is None:
                self.skip()
            else:
                self.add(params, weight)
        else:
            self.expect(params, weight)
            with ExitStack() as waiting:
                for i in set().union(*self._missing):
                    hook = partial(self.arrived, params, i)
                    waiting.enter_context(params[i].register_post_accumulate_grad_hook(hook))
                yield

    def expect(self, params: list[Tensor], weight: float | Array | None) -> None:
        """Get ready for a backward before `release`: `arrived` is to tell of each gradient that is whole."""
        self._make_room(params)
        if self._works:
            raise DistError(
                "Reducer: an error ended the last step on this rank after gradients were sent, so that the ranks are "
                "no longer at one place; end them all, and go on from the last checkpoint"
            )
        self._weight = weight
        self._missing = [set(bucket.members) for bucket in self.buckets]

    def arrived(self, params: list[Tensor], i: int, tensor: Tensor | None = None) -> None:
        """Take note that the gradient of parameter i is whole; reduce what can be, in the order of the buckets."""
        for missing in self._missing:
            missing.discard(i)
        if self.group.meets:  # ranks that leave out other parameters would come to its collectives in another order
            return
        while len(self._works) < len(self.buckets) and not self._missing[len(self._works)]:
            self._reduce_next(params)

    def _make_room(self, params: list[Tensor]) -> None:
        """See to the buckets: they stay for as long as the parameters are what they are."""
        now = [(p.requires_grad, type(p.array), p.shape, p.dtype, p.array.strides) for p in params]
        self.begun = self.begun or (False,) * len(params)
        places = [(i, view) for bucket in self.buckets for i, view in zip(bucket.members, bucket.views, strict=True)]
        if now == self._planned and all(self._memory[i] is view for i, view in places):
            return
        learning = [i for i, p in enumerate(params) if p.requires_grad]
        arrays = [params[i].array for i in learning]
        of_learning = [[learning[j] for j in some] for some in plan(arrays, self.bucket_bytes)]
        self.buckets = [Bucket(some, [params[i].array for i in some]) for some in of_learning]
        saved, self._memory = self._memory, list[Array | None]([None] * len(params))
        for bucket in self.buckets:
            for i, view in zip(bucket.members, bucket.views, strict=True):
                self._memory[i] = view
                if self.begun[i]:  # of a state that was loaded
                    view[...] = saved[i]
        self._planned, self._flags = now, {}

    # ---------------------------------------------------------------- over all ranks
    def _reduce_next(self, params: list[Tensor]) -> None:
        """Start the sum over all ranks of the first bucket that is not under way."""
        bucket = self.buckets[len(self._works)]
        if self._weight is not None:
            self._add(params, bucket.members, self._weight)
        for i, view in zip(bucket.members, bucket.views, strict=True):
            params[i].gradient = None  # what it held is in the sum
            if not self.begun[i]:
                view[...] = 0
        self._works.append(self.group.all_reduce(bucket.memory, "sum", self.ordered))

    def release(self, parameters: Iterable[Tensor]) -> bool:
        """Make the mean over all ranks the parameters' gradients, None where no rank used one, and start anew.

        Whether anything counted on any rank, as far as is known.
        """
        if self.group.size == 1:
            return super().release(parameters)
        params = list(parameters)
        self._make_room(params)
        while len(self._works) < len(self.buckets):
            self._reduce_next(params)
        if self._weight is not None:
            self._end_batch(self._weight)
        counts, used, divisor = self._agreed()
        for work in self._works:
            work.wait()
        for some in by_kind((bucket.memory,) for bucket in self.buckets).values():
            sums = [memory for (memory,) in some]
            backend.twins(sums[0]).optim.divide(sums, divisor)
        for bucket in self.buckets:
            for i, view in zip(bucket.members, bucket.views, strict=True):
                params[i].gradient = view if used[i] else None
        self._start()
        self._start_backward()
        return counts

    def state_dict(self) -> dict[str, Any]:
        """As an Accumulation's, with the sums of all ranks, all of which ask for it."""
        state = super().state_dict()
        if self.group.size == 1 or not self.batches:
            return state
        found = self.group.exchange([state["samples"], self.begun])
        used = [any(flags) for flags in zip(*[begun for _, begun in found], strict=True)]
        sums: list[Array | None] = [None] * len(used)
        for bucket in map(Bucket.copied, self.buckets):
            for i, view in zip(bucket.members, bucket.views, strict=True):
                if not self.begun[i]:
                    view[...] = 0
                sums[i] = view if used[i] else None
            self.group.all_reduce(bucket.memory, "sum", self.ordered).wait()
        return {**state, "samples": sum(samples for samples, _ in found), "sums": sums}

    def load_state_dict(self, saved: Mapping[str, Any], parameters: Iterable[Tensor]) -> None:
        """Take over what `state_dict` returned: rank 0 does, for all."""
        if self.group.rank > 0:
            saved = {"batches": saved["batches"], "samples": 0, "sums": [None] * len(saved["sums"])}
        super().load_state_dict(saved, parameters)

    def _agreed(self) -> tuple[bool, tuple[bool, ...], Array]:
        """Whether anything counted on any rank, which parameters any rank used, and the sum of all weights."""
        on_device = backend.is_array(self.samples) and not isinstance(self.samples, np.ndarray)
        counted = on_device or float(self.samples) > 0  # nobody waits for a device
        flags = self._flags_of((counted, *self.begun))
        told = flags.told.copy()
        told[:1] += self.samples
        self.group.all_reduce(told, "sum", self.ordered).wait()
        weights = told[:1].reshape(())
        if counted and all(self.begun[i] for bucket in self.buckets for i in bucket.members):
            return True, self.begun, weights  # whatever the others have
        if capture.now.get() is None:
            flags.known = tuple((backend.to_numpy(told)[1:] > 0).tolist())
            strange = np.array([0, *np.logical_not(flags.known)], np.float64)
            flags.strange = backend.to_device(strange, backend.device_of(told)) if strange.any() else None
        known = flags.known
        if known is None:
            raise CaptureError(UNKNOWN)
        capture.guard(lambda: flags.known == known)
        if flags.strange is not None and capture.now.get() is not None:
            xp = backend.array_module(told)
            weights = xp.where((told * flags.strange).sum() > 0, np.nan, weights)
        return known[0], known[1:], weights

    def _flags_of(self, mine: tuple[bool, ...]) -> Flags:
        """What this rank tells, on its device; made once."""
        if mine not in self._flags:
            capture.refuse(UNKNOWN)
            told = np.array([0, *mine], np.float64)
            self._flags[mine] = Flags(backend.to_device(told, backend.device_of(self.buckets[0].memory)))
        return self._flags[mine]
