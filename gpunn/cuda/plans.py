"""Plans: what a call does, found once a signature and kept.

A variant describes its launches by name (`Launch`): pure data, tested without arrays. A `Plan` has them compiled and
their scalars packed; a call is a look-up of the plan, the memory of its results and the launches. A plan holds no
memory: scratch comes from the current stream's allocator at the call, so that streams and threads may share it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from gpunn import backend
from gpunn.backend import Array, destination, streams
from gpunn.backend.memory import address
from gpunn.cuda.device import EMULATOR, device_number
from gpunn.cuda.kernel import Bound, kernel
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout

KEPT = 4096  # plans an operation keeps; a network has a few dozen


class Scalar(NamedTuple):
    """An input that is a number, another at each call: NumPy's scalar of this type."""

    dtype: DTypeLike


class Scratch(NamedTuple):
    """Memory that the launches of one call hand each other."""

    name: str
    shape: tuple[int, ...]
    dtype: DTypeLike


class Tickets(NamedTuple):
    """So many int32 zeros, which the kernel leaves zeros: by them its blocks find out which is the last."""

    count: int


class Output(NamedTuple):
    """A result: the shape of its memory, and the order of axes in which the user sees it."""

    shape: tuple[int, ...]
    dtype: DTypeLike
    axes: tuple[int, ...] | None = None


class Launch(NamedTuple):
    """One launch as a variant describes it.

    ``args`` are in the kernel's order: the name of an operand, a Scratch, Tickets, None for a null pointer, numbers, or
    the problem whose fields fill a struct. ``cooperative``: its blocks wait for each other, and all run at once.
    """

    kernel: str
    macros: Mapping[str, object]
    grid: tuple[int, ...]
    block: tuple[int, ...]
    args: tuple[Any, ...]
    shared_bytes: int = 0
    cooperative: bool = False


class Call(NamedTuple):
    """One traced call: the operation, the variant it took, why, and on what."""

    operation: str
    variant: str
    why: str
    problem: Problem  # in words: str(problem)


trace: contextvars.ContextVar[list[Call] | None] = contextvars.ContextVar("gpunn variant trace", default=None)


Slot: TypeAlias = Layout | Output | Scalar | Scratch | None
TICKETS = "tickets"  # their name among a plan's slots


class Plan:
    """The launches of one signature, compiled, with every argument but the arrays filled in."""

    __slots__ = (
        "call", "current", "device", "empty", "form", "inside", "kernels", "memory", "moves", "results", "steps",
        "stream", "tail", "tickets",
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        launches: tuple[Launch, ...],
        inputs: Mapping[str, Layout | Scalar | None],
        outputs: Mapping[str, Output],
    ):
        first = next(found for found in inputs.values() if isinstance(found, Layout))
        self.call: Call | None = call  # None: not traced
        self.moves = [
            (i, found.move) for i, found in enumerate(inputs.values()) if isinstance(found, Layout) and found.move
        ]
        scratch = {arg.name: arg for launch in launches for arg in launch.args if isinstance(arg, Scratch)}
        made = [*outputs.values(), *scratch.values()]
        self.memory = [(one.shape, one.dtype) for one in made]
        self.device = first.device
        asked = [arg.count for launch in launches for arg in launch.args if isinstance(arg, Tickets)]
        self.tickets = max(asked, default=0)
        self.stream = backend.require_cupy().cuda.get_current_stream if self.device != EMULATOR and asked else None
        self.results = [output.axes for output in outputs.values()]
        self.form = _form(next(iter(outputs.values()))) if outputs and launches else None
        self.current, self.inside = _device(first.device)
        self.empty = _allocator(first.device, zeros=not launches)
        slots: dict[str, Slot] = {**inputs, **outputs, **scratch}
        if self.tickets:
            slots[TICKETS] = Scratch(TICKETS, (self.tickets,), np.int32)
        constants: list[Any] = []
        self.kernels = [kernel(launch.kernel, **launch.macros) for launch in launches]
        with _current(first.device):
            self.steps = [_bound(launch, slots, constants, first.device) for launch in launches]
        self.tail = tuple(constants)

    def __call__(self, *operands: Any) -> Any:
        """The results for inputs of the plan's layouts: one array, or a tuple where there are several."""
        if (calls := trace.get()) is not None and self.call is not None:
            calls.append(self.call)
        if self.current is not None and self.current() != self.inside:
            with streams.on(self.inside):
                return self._run(operands)
        return self._run(operands)

    def _run(self, operands: tuple[Array | None, ...]) -> Any:
        empty = self.empty
        if not (given := destination.given.get()) or not self._makes(given[0]):
            made = [empty(shape, dtype) for shape, dtype in self.memory]
        else:
            (first, _), *others = self.memory
            out = destination.in_memory(given.pop()).reshape(first)
            made = [out, *[empty(shape, dtype) for shape, dtype in others]]
        if self.moves:
            operands = self._moved(operands)
        if self.tickets:
            tickets = streams.tickets(self.device, self.tickets, self.stream and self.stream())
            slots = (*operands, *made, tickets, *self.tail)
        else:
            slots = (*operands, *made, *self.tail)
        at = 0
        try:
            for function, grid, block, pick in self.steps:
                function(grid, block, pick(slots))
                at += 1
        except BaseException as error:
            if self.tickets:
                streams.forget_tickets(self.device)
            if not isinstance(error, Exception):
                raise
            raise self.kernels[at].explained(error, self.steps[at][3](slots)) from error
        if len(self.results) == 1:
            return made[0] if self.results[0] is None else made[0].transpose(self.results[0])
        # Scratch follows the results, and stays behind.
        return tuple([m if axes is None else m.transpose(axes) for m, axes in zip(made, self.results, strict=False)])

    def _makes(self, out: Array) -> bool:
        """Whether the first result could lie in this array's memory."""
        return (
            self.form == destination.form(out.shape, out.strides, out.dtype)
            and address(out) % 16 == 0
            and device_number(out) == self.device
        )

    def _moved(self, operands: tuple[Array | None, ...]) -> tuple[Array | None, ...]:
        moved: list[Any] = list(operands)
        for i, move in self.moves:
            moved[i] = move(moved[i])
        return tuple(moved)


