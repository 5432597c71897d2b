"""The errors a program may want to catch, and the answer to a name that nobody knows.

Wrong arguments of an op raise plain ValueError or TypeError.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


class LabelError(IndexError):
    """A label that is none of the classes; `call` is the serial number of the call on a device that met it."""

    call = 0

    @classmethod
    def of(cls, op: str, label: int, shape: tuple[int, ...], ignore_index: int, call: int = 0) -> LabelError:
        """The error of `op` for scores of this shape."""
        classes = shape[0 if len(shape) == 1 else 1]
        error = cls(
            f"{op}: target has the label {label}, expected 0 to {classes - 1} for the {classes} classes of "
            f"x {shape}, or ignore_index={ignore_index}; correct the labels, or widen the last layer"
        )
        error.call = call
        return error

    def in_step(self, number: int) -> None:
        """Say in which step of a run it was, once that is known."""
        if "(in step " not in self.args[0]:
            self.args = (f"{self.args[0]} (in step {number})",)


def nearest(got: object, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The one of ``known`` that ``got`` is most like, or None where none is like it."""
    near = difflib.get_close_matches(str(got).lower(), list(known), 1, cutoff)
    return near[0] if near else None


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
