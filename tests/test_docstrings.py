"""The grammar of docstrings: who has one, how it begins and ends, and the names of its sections."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from pathlib import Path

import pytest

import gpunn
from gpunn import data, models, nn, ops, optim, pictures, train

PACKAGE = Path(gpunn.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
SECTIONS = {"Args", "Attributes", "Shape", "Returns", "Raises", "Examples", "References"}
# A heading of a section: a word alone on its line, before a colon.
HEADING = re.compile(r"^ *([A-Z]\w+): *$", re.MULTILINE)
# What a docstring may begin with in small letters: a letter of the field's alphabet, a formula, a name of the library.
LETTERS = {"x", "y", "a", "w", "gx", "gy", "gw", "gb", "ggamma", "pivot", "out", "running", "values", "flat", "e", "d"}
FORMULA = re.compile(r"[-\w.*']*[(|\[=]|log of |conv-bn|-")
NAMES = {"uint8", "int64", "cupy", "libnvrtc", "setattr", "col2im", "branch0", "gpunn", "gradcheck"}
ON_ARRAYS = re.compile("_(forward|backward|grad_input|grad_weight|grad_bias)$")  # what records no gradient
NAMES |= {name for module in (ops, nn) for name in dir(module)}


@functools.cache
def docstrings(path):
    """(name, whether it is public, docstring or None, line) of the module, its classes and functions."""
    return tuple(_each(ast.parse(path.read_text())))


def _each(tree):
    def inside(node, prefix, public):
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                if "overload" in map(ast.unparse, child.decorator_list):  # for type checkers; the function follows
                    continue
                open_ = public and not child.name.startswith("_")
                yield prefix + child.name, open_, ast.get_docstring(child), child.lineno
                yield from inside(child, f"{prefix}{child.name}.", open_ and isinstance(child, ast.ClassDef))

    yield "the module", True, ast.get_docstring(tree), 1
    yield from inside(tree, "", True)


def mistakes(text):
    """What the grammar does not allow, in words."""
    first = text.splitlines()[0].rstrip()
    word = first.split()[0].rstrip(",:;.").removesuffix("'s") if first.split() else ""
    if not first:
        yield "is empty, or begins with an empty line"
        return
    if first[-1] not in ".:!?":
        yield "its first line is no whole sentence: end it with a full stop or a colon"
    known = len(word) == 1 or word in LETTERS | NAMES or word.startswith("ops.") or FORMULA.match(first)
    if first[0].islower() and not known:
        yield f"begins with {word!r}: a capital letter, or a letter of the alphabet in CONTRIBUTING.md"
    if text.rstrip()[-1] not in ".:!?)`|" and ">>>" not in text:
        yield f"ends with {text.rstrip()[-20:]!r}: end it with a full stop"
    for name in HEADING.findall(text):
        if name not in SECTIONS:
            yield f"has a section {name!r}; sections are {', '.join(sorted(SECTIONS))}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_grammar(path):
    read = [(line, name, text) for name, public, text, line in docstrings(path) if public and text]
    found = [f"line {line}, {name} {words}" for line, name, text in read for words in mistakes(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_public_function_and_class_of_a_module_has_one(path):
    """Methods need none where their class, or the class that they come from, says it."""
    lacking = [f"{path.relative_to(PACKAGE)}:{line} {name}" for name, public, text, line in docstrings(path)
               if public and "." not in name and not text]  # fmt: skip
    assert not lacking, "\n".join(lacking)


def test_what_is_imported_has_one_of_its_own():
    lacking = []
    for module in (gpunn, ops, nn, optim, data, models, train, pictures):
        for name, value in vars(module).items():
            ours = inspect.isfunction(value) or inspect.isclass(value)
            if ours and not name.startswith("_") and value.__module__.startswith("gpunn") and not value.__doc__:
                lacking.append(f"{module.__name__}.{name}")
    assert not lacking


def test_functions_on_arrays_tell_their_errors():
    """Their own, or where they are told."""
    lacking = []
    for name in [name for name in dir(ops) if ON_ARRAYS.search(name)]:
        text = inspect.getdoc(getattr(ops, name)) or ""
        other = re.search(r"rrors (?:as in|are those of) (\w+)|Raises (\w+)'s\s+errors", text)
        told = inspect.getdoc(getattr(ops, other[1] or other[2])) or "" if other else text
        lacking += [name] if "ValueError" not in told or "TypeError" not in told else []
    assert not lacking


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Adds two arrays", "no whole sentence"),
        ("Adds two arrays.\n\nArguments:\n    x: one of them.", "has a section 'Arguments'"),
        ("adds two arrays.", "begins with 'adds'"),
        ("\nAdds two arrays.", "begins with an empty line"),
        ("Adds two arrays.\n\nShapes are equal", "end it with a full stop"),
    ],
)
def test_mistakes_are_found(text, words):
    assert any(words in found for found in mistakes(text))
    assert not list(mistakes("Adds two arrays.\n\nArgs:\n    x: (N, C).\n\nExamples:\n    >>> 1 + 1\n    2"))
