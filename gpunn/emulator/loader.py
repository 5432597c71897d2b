"""Builds a kernel's library, loads it and describes its entry point: a ``Compiled``, which ``launch`` runs."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gpunn.emulator.build import build
from gpunn.emulator.elf import Variable, variables
from gpunn.emulator.source import may_spin, parameter_names, translation_unit
from gpunn.errors import DeviceError

# Held by whoever runs a kernel or loads one: the runtime has one set of stacks, and while a kernel runs it takes every
# checked access, also one by which a library sets itself up, for the kernel's own.
one_at_a_time = threading.RLock()  # so that a thread that an interrupt left holding it can go on


class _CParameter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_char_p),
        ("bytes", ctypes.c_int),
        ("pointer", ctypes.c_int),
        ("constant", ctypes.c_int),
    )


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: its name, element type (``f4``, ``bf2``, ``i4``, ``V`` for a struct) and size."""

    name: str
    code: str
    bytes: int
    pointer: bool
    constant: bool


@dataclass(frozen=True, eq=False)
class Compiled:
    """One entry point of one source, built and loaded."""

    name: str
    filename: str
    parameters: tuple[Parameter, ...]
    checked: bool
    path: Path
    library: ctypes.CDLL = field(repr=False)
    entry: int = field(repr=False)
    module: tuple[int, int] = field(repr=False)  # first and past-the-last address of what the library loaded
    variables: tuple[Variable, ...] = field(repr=False)
    spins: bool = False  # whether a thread may look at memory until another has changed it

    @property
    def shared(self) -> tuple[Variable, ...]:
        """The static shared variables, by address."""
        return tuple(v for v in self.variables if v.shared)


def compiled(source: str, name: str, macros: dict[str, object], filename: str, checked: bool) -> Compiled:
    """The kernel ``name`` of a CUDA source, as `function.load` describes: built, or from the cache of libraries."""
    runtime()  # first, since kernels refer to its symbols
    text = translation_unit(source, name, macros, filename)
    path = build(text, name, checked)
    with one_at_a_time:
        return _loaded(path, source, name, filename, checked)


def _loaded(path: Path, source: str, name: str, filename: str, checked: bool) -> Compiled:
    """The entry point of a library that was built."""
    library = _open(path, name)
    describe = getattr(library, f"gpunn_describe_{name}")
    table = ctypes.POINTER(_CParameter)()
    count = describe(ctypes.byref(table))
    names = parameter_names(source, name)
    if names is None or len(names) != count:
        names = [f"argument {i}" for i in range(count)]
    parameters = tuple(
        Parameter(names[i], table[i].code.decode(), table[i].bytes, bool(table[i].pointer), bool(table[i].constant))
        for i in range(count)
    )
    entry = ctypes.cast(getattr(library, f"gpunn_entry_{name}"), ctypes.c_void_p).value or 0
    module = _pair(lambda *ends: runtime().gpunn_module_range(ctypes.c_void_p(entry), *ends))
    return Compiled(
        name,
        filename,
        parameters,
        checked,
        path,
        library,
        entry,
        module,
        variables(path) or _section(library, module[0]),
        may_spin(source),
    )


def _section(library: ctypes.CDLL, start: int) -> tuple[Variable, ...]:
    """The shared variables of a library without symbols: one piece."""
    low, high = _pair(library.gpunn_shared_range)
    return (Variable("memory", low - start, high - low, True),) if high > low else ()


def _pair(fill) -> tuple[int, int]:
    low, high = ctypes.c_void_p(), ctypes.c_void_p()
    fill(ctypes.byref(low), ctypes.byref(high))
    return low.value or 0, high.value or 0


def _open(path: Path, name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise DeviceError(
            f"{name}: the compiled kernel does not load ({error}); "
            "it uses a function that the emulator does not have (gpunn/emulator/README.md lists what it has)"
        ) from error


@cache
def runtime() -> ctypes.CDLL:
    """The runtime library, whose symbols every kernel refers to: built once a version, visible to all that follows."""
    path = build('#include "host/runtime/runtime.cpp"\n', "runtime", checked=False, exported=True)
    return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
