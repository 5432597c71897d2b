"""CuPy's names, kinds and signatures, kept in cupy_record.json so that the look-alike needs no CuPy.

`python -m tests.cupy_record` makes the file anew from the CuPy that is installed; a GPU is not needed for that. Where
libnccl is missing, what is known of NCCL stays as it is.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import warnings
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PATH = Path(__file__).with_suffix(".json")
MODULES = ("cupy", "cupy.linalg", "cupy.lib.stride_tricks")
# Of these the names alone, since the look-alike has classes and functions of its own (test_cupy_record.py).
NAMED = ("cuda", "cuda.runtime", "cuda.driver", "cuda.memory", "cuda.nvrtc")
# The same of NCCL's, which CuPy has where libnccl is installed.
NCCL = ("cuda.nccl", "cuda.nccl.NcclCommunicator")
CLASSES = (
    "Device", "Event", "ExternalStream", "Graph", "Memory", "MemoryPointer", "MemoryPool", "PinnedMemory",
    "PinnedMemoryPointer", "Stream", "UnownedMemory",
)  # fmt: skip


def cupy() -> ModuleType:
    """The installed CuPy, or what the record knows of it."""
    try:
        import cupy
    except ImportError:
        return rebuilt(read())
    return cupy


def read() -> dict[str, Any]:
    return json.loads(PATH.read_text())


def described(cupy: ModuleType) -> dict[str, Any]:
    """The record of a CuPy: its version, what each module has, the attributes of its array, and mere names."""
    record: dict[str, Any] = {"version": cupy.__version__}
    for path in MODULES:
        module = cupy if path == "cupy" else attrgetter(path.partition(".")[2])(cupy)
        names = [name for name in dir(module) if not name.startswith("_")]
        record[path] = {name: _described(name, getattr(module, name), cupy.ufunc) for name in names}
    attributes = {name: getattr(cupy.ndarray, name) for name in dir(cupy.ndarray) if not name.startswith("_")}
    record["cupy.ndarray"] = {
        name: (found.__doc__ or "").partition("\n")[0] if callable(found) else "attribute"
        for name, found in attributes.items()
    }
    paths = (*NAMED, *(f"cuda.{one}" for one in CLASSES), *(NCCL if _has_nccl(cupy) else ()))
    known = {} if _has_nccl(cupy) else {path: read()["names"][path] for path in NCCL}
    record["names"] = {path: _names(attrgetter(path)(cupy)) for path in paths} | known
    return record


def _has_nccl(cupy: ModuleType) -> bool:
    """Whether it is there, once imported: a CuPy without libnccl has a module of no names, and a warning."""
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.simplefilter("ignore")
        importlib.import_module(f"{cupy.__name__}.cuda.nccl")
    return hasattr(getattr(cupy.cuda, "nccl", None), "NcclCommunicator")


def _names(of: Any) -> str:
    return " ".join(name for name in dir(of) if not name.startswith("_"))


def _described(name: str, found: Any, ufunc: type) -> str:
    """One of "module", "ufunc", "class", "object", "numpy.NAME" where it is NumPy's own, or a signature."""
    if inspect.ismodule(found):
        return "module"
    own = found.__name__ if isinstance(found, type) else name
    if (isinstance(found, type) or not callable(found)) and getattr(np, own, ufunc) is found:
        return f"numpy.{own}"
    if isinstance(found, type):
        return "class"
    if isinstance(found, ufunc):
        return "ufunc"
    return _signature(found) if callable(found) else "object"


def _signature(function: Any) -> str:
    """Without annotations; a default that is no literal is "..."."""
    try:
        given = inspect.signature(function)
    except ValueError:  # compiled, without one
        return "(*args, **kwargs)"
    plain = [p.replace(annotation=p.empty, default=_default(p.default)) for p in given.parameters.values()]
    return str(inspect.Signature(plain)).replace("Ellipsis", "...")


def _default(value: Any) -> Any:
    try:
        ast.literal_eval(repr(value))
    except (SyntaxError, ValueError):
        return value if value is inspect.Parameter.empty else ...
    return value


def rebuilt(record: dict[str, Any]) -> ModuleType:
    """A module of the recorded names, whose functions have their signatures and compute nothing."""
    cupy = ModuleType("cupy")
    cupy.__dict__["__version__"] = record["version"]
    ufunc = type("ufunc", (), {"__call__": lambda self, *args, **options: None})
    for path in MODULES:
        module = cupy
        for part in path.split(".")[1:]:
            module = module.__dict__.setdefault(part, ModuleType(part))
        for name, text in record[path].items():
            module.__dict__[name] = _rebuilt(name, text, ufunc)
    attributes = record["cupy.ndarray"].items()
    methods = {name: property() if text == "attribute" else _method(name, text) for name, text in attributes}
    compiler = ModuleType("cupy.cuda.compiler")
    compiler.__dict__["CompileException"] = type("CompileException", (Exception,), {})
    cupy.__dict__.update(ufunc=ufunc, ndarray=type("ndarray", (), methods))
    for path, names in record["names"].items():
        *parents, last = path.split(".")
        module = cupy
        for part in parents:
            module = module.__dict__[part]
        found = module.__dict__[last] = ModuleType(last)
        found.__dict__.update(dict.fromkeys(names.split()))
    cupy.__dict__["cuda"].compiler = compiler
    return cupy


def _rebuilt(name: str, text: str, ufunc: type) -> Any:
    if text.startswith("("):
        function = eval(f"lambda {text[1:-1]}: None")
        function.__name__ = name
        return function
    if text.startswith("numpy."):
        return getattr(np, text.removeprefix("numpy."))
    made = {"module": lambda: ModuleType(name), "ufunc": ufunc, "class": lambda: type(name, (), {}), "object": object}
    return made[text]()


def _method(name: str, text: str) -> Any:
    def method(*args, **options):
        return None

    method.__name__, method.__doc__ = name, text
    return method


if __name__ == "__main__":
    PATH.write_text(json.dumps(described(cupy()), indent=1) + "\n")
