"""The OpenBLAS that NumPy brought along, reached through ctypes: one thread inside our workers, and what it runs on."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


class Blas:
    """NumPy's OpenBLAS, where there is one to be found: its thread count and the kernels it chose."""

    _names = (
        "scipy_openblas_{}_num_threads64_",
        "scipy_openblas_{}_num_threads",
        "openblas_{}_num_threads64_",
        "openblas_{}_num_threads",
    )

    def __init__(self) -> None:
        self._functions: tuple[Callable[[], int], Callable[[int], None]] | None = None
        self._core: str | None = None
        self._found = False
        self.reset()

    def reset(self) -> None:
        self._guard = threading.RLock()  # so that a thread that an interrupt left holding it can go on
        self._users: set[object] = set()
        self._before = 1  # the count to put back

    def _load(self) -> None:
        self._found = True
        for path in _openblas_files():
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for name in self._names:
                getter, setter = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
                if getter is not None and setter is not None:
                    getter.restype, getter.argtypes = ctypes.c_int, []
                    setter.restype, setter.argtypes = None, [ctypes.c_int]
                    self._functions = getter, setter
                    self._core = _core_name(library, name)
                    return

    @property
    def core(self) -> str | None:
        """The processor whose kernels OpenBLAS uses, for example "SkylakeX"; None where BLAS is another."""
        if not self._found:
            self._load()
        return self._core

    def single(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """task(...) on one BLAS thread; the count from before after it, once the last of several users is out."""
        if not self._found:
            self._load()
        if self._functions is None:
            return task(*args, **kwargs)
        user = object()
        try:
            try:
                self._enter(user, *self._functions)
                return task(*args, **kwargs)
            finally:
                self._leave(user, self._functions[1])
        finally:  # once more: an interrupt may have come at the line above
            self._leave(user, self._functions[1])

    def _enter(self, user: object, get: Callable[[], int], put: Callable[[int], None]) -> None:
        with self._guard:
            if not self._users:
                self._before = get()
            self._users.add(user)
            if self._before != 1:
                put(1)

    def _leave(self, user: object, put: Callable[[int], None]) -> None:
        with self._guard:
            self._users.discard(user)
            if not self._users and self._before != 1:
                put(self._before)
                self._before = 1


def _core_name(library: ctypes.CDLL, name: str) -> str | None:
    function = getattr(library, name.format("get").replace("num_threads", "corename"), None)
    if function is None:
        return None
    function.restype, function.argtypes = ctypes.c_char_p, []
    return function().decode()


def _openblas_files() -> Iterator[Path]:
    """Libraries to look into: those beside NumPy (its wheels bundle one), then, on Linux, whatever is mapped."""
    home = Path(np.__file__).resolve().parent
    for folder in (home.parent / "numpy.libs", home / ".libs", home / ".dylibs"):
        if folder.is_dir():
            yield from sorted(p for p in folder.iterdir() if "openblas" in p.name)
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return
    mapped = {line.split(maxsplit=5)[5] for line in lines if line.count(" ") >= 5 and "openblas" in line}
    yield from sorted(Path(name) for name in mapped if ".so" in name)


blas = Blas()
