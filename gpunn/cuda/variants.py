"""Which kernel takes which call: rows of variants, the first that accepts wins, and a trace that says why."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from gpunn.asked import PRECISION, asked, asking
from gpunn.asked import Asked as Asked
from gpunn.cuda import source, tuned
from gpunn.cuda.device import EMULATOR, capability, multiprocessors, shared_limit
from gpunn.cuda.plans import Call, Launch, Output, Plan, Scalar, trace
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout
from gpunn.errors import nearest
from gpunn.restored import Setting


@dataclass(frozen=True)
class Variant:
    """One way to compute an operation.

    sources: the ``.cu`` files it launches, the main one first. takes: what it accepts, in words. plan: a problem -> its
    launches, which name their operands; pure. refusal: a problem -> "" or why it cannot. shared: bytes a block, of a
    problem. avoid: a problem -> "" or why the next variant is the better choice; ``use_variant`` does not ask.
    precision: what it multiplies, "fp32" (as stored), "tf32", "3xtf32", "bf16" or "fp16". dynamic: whether its shared
    memory is asked for at the launch, of which there is more. multiprocessors: how many must be there, of a problem,
    for its blocks to wait for each other.
    """

    name: str
    sources: tuple[str, ...]
    takes: str
    plan: Callable[[Any], tuple[Launch, ...]]
    refusal: Callable[[Any], str] = lambda problem: ""
    shared: Callable[[Any], int] = lambda problem: 0
    avoid: Callable[[Any], str] = lambda problem: ""
    precision: str = "fp32"
    dynamic: bool = False
    multiprocessors: Callable[[Any], int] = lambda problem: 0

    def accepts(self, problem: Problem) -> bool:
        return not self.refusal(problem)


class Asking(NamedTuple):
    """A plan that was made: of which operation and problem, for which arrays, and the variant that it took."""

    operation: str
    problem: Problem
    device: int
    inputs: Mapping[str, Layout | Scalar | None]
    outputs: Mapping[str, Output]
    chosen: str


_planned: ContextVar[list[Asking] | None] = ContextVar("gpunn plans", default=None)
OPERATIONS: dict[str, Operation] = {}
SILENT = {EMULATOR}  # where nobody looks for speed
forced = asked  # what plans are kept by
_warned: set[tuple[str, str]] = set()
_RENAMED = {"first_layer": "gather", "batchnorm": "batch_norm", "pool2d": "pool"}  # earlier names, for use_variant


class Operation:
    """An operation such as ``conv2d.forward``, with its variants in order of preference; the last takes everything."""

    def __init__(self, name: str, *variants: Variant):
        self.name = name
        self.variants = variants
        OPERATIONS[name] = self

    def plan(
        self,
        problem: Problem,
        inputs: Mapping[str, Layout | Scalar | None],
        outputs: Mapping[str, Output],
        empty: bool = False,
        choice: tuple[Variant, str] | None = None,
    ) -> Plan:
        """The plan of a call: inputs and outputs by the names that the variants' launches use.

        ``empty``: there is nothing to compute, and the results are zeros. ``choice``: the variant and why, in place of
        `choose`'s.
        """
        if empty:
            return Plan(Call(self.name, "-", "nothing to compute", problem), (), inputs, outputs)
        device = next(found.device for found in inputs.values() if isinstance(found, Layout))
        variant, why = choice or self.choose(problem, device)
        if (made := _planned.get()) is not None:
            made.append(Asking(self.name, problem, device, inputs, outputs, variant.name))
        return Plan(Call(self.name, variant.name, why, problem), variant.plan(problem), inputs, outputs)

    def choose(self, problem: Problem, device: int) -> tuple[Variant, str]:
        """The variant for a problem, and why: it was measured to be the fastest, or the refusals of those before it."""
        wanted = dict(asked()).get(self.name)
        if wanted is not None:
            variant = self.named(wanted)
            refusal = variant.refusal(problem) or ("" if device == EMULATOR else _lacking(variant, device))
            if refusal := refusal or _too_many(variant, problem, device):
                raise ValueError(f"{self.name}: variant {wanted!r} does not take this call: {refusal} ({problem})")
            return variant, "asked for by use_variant"
        if found := self._tuned(problem, device):
            return found
        reasons = []
        for variant in self.variants:
            refusal = variant.refusal(problem) or _lacking(variant, device) or variant.avoid(problem)
            refusal = refusal or _too_many(variant, problem, device)
            refusal = refusal or self._too_little_shared(variant, problem, device)
            if not refusal:
                self._note_precision(problem, device)
                return variant, "; ".join(reasons) or "first choice"
            reasons.append(f"{variant.name}: {refusal}")
        raise ValueError(f"{self.name}: no variant takes this call ({problem}): {'; '.join(reasons)}")

    def _tuned(self, problem: Problem, device: int) -> tuple[Variant, str] | None:
        """What `gpunn tune` found to be the fastest, where that can still run."""
        found = tuned.find(self.name, problem, device, self.variants)
        variant = next((v for v in self.variants if found and v.name == found[0]), None)
        if found is None or variant is None or variant.refusal(problem) or lacking(variant, problem, device):
            return None
        return variant, found[1]

    def _note_precision(self, problem: Problem, device: int) -> None:
        """Say once that what is asked for is multiplied more slowly here, since the device lacks all that does it."""
        wanted = getattr(problem, "precision", "fp32")
        kin = [v for v in self.variants if v.precision == wanted != "fp32"]
        if not kin or not all(_lacking(v, device) for v in kin) or device in SILENT:
            return
        if (PRECISION, wanted) not in _warned:
            _warned.add((PRECISION, wanted))
            words = f"precision {wanted}: {kin[-1].name} {_lacking(kin[-1], device)}; slower variants multiply float32"
            warnings.warn(f"{words}; leave gpunn.precision({wanted!r}) out here", RuntimeWarning, stacklevel=5)

    def _too_little_shared(self, variant: Variant, problem: Problem, device: int) -> str:
        refusal = _too_large(variant, problem, device)
        if refusal and (self.name, variant.name) not in _warned:
            _warned.add((self.name, variant.name))
            warnings.warn(f"{self.name}: {variant.name} {refusal}; a slower variant runs", RuntimeWarning, stacklevel=4)
        return refusal

    def named(self, name: str) -> Variant:
        """The variant of this name. Raises ValueError with the nearest match."""
        name = _RENAMED.get(name, name)
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise ValueError(_unknown(f"{self.name}: no variant", name, [v.name for v in self.variants]))


@cache
def _lacking(variant: Variant, device: int) -> str:
    """What a variant's kernels need that this device has not."""
    here = capability(device)
    for name in variant.sources:
        architecture = source.read(name).architecture
        if not source.runs_on(architecture, here):
            return f"needs sm_{architecture}, this device is sm_{here}"
    return ""


