"""The array API standard, function by function: values, types, shapes and refusals of array-api-strict, on the cpu.

What is given are array-api-strict's own arrays, which come in by DLPack.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from gpunn import array_api, ops

strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed: nothing to compare with")
pytestmark = pytest.mark.filterwarnings("ignore")  # NumPy's, of the mean of nothing

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
UNARY = [
    "abs",
    "exp",
    "log",
    "sqrt",
    "tanh",
    "negative",
    "positive",
    "square",
    "reciprocal",
    "isnan",
    "isinf",
    "isfinite",
]
TESTS = ["isnan", "isinf", "isfinite"]
LOGICAL = ["logical_not", "logical_and", "logical_or"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
BINARY = ["add", "subtract", "multiply", "divide", "pow", "maximum", "minimum", *COMPARISONS]
JOINS = ["concat", "stack", "where", "matmul", "vecdot"]
REDUCTIONS = ["sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "all", "any"]


class Call(NamedTuple):
    """A function's name and what it is given; NumPy's arrays become the namespace's."""

    name: str
    given: tuple[Any, ...]
    options: dict[str, Any]

    def __str__(self) -> str:
        shown = [f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else str(x) for x in self.values()]
        return f"{self.name}({', '.join(shown)}, {self.options})"

    def values(self) -> list[Any]:
        return [a for x in self.given for a in (x if isinstance(x, list) else [x])]

    def kinds(self) -> set[str]:
        """Of b(ool), i(ntegers) and f(loats) those of what is combined, which a condition is not."""
        given = self.values()[self.name == "where" :]
        return {np.asarray(x).dtype.kind.replace("u", "i") for x in given if isinstance(x, np.ndarray | int | float)}


def numbers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(1, 5, shape)
    return np.asarray(drawn > 2 if dtype == "bool" else drawn.astype(dtype))


def call(name: str, *given: Any, **options: Any) -> Call:
    return Call(name, given, options)


def elementwise() -> Iterator[Call]:
    for name, dtype in itertools.product([*UNARY, *TESTS, *LOGICAL[:1]], DTYPES):
        yield call(name, numbers(dtype, 2, 3))
        yield call(name, numbers(dtype))
    for name, dtype in itertools.product([*BINARY, *LOGICAL[1:]], DTYPES):
        x = numbers(dtype, 2, 3)
        yield from (call(name, x, numbers(other, 3, seed=1)) for other in DTYPES)
        for number in (True, 2, 1.5):
            yield call(name, x, number)
            yield call(name, number, x)


def reductions() -> Iterator[Call]:
    options = [{}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}, {"axis": ()}, {"axis": 3}]
    for name, dtype, some in itertools.product(REDUCTIONS, DTYPES, options):
        yield call(name, numbers(dtype, 2, 3), **some)
    for name, shape in itertools.product(REDUCTIONS, [(0, 3), ()]):
        yield call(name, numbers("float32", *shape))
    yield call("var", numbers("float64", 4), correction=1)


def shapes() -> Iterator[Call]:
    for x in (numbers(dtype, 2, 3) for dtype in DTYPES):
        yield from (call("reshape", x, shape) for shape in [(3, 2), (-1,), (4,), (-1, -1)])
        yield from (call("permute_dims", x, axes) for axes in [(1, 0), (0, 0), (0,)])
        yield from (call("expand_dims", x, axis=axis) for axis in (0, -1, 4))
        yield from (call("squeeze", x[:1], axis) for axis in (0, 1, (0,), 5))
        yield from (call("broadcast_to", x, shape) for shape in [(4, 2, 3), (2,)])
        yield from (call(name, x, axis=axis) for name in ("flip", "unstack") for axis in (1, -1, 2))
        yield from (call("clip", x, *bounds) for bounds in [(2, 3), (None, 2), (numbers(str(x.dtype), 3, seed=1),)])
        yield from (call("take", x, np.array([1, 0]), axis=axis) for axis in (0, 1, None))
        yield from [call("flip", x), call("matrix_transpose", x), call("moveaxis", x, 0, 1), call("moveaxis", x, 0, 2)]
        yield from [call("matrix_transpose", x[0]), call("reshape", x, (6,), copy=True)]


def joins() -> Iterator[Call]:
    for one, other in itertools.product(DTYPES, DTYPES):
        x, y = numbers(one, 2, 3), numbers(other, 2, 3, seed=2)
        yield from [call("concat", [x, y]), call("concat", [x, y], axis=None), call("stack", [x, y], axis=1)]
        yield from [call("where", x > 1, x, y), call("where", y, x, x), call("broadcast_arrays", x, y[:1])]
        yield call("concat", [x, y[0]])
        yield from [call("matmul", x, y.T.copy()), call("matmul", x, y), call("vecdot", x, y), call("vecdot", x, y.T)]
    for x, number in itertools.product([numbers(dtype, 2, 3) for dtype in DTYPES], [True, 1, 1.5]):
        yield from [call("where", x > 1, x, number), call("where", x > 1, number, x)]


FAMILIES = {"elementwise": elementwise, "reductions": reductions, "shapes": shapes, "joins": joins}
# What gpunn takes and the standard leaves undefined, or refuses otherwise: of which functions, when, and why.
OTHERS = {"abs", "positive", "square", "reciprocal", "sum", "prod", "max", "min", "clip", "matmul", "vecdot"}
NUMERIC = {*BINARY[:7], *COMPARISONS[2:], *TESTS, *OTHERS, "argmax", "argmin"} - {"subtract"}
DIFFERENCES = {
    "arrays and numbers of several kinds: integers and bool take the type of the floats": (
        {*BINARY, *JOINS, "clip"},
        lambda c: len(c.kinds()) > 1,
    ),
    "bool is a number, too": (
        NUMERIC,
        lambda c: c.kinds() == {"b"},
    ),
    "quotients of integers are float32": ({"divide", "reciprocal"}, lambda c: c.kinds() == {"i"}),
    "functions of real numbers make float32 of integers and bool": (
        {"exp", "log", "sqrt"},
        lambda c: c.kinds() <= {"i", "b"},
    ),
    "all axes may be named": ({"argmax", "argmin"}, lambda c: isinstance(c.options.get("axis"), tuple)),
    "the variance of nothing is no number": ({"var", "std"}, lambda c: c.given[0].size == 0),
}


