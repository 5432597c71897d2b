"""What the values of a tree read from a file must be: checked place by place before anything believes them.

A tree is what JSON, TOML and checkpoints hold: dicts, lists, numbers, words, None and arrays. A `Kind` is its schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpunn import files, limits
from gpunn.errors import GpunnError
from gpunn.text import brief, plain

ABSENT = object()  # in place of a value that is not there


@dataclass(frozen=True)
class Kind:
    """What a value must be: in words, as a test, and of what its parts must be: (place, value, kind) each."""

    words: str
    holds: Callable[[Any], bool]
    parts: Callable[[Any], Iterable[tuple[str, Any, Kind]]] = lambda value: ()


def checked(kind: Kind, value: Any, error: type[GpunnError], where: object, remedy: str) -> Any:
    """`value`, or `error` for the first place in it that is not what it must be.

    Examples:
        >>> from gpunn import kinds
        >>> from gpunn.errors import DataError
        >>> row = kinds.record({"epoch": kinds.whole(1), "loss": kinds.NUMBER})
        >>> kinds.checked(row, {"epoch": 2, "loss": "low"}, DataError, "run/history.json", "train anew")
        Traceback (most recent call last):
        gpunn.errors.DataError: run/history.json: loss is 'low', expected a finite number; train anew
    """
    if words := fault(kind, value):
        raise error(f"{where}: {words}; {remedy}")
    return value


def fault(kind: Kind, value: Any, place: str = "") -> str:
    """The first place whose value is not what it must be, in words; "" where all is well. No recursion: trees nest."""
    left = [(place, value, kind)]
    while left:
        place, value, kind = left.pop()
        if value is ABSENT or not kind.holds(value):
            got = "missing" if value is ABSENT else brief(value)
            return f"{plain(place.removeprefix('.')) or 'it'} is {got}, expected {kind.words}"
        left += reversed([(place + name, part, kind) for name, part, kind in kind.parts(value)])
    return ""


def read_json(path: Path, most: int) -> Any:
    """What a JSON file holds. OSError; ValueError where it is none or has over `most` bytes."""
    with files.reading(path) as file:
        return parse_json(file.read(most + 1), most)


def parse_json(data: bytes, most: int) -> Any:
    """What JSON of at most so many bytes says. ValueError, in words, for anything else."""
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def whole(least: int | None = None, most: int | None = None) -> Kind:
    """A whole number within limits, no bool."""

    def holds(value: Any) -> bool:
        return type(value) is int and (least is None or value >= least) and (most is None or value <= most)

    words = [f"at least {least:,}"] if least is not None else []
    words += [f"at most {most:,}"] if most is not None else []
    return Kind(f"a whole number{' of ' * bool(words)}{' and '.join(words)}", holds)


def number(words: str = "a finite number", holds: Callable[[float], bool] = lambda value: True) -> Kind:
    """A finite number, no bool, of which `holds` is true. Comparing takes whole numbers of any length."""
    return Kind(words, lambda v: type(v) in (int, float) and -1.7e308 < v < 1.7e308 and holds(v))


def choice(*names: str) -> Kind:
    """One of some words."""
    return Kind(f"one of {', '.join(names)}", lambda v: isinstance(v, str) and v in names)


def text(words: str = "words", most: int = limits.NAME) -> Kind:
    """A str of bounded length."""
    return Kind(f"{words} of at most {most:,} characters", lambda v: isinstance(v, str) and len(v) <= most)


def maybe(kind: Kind) -> Kind:
    """None, or what `kind` says."""
    return Kind(f"none, or {kind.words}", lambda v: v is None or kind.holds(v),
                lambda v: () if v is None else kind.parts(v))  # fmt: skip


def list_of(kind: Kind, least: int = 0, most: int = limits.COUNT) -> Kind:
    """A list (or a tuple) of so many values of one kind."""
    counted = f"{least}" if least == most else f"at least {least}" if most == limits.COUNT else f"{least} to {most:,}"
    return Kind(
        f"a list of {counted} of: {kind.words}",
        lambda v: isinstance(v, (list, tuple)) and least <= len(v) <= most,
        lambda v: ((f"[{i}]", each, kind) for i, each in enumerate(v)),
    )


def table_of(kind: Kind, keys: Callable[[Any], bool] = lambda key: isinstance(key, str)) -> Kind:
    """A dict whose values are of one kind, under whatever names."""
    return Kind(
        f"a table of: {kind.words}",
        lambda v: isinstance(v, Mapping) and all(map(keys, v)),
        lambda v: ((f".{name}", each, kind) for name, each in v.items()),
    )


def record(needed: Mapping[str, Kind], optional: Mapping[str, Kind] | None = None, others: Kind | None = None) -> Kind:
    """A dict with certain names; what has other names is of the kind `others`, or not looked at."""
    named = {**needed, **(optional or {})}

    def parts(value: Mapping[str, Any]) -> Iterable[tuple[str, Any, Kind]]:
        yield from ((f".{name}", value.get(name, ABSENT), kind) for name, kind in named.items()
                    if name in needed or name in value)  # fmt: skip
        if others is not None:
            yield from ((f".{name}", each, others) for name, each in value.items() if name not in named)

    return Kind(f"a table with {', '.join(needed)}" if needed else "a table", lambda v: isinstance(v, Mapping), parts)


def array(kinds: str = "biuf", shape: tuple[int | None, ...] | None = None, finite: bool = False) -> Kind:
    """A NumPy array of such dtypes (NumPy's letters), of that shape if it is given; None in it is any length."""

    def holds(value: Any) -> bool:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
            return False
        if shape is not None and len(shape) != value.ndim:
            return False
        fits = shape is None or all(want in (None, got) for want, got in zip(shape, value.shape, strict=True))
        return fits and not (finite and value.dtype.kind == "f" and not np.isfinite(value).all())

    what = "words" if kinds == "U" else "whole numbers" if set(kinds) <= set("iu") else "numbers"
    form = "" if shape is None else f" of shape ({', '.join('any' if n is None else str(n) for n in shape)})"
    return Kind(f"an array of {'finite ' * finite}{what}{form}", holds)


def either(words: str, *kinds: Kind) -> Kind:
    """What one of some kinds says; of parts, those of the first that holds."""
    return Kind(
        words,
        lambda v: any(kind.holds(v) for kind in kinds),
        lambda v: next(kind for kind in kinds if kind.holds(v)).parts(v),
    )


NUMBER = number()
SWITCH = Kind("true or false", lambda v: isinstance(v, bool))
TEXT = text()
ANY = Kind("anything", lambda v: True)
COUNT = whole(0, limits.COUNT)
