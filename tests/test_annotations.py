"""Types: few annotations that say nothing, and none missing on what users call."""

import ast
import inspect
from pathlib import Path

import pytest

import gpunn
from gpunn import nn, ops

SOURCES = sorted(Path(gpunn.__file__).parent.rglob("*.py"))
MOST = 0.03  # of all annotations


def annotations(tree):
    """Those of parameters, returns and variables, as source text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            yield ast.unparse(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield ast.unparse(node.returns)
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.annotation)


def says_nothing(annotation):
    return annotation.strip("'\"") in ("Any", "typing.Any")


def exported(package):
    """(qualified name, function) of all functions, classes' own public methods included."""
    for name, value in vars(package).items():
        if name.startswith("_") or not getattr(value, "__module__", "").startswith("gpunn."):
            continue
        if inspect.isclass(value):
            for method, function in vars(value).items():
                own = function.fget if isinstance(function, property) else function
                if inspect.isfunction(own) and (not method.startswith("_") or method in ("__init__", "__call__")):
                    yield f"{package.__name__}.{name}.{method}", own
        elif inspect.isfunction(value):
            yield f"{package.__name__}.{name}", value


def lacks(function):
    """What the function leaves without a type."""
    found = list(inspect.signature(function).parameters.values())
    # The first parameter of a method is its object, whose type the class is.
    found = found[1:] if found and found[0].name == "self" else found
    missing = [p.name for p in found if p.annotation is inspect.Parameter.empty]
    constructs = function.__name__ == "__init__"
    return missing + ["its return"] * ("return" not in function.__annotations__ and not constructs)


EXPORTED = [*exported(ops), *exported(nn), *exported(nn.init)]
EXPORTED += [(f"gpunn.Tensor.{name}", f) for kind in gpunn.Tensor.__mro__[:2] for name, f in vars(kind).items()
             if inspect.isfunction(f) and f.__module__.startswith("gpunn")]  # fmt: skip


def test_few_annotations_say_nothing():
    found = [(path, a) for path in SOURCES for a in annotations(ast.parse(path.read_text()))]
    empty = [str(path) for path, a in found if says_nothing(a)]
    most = {path: empty.count(path) for path in empty}
    assert len(found) > 4000
    worst = sorted(most.items(), key=lambda item: -item[1])[:5]
    assert len(empty) < MOST * len(found), f"{len(empty)} of {len(found)} annotations are Any; most in {worst}"


@pytest.mark.parametrize(("name", "function"), EXPORTED, ids=[name for name, _ in EXPORTED])
def test_what_users_call_has_types(name, function):
    assert not lacks(function), f"{name} has no type for {', '.join(lacks(function))}"


def test_a_missing_type_is_found():
    def bare(self, x: int, y=1, *, z: int = 2):
        return x

    def whole(self, x: int) -> int:
        return x

    assert lacks(bare) == ["y", "its return"]
    assert lacks(whole) == []
    tree = ast.parse("def f(x: Any, y: list[Any], *z: Any) -> 'Any': w: Any = 1")
    assert [says_nothing(a) for a in annotations(tree)].count(True) == 4
