"""Steps as CUDA graphs: which are captured and replayed, and what runs eagerly, and why."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture
from gpunn.cuda.graph import Graph
from gpunn.cuda.places import Place
from gpunn.cuda.variants import forced
from gpunn.engine.autograd import is_grad_enabled
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError
from gpunn.train.batches import Batch
from gpunn.train.blocked import what_blocked
from gpunn.train.frozen import Frozen
from gpunn.train.readings import Share

WARM_UPS = 2  # eager steps of a kind before it is captured: they make what stays, and say how much memory it takes
KINDS = 8  # of steps that are captured, at most
ANEW = 3  # times that all graphs are made anew because something changed, at most


Body: TypeAlias = Callable[..., Mapping[str, Any]]


@dataclass
class Host:
    """What a step counts on the host beside what it is fed with; it is part of a step's kind, and set by a replay."""

    get: Callable[[], Any] = lambda: None
    set: Callable[[Any], None] = lambda state: None


@dataclass
class _Kind:
    """Steps of one signature."""

    warm: int = 0
    eager: bool = False
    graph: Graph | None = None
    inputs: tuple[Array, ...] = ()
    words: np.ndarray | None = None  # of a Loadable, for their shape and dtype
    grads: list[tuple[Tensor, Array | None]] = field(default_factory=list)
    after: Any = None


class Graphs:
    """Runs steps of one owner: on `cuda` the first of a kind eagerly, then one is captured, then it is replayed.

    Elsewhere, and where an op blocks the capture, all run eagerly; `say` is told once. What was captured is
    captured anew where something has changed of what it took as it was.

    Args:
        who: the owner's name in words.
        frozen: what graphs take as it is.
        watched: the values whose first that is not finite is a fault, each with the count that must not be 0, or None.
        enabled: whether to capture; None: unless the environment says GPUNN_CAPTURE=0.
        say: takes a sentence on why steps run eagerly; a RuntimeWarning where it is left out.
        host: what a step counts on the host.
    """

    def __init__(
        self,
        who: str,
        frozen: Frozen,
        watched: Mapping[str, str | None],
        enabled: bool | None = None,
        say: Callable[[str], object] | None = None,
        host: Host | None = None,
    ):
        self.who, self.frozen, self.watched, self.host = who, frozen, dict(watched), host or Host()
        self._say = say or (lambda words: warnings.warn(words, RuntimeWarning, stacklevel=7))
        self._said: set[str] = set()
        self.why_eager = _switched_off(enabled)
        self._kinds: dict[tuple, _Kind] = {}
        self._made_anew = 0
        self._place: Place | None = None
        self._batch: Any = None
        self._running = threading.RLock()

    @property
    def captured(self) -> bool:
        """Whether some kind of step is a graph now."""
        return any(kind.graph is not None for kind in self._kinds.values())

    def run(self, key: Any, batch: Batch, body: Body, number: int) -> dict[str, Any]:
        """What body(*arrays of the batch) gives: readings of it where the step was replayed.

        `key` tells apart bodies that launch different things for the same batch; `number` is the step's, from 1.
        """
        if not self._running.acquire(blocking=False):
            raise UsageError(
                f"{self.who}: called by a second thread while a step of the first runs; give each thread its own"
            )
        try:
            if self.why_eager or (place := self._where()) is None:
                return dict(self._loaded(batch, body)())
            return _joined(place.inside(self._run, place, key, batch, _taking_apart(body), number))
        finally:
            self._running.release()

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            self._say(words)

    def clear_fault(self) -> None:
        """Let the device watch for the next fault: the one that it knows was told."""
        if (place := self._place) is not None:
            place.inside(place.fault.fill, 0)

    def forget(self) -> None:
        """Drop all graphs: the next steps are as the first. Nothing else is lost."""
        had = self.captured
        self._kinds.clear()
        if had and self._place is not None:
            self._place.inside(self._place.empty)
        self.frozen.take()

    # ---------------------------------------------------------------- where, and of which kind
    def _where(self) -> Place | None:
        """The place of the model's card; None where there is none. Forgets what is no longer so."""
        if not self.frozen.parameters or isinstance(self.frozen.parameters[0].data, np.ndarray):  # the emulator's too
            if self._kinds:  # it was moved here
                self.forget()
            return None
        if (what := self.frozen.changed()) and not self._renew(what):
            return None
        index = self.frozen.parameters[0].data.data.device_id
        if self._place is None or self._place.index != index:
            self._place = Place(index)
        return self._place

    def _run(self, place: Place, key: Any, batch: Batch, body: Body, number: int) -> dict[str, Any]:
        before = self.host.get()
        like = _signature(batch, place.index)
        signature = (key, like, before, self.frozen.modes, is_grad_enabled(), forced())
        kind = self._kinds.get(signature) or self._new_kind(signature)
        if kind.graph is not None and not kind.graph.stands():
            goes_on = self._renew("an array or option of the optimizer, sums or averages")
            kind = self._new_kind(signature) if goes_on else _Kind(eager=True)
        if kind.eager or like is None:
            return self._eagerly(batch, body)
        if kind.graph is None:
            if kind.warm < WARM_UPS:
                return self._warm_up(place, kind, batch, body)
            if words := self._capture(place, kind, batch, body, before):
                found = self._eagerly(batch, body)  # raises what is wrong with the step itself
                kind.eager = True
                self._say_once(f"{self.who}: {words}; such steps run eagerly, which is slower")
                return found
        return self._replay(kind, batch, number)

    def _renew(self, what: str) -> bool:
        """Drop all graphs, since what they take as it was has changed; False: once too often, all steps run eagerly."""
        self._made_anew += self.captured
        self.forget()
        if self._made_anew > ANEW:
            self.why_eager = f"what captured steps take as it was changed {self._made_anew} times, last {what}"
            self._say_once(f"{self.who}: {self.why_eager}; steps run eagerly from now on, which is slower")
        return not self.why_eager

    def _new_kind(self, signature: tuple) -> _Kind:
        if len(self._kinds) < KINDS:
            return self._kinds.setdefault(signature, _Kind())
        self._say_once(f"{self.who}: steps of {KINDS} kinds (shapes, modes) are captured; those of others run eagerly")
        return _Kind(eager=True)

    # ---------------------------------------------------------------- eagerly
    def _eagerly(self, batch: Batch, body: Body) -> dict[str, Any]:
        found = dict(self._loaded(batch, body)())
        if self.frozen.changed():  # by the step itself
            self.frozen.take()
        return found

    def _warm_up(self, place: Place, kind: _Kind, batch: Batch, body: Body) -> dict[str, Any]:
        found = dict(place.measured(self._loaded(batch, body, kind)))
        assigned = self.frozen.assigned()
        if assigned and kind.warm:  # the first step may fill what is kept from then on
            kind.eager = True
            self._say_once(f"{self.who}: {_assigned_words(assigned)}; such steps run eagerly, which is slower")
        if assigned or self.frozen.changed():
            self.frozen.take()
        kind.warm += 1
        return found

    # ---------------------------------------------------------------- captured
    def _capture(self, place: Place, kind: _Kind, batch: Batch, body: Body, before: Any) -> str:
        """Make the kind's graph, which runs nothing; or why there is none, and all is as it was."""
        if hooked := self.frozen.hooked():
            return f"a step cannot be captured with a hook of {hooked}, which a replay would not call"
        grads = [p.grad for p in self.frozen.parameters]

        def undo() -> None:
            self.frozen.put_back()
            self.host.set(before)
            for p, grad in zip(self.frozen.parameters, grads, strict=True):
                p.grad = grad

        inputs = tuple([backend.array_module(a).empty_like(a) for a in batch]) if isinstance(batch, tuple) else ()
        try:
            graph = Graph(place, self._loaded(batch, body, kind, inputs), self.watched, undo)
        except Exception as error:
            if not self.captured:
                place.empty()  # of what was reserved
            return what_blocked(error)
        if assigned := self.frozen.assigned():
            undo()
            return _assigned_words(assigned)
        kind.graph, kind.inputs, kind.after = graph, inputs, self.host.get()
        kind.grads = [(p, p.grad) for p in self.frozen.parameters]
        if self.frozen.changed():
            self.frozen.take()
        return ""

    def _replay(self, kind: _Kind, batch: Batch, number: int) -> dict[str, Any]:
        graph = kind.graph
        assert graph is not None
        self._batch = batch
        if isinstance(batch, tuple):
            for mine, given in zip(kind.inputs, batch, strict=True):
                mine[...] = given
        found = graph.replay(number)
        for p, grad in kind.grads:
            p.grad = grad
        self.host.set(kind.after)
        return found

    def _loaded(
        self, batch: Batch, body: Body, kind: _Kind | None = None, inputs: tuple[Array, ...] = ()
    ) -> Callable[[], Mapping[str, Any]]:
        """The step with its batch filled in: one that loads itself does so inside."""
        if isinstance(batch, tuple):
            return lambda: body(*(inputs or batch))
        self._batch = batch

        def run() -> Mapping[str, Any]:
            like = None if kind is None else kind.words
            words = None if like is None else capture.fed(lambda: self._batch.words(), like.dtype, like.shape)
            if words is None:
                host = batch.words()
                if kind is not None:
                    kind.words = host
                words = backend.asarray(host, device=self.frozen.parameters[0].device)
            return body(*batch.load(words))

        return run


