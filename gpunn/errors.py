"""The errors a program may want to catch, and the answer to a name that nobody knows.

Wrong arguments of an op raise plain ValueError or TypeError.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

# Of the indices that a max pooling's gradient is made of, for the words of an error: the op, their shape and the
# plane's as the user has them, and the windows in words, or "" where none are known.
Known: TypeAlias = tuple[str, tuple[int, ...], tuple[int, ...], str]


class GpunnError(Exception):
    """Base of gpunn's own errors; the command line prints one as a single line."""


class DeviceError(GpunnError, RuntimeError):
    """A device, or a library that it needs, is not there."""


class DataError(GpunnError, ValueError):
    """A data set is missing, damaged or not what was asked for."""


class CheckpointError(GpunnError, RuntimeError):
    """A checkpoint cannot be written, read, or belongs to another model."""


class TrainingError(GpunnError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite."""


class UsageError(GpunnError, ValueError):
    """A name or an option that gpunn does not know."""


class CaptureError(GpunnError, RuntimeError):
    """A step does what no graph can hold, so that it cannot be captured."""


class DistError(GpunnError, RuntimeError):
    """Ranks cannot work together: one is missing, or differs from the others."""


class RangeError(IndexError):
    """A number out of range in an array; `call` is the serial number of the call on a device that met it."""

    call = 0

    def in_step(self, number: int) -> None:
        """Say in which step of a run it was, once that is known."""
        if "(in step " not in self.args[0]:
            self.args = (f"{self.args[0]} (in step {number})",)


class LabelError(RangeError):
    """A label that is none of the classes."""

    @classmethod
    def of(cls, op: str, label: int, shape: tuple[int, ...], ignore_index: int, row: int | None = None) -> LabelError:
        """The error of `op` for scores of this shape; `row` of the labels of a mask is said as a place in it."""
        classes = shape[0 if len(shape) == 1 else 1]
        places = shape[:1] + shape[2:]
        where = f" at {_place(row, places)}" if row is not None and len(places) > 1 else ""
        return cls(
            f"{op}: target has the label {label}{where}, expected 0 to {classes - 1} for the {classes} classes of "
            f"x {shape}, or ignore_index={ignore_index}; correct the labels, or widen the last layer"
        )

    @classmethod
    def of_row(cls, label: int, at: int, op: str, classes: int) -> LabelError:
        """The error of `op` for the label at place `at`, counted through the flat target, of so many classes."""
        return cls(
            f"{op}: target has the label {label} (element {at}), expected 0 to {classes - 1}; correct the labels, or "
            f"raise num_classes={classes}"
        )


class PlaceError(RangeError):
    """An index of a max pooling that names no place of its plane, or none of its window."""

    @classmethod
    def of(
        cls, place: int, row: int, op: str, shape: tuple[int, ...], plane: tuple[int, ...], window: str
    ) -> PlaceError:
        """The error of number `row` of the indices that are Known so."""
        at = _place(row, shape)
        size, count = "x".join(map(str, plane)), math.prod(plane)
        got = f"{op}: indices{at} is {place}"
        if window and 0 <= place < count:
            words = f"{got} in a plane of {size}, expected a place in its window ({window})"
            return cls(f"{words}; pass the forward call's options")
        return cls(
            f"{got}, expected 0 to {count - 1} in a plane of {size}, or -1 where none won; "
            "pass what return_indices=True gave"
        )


def _place(row: int, shape: tuple[int, ...]) -> list[int]:
    """The indices of number `row` of an array of this shape."""
    at = []
    for size in reversed(shape):
        row, i = divmod(row, size)
        at.insert(0, i)
    return at


class RowError(RangeError):
    """A number that names no row of a table."""

    @classmethod
    def of(cls, number: int, at: int, op: str, rows: int) -> RowError:
        """The error of `op` for the number at place `at`, counted through the flat index."""
        return cls(
            f"{op}: x has the number {number} (element {at}), expected 0 to {rows - 1} for the {rows} rows of weight; "
            "correct the numbers, or make the table larger"
        )


class SpellingError(RangeError):
    """A label that is no class, or a length that its array does not have."""

    @classmethod
    def of(
        cls, number: int, at: int, op: str, labels: int, scores: tuple[int, ...], longest: int | None
    ) -> SpellingError:
        """The error of `op` for the number at place `at` of so many labels, then input lengths, then target lengths.

        scores: the shape (T, N, C); longest: labels that a row has, or None where they stand one after another.
        """
        steps, count, classes = scores
        if at < labels:
            name, element, limit = "targets has the label", at, f"0 to {classes - 1} (C = {classes})"
        elif at < labels + count:
            name, element, limit = "input_lengths has", at - labels, f"0 to {steps}, the steps of log_probs"
        else:
            name, element, limit = "target_lengths has", at - labels - count, f"0 to {longest}, the labels of a row"
            if longest is None:
                limit = f"0 or more, and {labels} in all, the labels of targets"
        return cls(f"{op}: {name} {number} (element {element}), expected {limit}; correct the batch")


class NoAttributeError(AttributeError):
    """A name that `what` has not; the nearest is looked for once somebody reads the words, so that hasattr is quick.

    Its own `name` and no `obj` keep Python from a second "Did you mean" behind ours.
    """

    def __init__(self, what: str, name: str, known: Callable[[], Iterable[str]]):
        super().__init__(f"{what} has no attribute {name!r}", name=name)
        self.known = known

    def __str__(self) -> str:
        public = (known for known in self.known() if known[0] != "_")
        return f"{self.args[0]}{suggestion(self.name, public, 0.6)}"

    def __reduce__(self) -> tuple:
        return AttributeError, (str(self),)


def kind_of(x: object) -> str:
    """What x is, with its library where Python and gpunn have no such type: there are others' Tensors.

    >>> kind_of([]), kind_of(np.float32(1))
    ('a list', 'a numpy float32')
    """
    kind = type(x)
    library = kind.__module__.partition(".")[0]
    return f"a {kind.__name__}" if library in ("builtins", "gpunn") else f"a {library} {kind.__name__}"


def nearest(got: object, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The one of ``known`` that ``got`` is most like, or None where none is like it."""
    spelled = {name.lower(): name for name in reversed(list(known))}  # the first of two that differ in capitals alone
    near = difflib.get_close_matches(str(got).lower(), reversed(spelled), 1, cutoff)
    return spelled[near[0]] if near else None


def suggestion(got: object, known: Iterable[str], cutoff: float = 0.5) -> str:
    """The end of an error's sentence about ``got``: "; did you mean 'x'?", or nothing where none is like it."""
    near = nearest(got, known, cutoff)
    return f"; did you mean {near!r}?" if near else ""


def unknown_name(what: str, got: object, known: Iterable[str]) -> UsageError:
    """The error for ``got``, which is no ``what``: suggests the nearest of ``known`` and lists them all."""
    names = list(known)
    near = nearest(got, names)
    hint = f"did you mean {near!r}? " if near else ""
    choice = f"choose from {', '.join(names)}" if names else "there are none"
    return UsageError(f"unknown {what} {got!r}; {hint}{choice}")