def _too_large(variant: Variant, problem: Problem, device: int) -> str:
    """That a block would need more shared memory than the device has."""
    need = variant.shared(problem)
    if not need or need <= (limit := shared_limit(device, variant.dynamic)):
        return ""
    return f"needs {need} bytes of shared memory a block, this device has {limit}"


def _too_many(variant: Variant, problem: Problem, device: int) -> str:
    """That blocks which wait for each other are more than the device runs at once."""
    need = variant.multiprocessors(problem)
    if not need or need <= (there := multiprocessors(device)):
        return ""
    return f"its blocks wait for each other on {need} multiprocessors, this device has {there}"


def lacking(variant: Variant, problem: Problem, device: int) -> str:
    """Why a device cannot run a variant on a problem that it takes, or ""."""
    return _lacking(variant, device) or _too_large(variant, problem, device) or _too_many(variant, problem, device)


def _unknown(what: str, name: str, known: list[str]) -> str:
    near = nearest(name, known, 0.4)
    return f"{what} {name!r}; expected one of {', '.join(known)}" + (f"; did you mean {near}?" if near else "")


def operation(name: str) -> Operation:
    """The operation called ``family.pass``. Raises ValueError with the nearest match."""
    family, dot, rest = name.partition(".")
    name = f"{_RENAMED.get(family, family)}{dot}{rest}"
    if name not in OPERATIONS:
        raise ValueError(_unknown("use_variant: no operation", name, sorted(OPERATIONS)))
    return OPERATIONS[name]


def use_variant(name: str, variant: str) -> Setting[Asked]:
    """Inside the block the operation ``name`` ("conv2d.forward") runs this variant ("naive") or raises ValueError."""
    wanted = operation(name)
    chosen = (wanted.name, wanted.named(variant).name)
    return Setting(asking, lambda before: (*asked(), chosen))


def tracing() -> Setting[list[Call]]:
    """Collects every call inside the block: which variant it took, and why."""
    return Setting(trace, lambda before: [])


def using() -> Setting[list[Asking]]:
    """Collects the plans that are made inside the block, kept ones left out: what `gpunn tune` measures."""
    return Setting(_planned, lambda before: [])