def _form(output: Output) -> destination.Form:
    """How the result lies in memory as the user sees it."""
    dtype, strides = np.dtype(output.dtype), [1]
    for size in reversed(output.shape[1:]):
        strides.insert(0, strides[0] * size)
    axes = output.axes or range(len(output.shape))
    shape, bytes_ = [output.shape[axis] for axis in axes], [strides[axis] * dtype.itemsize for axis in axes]
    return destination.form(tuple(shape), tuple(bytes_), dtype)


def _device(device: int) -> tuple[Callable[[], int] | None, int]:
    """What tells CuPy's current device, and the device to run on; None for the emulator, which has one."""
    return (None, 0) if device == EMULATOR else (backend.require_cupy().cuda.runtime.getDevice, device)


def _allocator(device: int, zeros: bool) -> Callable[[tuple[int, ...], Any], Array]:
    """New memory, of zeros where nothing is launched; on the emulator otherwise NaN, so that what is left out shows."""
    if device == EMULATOR:
        return _emulated_zeros if zeros else backend.require_emulator().empty
    cupy = backend.require_cupy()
    return cupy.zeros if zeros else cupy.empty


def _emulated_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    return np.zeros(shape, dtype).view(backend.require_emulator().EmulatedArray)


def _bound(
    launch: Launch, slots: Mapping[str, Slot], constants: list[Any], device: int
) -> tuple[Bound, tuple[int, ...], tuple[int, ...], Callable[[tuple], tuple]]:
    """The launch checked and compiled: function, grid, block, and what picks its arguments from the call's slots.

    ``slots`` names the call's arrays in order; what else the kernel takes is added to ``constants``, which follow them.
    """
    wanted = kernel(launch.kernel, **launch.macros)
    wanted.check_count(launch.args)
    wanted.check_grid(launch.grid, launch.block)
    places, picked = {name: i for i, name in enumerate(slots)}, []
    for parameter, arg in zip(wanted.source.parameters, launch.args, strict=True):
        name = arg.name if isinstance(arg, Scratch) else TICKETS if isinstance(arg, Tickets) else arg
        there = slots[name] if isinstance(name, str) else None
        if isinstance(there, Scalar):
            wanted.check_scalar(parameter, there.dtype)
            picked.append(places[name])
        elif there is not None:
            wanted.check_memory(parameter, np.dtype(there.dtype), getattr(there, "offset", 0) == 0 or _moves(there))
            picked.append(places[name])
        else:
            picked.append(len(slots) + len(constants))
            constants.append(wanted.constant(parameter, None if isinstance(name, str) else arg, device))
    run = wanted.bound(device, launch.shared_bytes, launch.cooperative)
    return run, launch.grid, launch.block, itemgetter(*picked)


def _moves(there: object) -> bool:
    return isinstance(there, Layout) and there.move is not None


def _current(device: int) -> AbstractContextManager:
    """A context in which this device is CuPy's current one."""
    return nullcontext() if device == EMULATOR else backend.require_cupy().cuda.Device(device)
