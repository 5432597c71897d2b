"""What kept a step from being captured, in words."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from types import FrameType

import gpunn
from gpunn.backend.loading import first_line
from gpunn.errors import CaptureError

PACKAGE = Path(gpunn.__file__).parent
LIBRARIES = {"site-packages", "dist-packages"}  # folders of installed packages
CALLERS = {"nn", "train", "models"}  # the parts that call a program's own functions


def what_blocked(error: Exception) -> str:
    """The op that raised this while it was captured, or the line of the program, and the error's first line."""
    if isinstance(error, MemoryError):
        return f"no memory to capture a step ({first_line(error)}; a smaller batch or capture=False needs less)"
    why = str(error) if isinstance(error, CaptureError) else first_line(error)
    return f"{_place_of(error)} cannot be captured ({why})"


def _place_of(error: Exception) -> str:
    """The op, else the innermost of layers and lines of the program."""
    found, below = "the step", False
    for frame, number in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if not file.is_relative_to(PACKAGE):
            if not below and LIBRARIES.isdisjoint(file.parts):
                found = f"{file.name}:{number}"
            continue
        part = file.relative_to(PACKAGE).parts[0]
        if part == "ops" and (name := _function(frame)):
            return f"ops.{name}"
        if part == "nn" and frame.f_code.co_name == "forward":
            found = f"nn.{type(frame.f_locals['self']).__name__}"
        below = part not in CALLERS
    return found


def _function(frame: FrameType) -> str:
    """The public function that a frame is of, perhaps in a closure of its way back; "" for a helper."""
    name = getattr(frame.f_code, "co_qualname", frame.f_code.co_name).partition(".")[0]
    return "" if name.startswith(("_", "<")) else name


def assigned_words(what: str) -> str:
    """What a step that assigns an attribute has to hear."""
    return f"a step cannot be captured where it assigns {what}, which a replay would not: change an array in place"


def switched_off(enabled: bool | None) -> str:
    """Why nothing is to be captured, or ""."""
    if enabled is False:
        return "capture is False"
    if enabled is None and os.environ.get("GPUNN_CAPTURE") == "0":
        return "GPUNN_CAPTURE is 0"
    if os.environ.get("GPUNN_DEBUG_SYNC") == "1":
        return "GPUNN_DEBUG_SYNC is 1, which waits for every launch"
    return ""
