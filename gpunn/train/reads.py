"""What functions read beside their arguments: globals, closures, attributes of objects, elements of lists and dicts.

A captured step runs them once; this tells whether they would read the same today.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable
from functools import lru_cache, partial
from operator import is_
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from gpunn.engine.tensor import Tensor
from gpunn.nn import Module

LIBRARIES = {"gpunn", "numpy", "cupy", *sys.stdlib_module_names} - {"__main__"}  # what these read does not change
CONTAINERS = (list, dict, set)
LONGEST = 64  # elements of a list or dict that are looked at; of what has more, how many they are
KINDS = {"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL"}, {"LOAD_ATTR", "LOAD_METHOD"}, {"STORE_ATTR"}
LACKING = object()


class Reads:
    """What these functions and those they call read, and the inside of what is `held` for them, by name."""

    def __init__(self, functions: Iterable[Any], held: Iterable[tuple[str, Any]] = ()):
        self._slots: list[tuple[str, dict[str, Any], str]] = []
        self._cells: list[tuple[str, Any]] = []
        self._containers: list[tuple[str, Any]] = []
        self._seen: dict[int, Any] = {}  # held, so that their ids stay theirs
        self._loaded: set[str] = set()  # attributes that functions name
        self._stored: set[str] = set()
        self._objects: list[tuple[str, Any]] = []
        for function in functions:
            self._follow(function)
        for name, value in held:
            self._look_into(name, value)
        for words, value in self._objects:
            names = self._stored | (self._loaded & vars(value).keys())
            self._slots += [(f"{words}.{name}", vars(value), name) for name in sorted(names)]
            for name in names & vars(value).keys():
                if type(vars(value)[name]) in CONTAINERS:
                    self._look_into(f"{words}.{name}", vars(value)[name])
        self._before = self._now()
        self._kept = [container.copy() if len(container) <= LONGEST else container for _, container in self._containers]

    def changed(self) -> str:
        """The first that is not what it was, in words; "" where all is."""
        if not (self._slots or self._cells or self._containers):
            return ""
        now, before = self._now(), self._before
        if len(now) == len(before) and all(map(is_, now, before)):
            return ""
        names = [words for words, *_ in (*self._slots, *self._cells)]
        for i, words in enumerate(names):
            if not same(before[i], now[i]):
                return words
        at = len(names)
        for words, container in self._containers:
            size = len(_elements(container))
            if len(before) < at + size or not all(map(same, before[at : at + size], now[at : at + size])):
                return f"an element of {words}"
            at += size
        return "" if len(now) == len(before) else "an element of a list or dict"

    def put_back(self) -> None:
        """Give all the values that they had."""
        before = iter(self._before)
        for _, values, name in self._slots:
            if (value := next(before)) is LACKING:
                values.pop(name, None)
            else:
                values[name] = value
        for _, cell in self._cells:
            cell.cell_contents = next(before)
        for (_, container), kept in zip(self._containers, self._kept, strict=True):
            if len(kept) <= LONGEST and not all(map(same, _elements(kept), _elements(container))):
                container.clear()
                (container.extend if type(container) is list else container.update)(kept)

    def _now(self) -> list[Any]:
        read = [values.get(name, LACKING) for _, values, name in self._slots]
        read += [cell.cell_contents for _, cell in self._cells]
        for _, container in self._containers:
            read += _elements(container)
        return read

    def _follow(self, function: Any) -> None:
        """Take in what a callable reads, and those it calls."""
        if isinstance(function, MethodType):
            self._look_into(type(function.__self__).__name__, function.__self__)
            function = function.__func__
        if not isinstance(function, FunctionType):
            self._look_into(type(function).__name__, function)
        elif id(function) not in self._seen and not _of_library(function):
            self._seen[id(function)] = function
            read, loaded, stored = _names(function.__code__)
            self._loaded |= loaded
            self._stored |= stored
            values = function.__globals__
            self._slots += [(f"the global {name}", values, name) for name in read if name in values]
            cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            full = [(name, cell) for name, cell in cells if _is_full(cell)]
            self._cells += [(f"{name} of {function.__name__}", cell) for name, cell in full]
            found = [(name, values[name]) for name in read if name in values]
            found += [(name, cell.cell_contents) for name, cell in full]
            for name, value in [*found, *[("a default", d) for d in function.__defaults__ or ()]]:
                self._look_into(name, value)

    def _look_into(self, name: str, value: Any) -> None:
        """Take in what a value holds: elements, or the attributes that functions name."""
        if isinstance(value, (FunctionType, MethodType)):
            self._follow(value)
        elif id(value) in self._seen or isinstance(value, (type, Module, Tensor)):
            return
        elif type(value) in CONTAINERS:
            self._seen[id(value)] = value
            self._containers.append((name, value))
        elif isinstance(value, partial):
            self._seen[id(value)] = value
            for part in (value.func, value.keywords, *value.args, *value.keywords.values()):
                self._look_into(name, part)
        elif isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] not in LIBRARIES:
                self._seen[id(value)] = value
                self._objects.append((value.__name__, value))
        elif hasattr(value, "__dict__") and not _of_library(type(value)):
            self._seen[id(value)] = value
            self._objects.append((type(value).__name__, value))
            self._follow(vars(type(value)).get("__call__"))


def same(a: Any, b: Any) -> bool:
    """Whether both are one object, or equal numbers, words, or tuples and dicts of what is the same."""
    if a is b or type(a) is not type(b):
        return a is b
    if type(a) is dict:
        return a.keys() == b.keys() and all(same(value, b[name]) for name, value in a.items())
    if type(a) is tuple:
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) in (bool, int, float, str) and a == b


def _elements(container: Any) -> list[Any]:
    if len(container) > LONGEST:
        return [len(container)]
    return [*container, *container.values()] if type(container) is dict else [*container]


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not LACKING
    except ValueError:
        return False


def _of_library(made: Any) -> bool:
    return (getattr(made, "__module__", None) or "").partition(".")[0] in LIBRARIES


@lru_cache(512)
def _names(code: CodeType) -> tuple[frozenset[str], ...]:
    """The globals, and the attributes read and set, that a function's code names, that of functions inside it too."""
    found: tuple[set[str], ...] = (set(), set(), set())
    for one in dis.get_instructions(code):
        for names, kinds in zip(found, KINDS, strict=True):
            if one.opname in kinds:
                names.add(one.argval)
        if isinstance(one.argval, CodeType):
            for names, inner in zip(found, _names(one.argval), strict=True):
                names |= inner
    return tuple(map(frozenset, found))