def _signature(batch: Batch, index: int) -> Any:
    """What graphs depend on of a batch; None where it is not on this card."""
    if not isinstance(batch, tuple):
        return batch.key
    if any([isinstance(a, np.ndarray) or a.data.device_id != index for a in batch]):
        return None
    return tuple([(a.shape, a.dtype, a.strides) for a in batch])


def _assigned_words(what: str) -> str:
    return f"a step cannot be captured where it assigns {what}, which a replay would not: change an array in place"


def _switched_off(enabled: bool | None) -> str:
    """Why nothing is to be captured, or ""."""
    if enabled is False:
        return "capture is False"
    if enabled is None and os.environ.get("GPUNN_CAPTURE") == "0":
        return "GPUNN_CAPTURE is 0"
    if os.environ.get("GPUNN_DEBUG_SYNC") == "1":
        return "GPUNN_DEBUG_SYNC is 1, which waits for every launch"
    return ""


def _taking_apart(body: Body) -> Body:
    """The body, the two numbers of each Share apart."""

    def run(*arrays: Array) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for name, value in body(*arrays).items():
            if isinstance(value, Share):
                found[name, "right"], found[name, "of"] = value.right, value.of
            else:
                found[name] = value
        return found

    return run


def _joined(found: Mapping[Any, Any]) -> dict[str, Any]:
    """What such a body gave, its Shares whole again."""
    whole = {name: value for name, value in found.items() if type(name) is not tuple}
    for name in found:
        if type(name) is tuple and name[1] == "right":
            whole[name[0]] = Share(found[name], found[name[0], "of"])
    return whole
