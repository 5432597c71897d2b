"""Steps as CUDA graphs: which are captured and replayed, and what runs eagerly, and why."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture
from gpunn.cuda.graph import BLOCKED, DONE, ELSEWHERE, Graph
from gpunn.cuda.places import Place
from gpunn.cuda.variants import forced
from gpunn.engine.autograd import is_grad_enabled
from gpunn.errors import UsageError
from gpunn.train.agreement import Agreement
from gpunn.train.batches import Batch
from gpunn.train.blocked import assigned_words, switched_off, what_blocked
from gpunn.train.frozen import Frozen
from gpunn.train.step_kinds import Body, Host, Kind, joined, signature, taking_apart

WARM_UPS = 2  # eager steps of a kind before it is captured: they make what stays, and say how much memory it takes
KINDS = 8  # of steps that are captured, at most
ANEW = 3  # times that all graphs are made anew because something changed, at most


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
        ranks: those that take steps that learn together.
    """

    def __init__(
        self,
        who: str,
        frozen: Frozen,
        watched: Mapping[str, str | None],
        enabled: bool | None = None,
        say: Callable[[str], object] | None = None,
        host: Host | None = None,
        ranks: Agreement | None = None,
    ):
        self.who, self.frozen, self.watched, self.host = who, frozen, dict(watched), host or Host()
        self._ranks = ranks or Agreement()
        self._say = say or (lambda words: warnings.warn(words, RuntimeWarning, stacklevel=7))
        self._said: set[str] = set()
        self.why_eager = switched_off(enabled)
        self._kinds: dict[tuple, Kind] = {}
        self._made_anew = 0
        self._place: Place | None = None
        self._batch: Any = None
        self._running = threading.RLock()

    @property
    def captured(self) -> bool:
        """Whether some kind of step is a graph now."""
        return any(kind.graph is not None for kind in self._kinds.values())

    def run(self, key: Any, batch: Batch, body: Body, number: int, alike: bool = False) -> dict[str, Any]:
        """What body(*arrays of the batch) gives: readings of it where the step was replayed.

        `key` tells apart bodies that launch different things for the same batch; `number` is the step's, from 1, or 0
        of one that does not learn. `alike`: the same key means the same kind on all ranks, who need not ask each other.
        """
        if not self._running.acquire(blocking=False):
            raise UsageError(
                f"{self.who}: called by a second thread while a step of the first runs; give each thread its own"
            )
        try:
            if self.why_eager or (place := self._where()) is None:
                return dict(self._loaded(batch, body)())
            return joined(place.inside(self._run, place, key, batch, taking_apart(body), number, alike))
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

    def look_at(self, functions: Iterable[Any]) -> None:
        """Take what else functions of steps read as it is, from now on; steps are captured anew."""
        self.frozen.add([function for function in functions if function is not None])
        self.forget()

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
        if not self.frozen.parameters or isinstance(self.frozen.parameters[0].array, np.ndarray):  # the emulator's too
            if self._kinds:  # it was moved here
                self.forget()
            return None
        if (what := self.frozen.changed()) and not self._renew(what):
            return None
        index = self.frozen.parameters[0].array.data.device_id
        if self._place is None or self._place.index != index:
            self._place = Place(index)
        return self._place

    def _run(self, place: Place, key: Any, batch: Batch, body: Body, number: int, alike: bool) -> dict[str, Any]:
        before, like = self.host.get(), signature(batch, place.index)
        if number and not alike:
            like = self._ranks.kind(like)
        whole = (key, like, before, self.frozen.modes, is_grad_enabled(), forced())
        kind = self._kinds.get(whole) or self._new_kind(whole)
        if kind.graph is not None and not kind.graph.stands():
            goes_on = self._renew("an array or option of the optimizer, sums or averages")
            kind = self._new_kind(whole) if goes_on else Kind(eager=True)
        if kind.eager or like is None:
            return self._eagerly(batch, body)
        if kind.graph is None:
            if kind.warm < WARM_UPS:
                return self._warm_up(place, kind, batch, body)
            if words := self._capture(place, kind, batch, body, before, number > 0):
                words = self._ranks.reason(words) if number else words
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

    def _new_kind(self, whole: tuple) -> Kind:
        if len(self._kinds) < KINDS:
            return self._kinds.setdefault(whole, Kind())
        self._say_once(
            f"{self.who}: steps of {KINDS} kinds (shapes, modes) are captured; those of others run eagerly, which is "
            "slower: pad batches to fewer shapes, or leave the last one out (drop_last=True)"
        )
        return Kind(eager=True)

    # ---------------------------------------------------------------- eagerly
    def _eagerly(self, batch: Batch, body: Body) -> dict[str, Any]:
        found = dict(self._loaded(batch, body)())
        if self.frozen.changed():  # by the step itself
            self.frozen.take()
        return found

    def _warm_up(self, place: Place, kind: Kind, batch: Batch, body: Body) -> dict[str, Any]:
        found = dict(place.measured(self._loaded(batch, body, kind)))
        assigned = self.frozen.assigned()
        if assigned and kind.warm:  # the first step may fill what is kept from then on
            kind.eager = True
            self._say_once(f"{self.who}: {assigned_words(assigned)}; such steps run eagerly, which is slower")
        if assigned or self.frozen.changed():
            self.frozen.take()
        kind.warm += 1
        return found

    # ---------------------------------------------------------------- captured
    def _capture(self, place: Place, kind: Kind, batch: Batch, body: Body, before: Any, learns: bool) -> str:
        """Make the kind's graph, which runs nothing; or why there is none, and all is as it was."""
        agree = (self._ranks if learns else Agreement()).worst
        if hooked := self.frozen.hooked():
            agree(BLOCKED)
            return f"a step cannot be captured with a hook of {hooked}, which a replay would not call"
        grads = [p.gradient for p in self.frozen.parameters]

        def undo() -> None:
            self.frozen.put_back()
            self.host.set(before)
            for p, grad in zip(self.frozen.parameters, grads, strict=True):
                p.gradient = grad

        inputs = tuple([backend.array_module(a).empty_like(a) for a in batch]) if isinstance(batch, tuple) else ()
        try:
            graph = Graph(place, self._loaded(batch, body, kind, inputs), self.watched, undo, agree)
        except Exception as error:
            if not self.captured:
                place.empty()  # of what was reserved
            return what_blocked(error)
        assigned = self.frozen.assigned()
        if agree(BLOCKED if assigned else DONE) == BLOCKED:
            undo()
            return assigned_words(assigned) if assigned else ELSEWHERE
        kind.graph, kind.inputs, kind.after = graph, inputs, self.host.get()
        kind.grads = [(p, p.gradient) for p in self.frozen.parameters]
        if self.frozen.changed():
            self.frozen.take()
        return ""

    def _replay(self, kind: Kind, batch: Batch, number: int) -> dict[str, Any]:
        graph = kind.graph
        assert graph is not None
        self._batch = batch
        if isinstance(batch, tuple):
            for mine, given in zip(kind.inputs, batch, strict=True):
                mine[...] = given
        found = graph.replay(number)
        for p, grad in kind.grads:
            p.gradient = grad
        self.host.set(kind.after)
        return found

    def _loaded(
        self, batch: Batch, body: Body, kind: Kind | None = None, inputs: tuple[Array, ...] = ()
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
