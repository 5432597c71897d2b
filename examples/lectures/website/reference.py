"""The pages of the API reference, as reStructuredText: one a module, or one a family of its functions and layers."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from website.docstrings import as_rst

# Modules whose names have a page for each family, that is each file that defines some of them; then those of one page.
FAMILIES = ("gpunn.ops", "gpunn.nn")
MODULES = (
    "gpunn.nn.functional", "gpunn.nn.init", "gpunn.nn.utils", "gpunn.nn.utils.rnn", "gpunn.optim", "gpunn.data",
    "gpunn.data.transforms", "gpunn.dist", "gpunn.train", "gpunn.models", "gpunn.pictures", "gpunn.linalg",
    "gpunn.emulator",
)  # fmt: skip
# Classes whose methods are documented, inherited ones too; of others their docstring says what they are called with.
WITH_METHODS = {"Tensor", "Module", "Optimizer", "Trainer", "DataLoader", "Generator"}
WITH_OWN_METHODS = {  # those of a Module: there
    "UNet", "AutoEncoder", "VariationalAutoEncoder", "PackedSequence", "DataParallel", "DistributedDataParallel",
}  # fmt: skip


def write(folder: Path) -> int:
    """Write the pages into a folder; gives the number of names that they document."""
    folder.mkdir(parents=True)
    names = _top(folder)
    for name in FAMILIES:
        names += _families(folder, importlib.import_module(name))
    for name in MODULES:
        names += _module(folder, importlib.import_module(name))
    pages = ["gpunn", *FAMILIES, *MODULES]
    text = [*_title("API reference"), INTRODUCTION, "", *_toctree(pages), *_modules_table(pages)]
    _save(folder / "index.rst", text)
    return names


INTRODUCTION = """Names, arguments and defaults are PyTorch's wherever PyTorch has the thing. Ops take Tensors or plain
arrays; a Tensor makes a Tensor, an array an array."""


def public(module: ModuleType) -> dict[str, Any]:
    """The functions and classes of a module's own that users call, by name."""
    found = {}
    for name in dir(module):
        value = None if name[0] == "_" else getattr(module, name, None)
        home = getattr(value, "__module__", None) or ""
        if (
            callable(value)
            and home.startswith("gpunn")
            and (inspect.getdoc(value) or "")
            and not _is_alien(module, name, value)
        ):
            found[name] = value
    return found


def _is_alien(module: ModuleType, name: str, value: Any) -> bool:
    """Whether a module of one file imported this for its own use; `functional` has nothing but others' functions.

    Errors are on the page of `gpunn`, whoever has their names, too.
    """
    if value.__module__ == "gpunn.errors":
        return module.__name__ != "gpunn"
    one_file = not hasattr(module, "__path__") and "functional" not in module.__name__
    handed_on = f"import {name} as {name}\n"
    return one_file and value.__module__ != module.__name__ and handed_on not in inspect.getsource(module)


def _top(folder: Path) -> int:
    """The page of `gpunn` itself: its own names, and where the functions are that PyTorch has at its top."""
    import gpunn

    everything = public(gpunn)
    names = {name: everything[name] for name in vars(gpunn) if name in everything}
    text = [*_title("gpunn"), *_prose(gpunn), ".. currentmodule:: gpunn", "", *_summary(gpunn, names)]
    later = sorted(everything.keys() - names.keys())
    text += [
        "PyTorch's functions at the top of its package are here, too, each the op, or the method, of its name:",
        "",
    ]
    text += [", ".join(f":py:obj:`{name} <gpunn.ops.{name}>`" for name in later) + ".", ""]
    text += _entries(names)
    _save(folder / "gpunn.rst", text)
    return len(names)


def _families(folder: Path, module: ModuleType) -> int:
    """A page for each file that defines public names, and a table of all of them."""
    names, families = public(module), {}
    for name, value in names.items():
        families.setdefault(_family(module, value), {})[name] = value
    short = module.__name__
    for family, members in families.items():
        home = importlib.import_module(f"{short}.{family}")
        text = [*_title(f"{short.removeprefix('gpunn.')}: {family.replace('_', ' ')}"), *_prose(home)]
        _save(folder / f"{short}.{family}.rst", [*text, f".. currentmodule:: {short}", "", *_entries(members)])
    text = [*_title(short), *_prose(module), *_toctree([f"{short}.{family}" for family in sorted(families)])]
    _save(folder / f"{short}.rst", [*text, f".. currentmodule:: {short}", "", *_summary(module, names)])
    return len(names)


def _family(module: ModuleType, value: Any) -> str:
    home = value.__module__
    return home.removeprefix(module.__name__ + ".").split(".")[0] if home.startswith(module.__name__ + ".") else ""


def _module(folder: Path, module: ModuleType) -> int:
    names = public(module)
    text = [*_title(module.__name__), *_prose(module), f".. currentmodule:: {module.__name__}", ""]
    _save(folder / f"{module.__name__}.rst", [*text, *_summary(module, names), *_entries(names)])
    return len(names)


def _entries(names: dict[str, Any]) -> list[str]:
    text = []
    for name, value in names.items():
        text.append(f".. {'autoclass' if inspect.isclass(value) else 'autofunction'}:: {name}")
        if name in WITH_METHODS:
            text += ["   :members:", "   :inherited-members:"]
        if name in WITH_OWN_METHODS:
            text += ["   :members:", "   :exclude-members: forward"]
        text.append("")
    return text


def _summary(module: ModuleType, names: dict[str, Any]) -> list[str]:
    """A table of names and the first lines of their docstrings. (autosummary's takes twenty times as long.)"""
    text = [".. list-table::", "   :widths: auto", ""]
    for name, value in names.items():
        line = as_rst((inspect.getdoc(value) or "").splitlines()[:1])[0]
        text += [f"   * - :py:obj:`~{module.__name__}.{name}`", f"     - {line}"]
    return [*text, ""]


def _title(text: str) -> list[str]:
    return [text, "=" * len(text), ""]


def _prose(module: ModuleType) -> list[str]:
    return [*as_rst((inspect.getdoc(module) or "").splitlines()), ""]


def _toctree(pages: list[str]) -> list[str]:
    return [".. toctree::", "   :hidden:", "", *(f"   {page}" for page in pages), ""]


def _modules_table(pages: list[str]) -> list[str]:
    text = [".. list-table::", "   :widths: auto", ""]
    for page in pages:
        line = _prose(importlib.import_module(page))[0]
        text += [f"   * - :doc:`{page}`", f"     - {line}"]
    return [*text, ""]


def _save(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