def outcome(xp: Any, c: Call) -> list[np.ndarray] | Exception:
    """The arrays that a call gives, or the error."""

    def given(x: Any) -> Any:
        return [*map(given, x)] if isinstance(x, list) else strict.asarray(x) if isinstance(x, np.ndarray) else x

    options = c.options | {"dtype": getattr(xp, c.options["dtype"])} if "dtype" in c.options else c.options
    try:
        y = getattr(xp, c.name)(*map(given, c.given), **options)
    except (TypeError, ValueError, IndexError) as error:
        return error
    return [np.asarray(one) for one in (y if isinstance(y, tuple | list) else [y])]


def difference(c: Call) -> str:
    """What sets gpunn's outcome apart from array-api-strict's, in words; else ""."""
    got, want = outcome(array_api, c), outcome(strict, c)
    if isinstance(got, Exception) or isinstance(want, Exception):
        return "" if isinstance(got, Exception) and isinstance(want, Exception) else f"{got!r}, expected {want!r}"
    for a, b in zip(got, want, strict=True):
        close = a.shape == b.shape and np.allclose(
            a, b, rtol=1e-6 if "f4" in (a.dtype, b.dtype) else 1e-14, equal_nan=True
        )
        if a.dtype != b.dtype or not close:
            return f"{a!r}, expected {b!r}"
    return ""


@pytest.mark.parametrize("family", FAMILIES)
def test_functions_are_the_standards(family):
    needed = set()
    for c in FAMILIES[family]():
        why = next((why for why, (names, when) in DIFFERENCES.items() if c.name in names and when(c)), None)
        found = difference(c)
        assert not found or why, f"{c}: {found}"
        if found:
            needed.add((why, c.name))
    listed = {(why, name) for why, (names, _) in DIFFERENCES.items() for name in names}
    names = {c.name for c in FAMILIES[family]()}
    assert needed == {(why, name) for why, name in listed if name in names}


def test_foreign_arrays_come_in_without_a_copy():
    x = strict.asarray([[1.0, 2.0], [3.0, 4.0]])
    for y in (ops.reshape(x, -1), ops.permute(x, (1, 0)), array_api.asarray(x, copy=False).array):
        assert type(y) is np.ndarray and np.shares_memory(y, np.from_dlpack(x))


def test_creation():
    f32 = {"dtype": "float32"}
    calls = [
        call("arange", 5), call("arange", 2, 11, 3), call("arange", 5, **f32), call("arange", 0.0, 1.0, 0.25, **f32),
        call("linspace", 0, 1, 5, **f32), call("linspace", 0, 1, 5, endpoint=False, **f32), call("full", (2,), 7),
        call("full", (2, 3), True), call("full", (), 1.5, **f32), call("eye", 3, **f32), call("eye", 2, 3, k=1, **f32),
        call("zeros", 2, **f32), call("ones", (1, 2), dtype="int32"), call("zeros", (0,), dtype="bool"),
        call("asarray", [[1, 2], [3, 4]]), call("asarray", True), call("asarray", 2, dtype="float64"),
        *[call(name, numbers("int32", 2, 3)) for name in ("zeros_like", "ones_like")],
        call("full_like", numbers("float32", 2), 3), call("ones_like", numbers("int32", 2), **f32),
    ]  # fmt: skip
    for c in calls:
        assert not difference(c), f"{c}: {difference(c)}"
    made = [array_api.zeros(1), array_api.linspace(0, 1, 2), array_api.full(1, 2.5), array_api.asarray([1.0])]
    assert {y.dtype.name for y in (*made, array_api.arange(0.5), array_api.eye(1))} == {"float32"}  # strict: float64
    assert array_api.empty((2, 3), dtype="int8").shape == array_api.empty_like(np.ones((2, 3))).shape


def test_types():
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "numeric", "complex floating"]
    for name in DTYPES:
        ours, theirs = getattr(array_api, name), getattr(strict, name)
        for kind in kinds:
            assert array_api.isdtype(ours, kind) == strict.isdtype(theirs, kind)
        for other in DTYPES:
            to, its = getattr(array_api, other), getattr(strict, other)
            assert array_api.can_cast(ours, to) == strict.can_cast(theirs, its)
            if len({np.dtype(n).kind.replace("u", "i") for n in (name, other)}) == 1:
                assert array_api.result_type(ours, to).name == str(strict.result_type(theirs, its)).split(".")[-1]
            assert array_api.result_type(ours, to) == ops.add(np.ones(1, ours), np.ones(1, to)).dtype
    assert array_api.isdtype("float16", "real floating")
    for limit in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(array_api.finfo(array_api.float32), limit) == getattr(strict.finfo(strict.float32), limit)
    assert array_api.iinfo(np.ones(1, np.int32)).max == strict.iinfo(strict.int32).max
    assert (array_api.e, array_api.pi, array_api.inf, array_api.newaxis) == (np.e, np.pi, np.inf, None)
    info = array_api.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] == array_api.zeros(1).dtype
    assert str(info.default_device()) == "cpu" and info.default_device() in info.devices()
    assert set(info.dtypes(kind="bool")) == {"bool"} and info.capabilities()["boolean indexing"]
