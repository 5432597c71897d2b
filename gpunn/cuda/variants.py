"""Which kernel takes which call: rows of variants, first that accepts wins, and a trace that says why."""

from __future__ import annotations

import contextvars
import difflib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gpunn.cuda.kernel import shared_limit


@dataclass(frozen=True)
class Variant:
    """One way to compute an operation.

    takes: what it accepts, in words. refusal: a problem -> "" or why it cannot. run: (problem, *arrays), launches.
    sources: the ``.cu`` files it launches, the main one first. shared: bytes a block, of a problem.
    avoid: a problem -> "" or why the next variant is the better choice; ``use_variant`` does not ask.
    """

    name: str
    sources: tuple[str, ...]
    takes: str
    refusal: Callable[[Any], str]
    run: Callable[..., Any]
    shared: Callable[[Any], int] = lambda problem: 0
    avoid: Callable[[Any], str] = lambda problem: ""

    def accepts(self, problem: Any) -> bool:
        return not self.refusal(problem)


@dataclass(frozen=True)
class Call:
    """One traced call: the operation, the variant it took, why, and on what."""

    operation: str
    variant: str
    why: str
    problem: str


OPERATIONS: dict[str, Operation] = {}
_forced: contextvars.ContextVar[tuple[tuple[str, str], ...]] = contextvars.ContextVar("gpunn variants", default=())
_trace: contextvars.ContextVar[list[Call] | None] = contextvars.ContextVar("gpunn variant trace", default=None)
_warned: set[tuple[str, str]] = set()


class Operation:
    """An operation such as ``conv2d.forward``, with its variants in order of preference; the last takes everything."""

    def __init__(self, name: str, *variants: Variant):
        self.name = name
        self.variants = variants
        OPERATIONS[name] = self

    def __call__(self, problem: Any, *arrays: Any) -> Any:
        variant, why = self.choose(problem, arrays[0])
        calls = _trace.get()
        if calls is not None:
            calls.append(Call(self.name, variant.name, why, str(problem)))
        return variant.run(problem, *arrays)

    def choose(self, problem: Any, array: Any) -> tuple[Variant, str]:
        """The variant for a problem, and why: the refusals of those before it."""
        forced = dict(_forced.get()).get(self.name)
        if forced is not None:
            variant = self.named(forced)
            if refusal := variant.refusal(problem):
                raise ValueError(f"{self.name}: variant {forced!r} does not take this call: {refusal} ({problem})")
            return variant, "asked for by use_variant"
        reasons = []
        for variant in self.variants:
            refusal = variant.refusal(problem) or variant.avoid(problem)
            refusal = refusal or self._too_little_shared(variant, problem, array)
            if not refusal:
                return variant, "; ".join(reasons) or "first choice"
            reasons.append(f"{variant.name}: {refusal}")
        raise ValueError(f"{self.name}: no variant takes this call ({problem}): {'; '.join(reasons)}")

    def _too_little_shared(self, variant: Variant, problem: Any, array: Any) -> str:
        need = variant.shared(problem)
        if not need or need <= (limit := shared_limit(array)):
            return ""
        refusal = f"needs {need} bytes of shared memory a block, this device has {limit}"
        if (self.name, variant.name) not in _warned:
            _warned.add((self.name, variant.name))
            warnings.warn(f"{self.name}: {variant.name} {refusal}; a slower variant runs", RuntimeWarning, stacklevel=4)
        return refusal

    def named(self, name: str) -> Variant:
        """The variant of this name. Raises ValueError with the nearest match."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise ValueError(_unknown(f"{self.name}: no variant", name, [v.name for v in self.variants]))


def _unknown(what: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.4)
    return f"{what} {name!r}; expected one of {', '.join(known)}" + (f"; did you mean {near[0]}?" if near else "")


def operation(name: str) -> Operation:
    """The operation called ``family.pass``. Raises ValueError with the nearest match."""
    if name not in OPERATIONS:
        raise ValueError(_unknown("use_variant: no operation", name, sorted(OPERATIONS)))
    return OPERATIONS[name]


@contextmanager
def use_variant(name: str, variant: str) -> Iterator[None]:
    """Inside the block the operation ``name`` ("conv2d.forward") runs this variant ("naive") or raises ValueError."""
    operation(name).named(variant)
    token = _forced.set((*_forced.get(), (name, variant)))
    try:
        yield
    finally:
        _forced.reset(token)


@contextmanager
def tracing() -> Iterator[list[Call]]:
    """Collects every call inside the block: which variant it took, and why."""
    calls: list[Call] = []
    token = _trace.set(calls)
    try:
        yield calls
    finally:
        _trace.reset(token)
