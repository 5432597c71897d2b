"""What every chapter begins with: the examples' folder on the path, the look of pictures, saved figures, exercises.

from lecture import exercises, np, plt, saved

exercise = exercises("09_kernels")
exercise(1, answer)  # prints: right; not yet; or a hint
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import gpunn
from gpunn import pictures

LECTURES = Path(__file__).resolve().parent
FIGURES = LECTURES / "figures"
for _folder in (LECTURES, LECTURES.parent):  # chapters import functions of the examples
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

try:
    import matplotlib.pyplot as plt
except ImportError as error:
    raise gpunn.UsageError(f'lectures: matplotlib is missing ({error}); pip install "gpunn[plot]"') from error

plt.rcParams.update(
    {
        "figure.figsize": (8, 3.2),
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "image.cmap": "gray",
        "image.interpolation": "nearest",
    }
)


def _shown_in_jupyter() -> None:
    """Have Jupyter show a Figure that ends a cell: its own rule for them begins with the first figure of pyplot."""
    from matplotlib.figure import Figure

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, pictures.png)


_shown_in_jupyter()


class Saved:
    """A figure of a run that takes longer than a lecture; a notebook shows it."""

    def __init__(self, path: Path):
        self.path = path

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()

    def __repr__(self) -> str:
        return f"<{self.path.name}>"


def saved(name: str) -> Saved:
    """The figure figures/NAME.png, once the command that makes it again is printed: the last line of a cell."""
    path = FIGURES / f"{name}.png"
    command = f"python examples/lectures/figures.py {name}"
    if not path.is_file():
        raise gpunn.UsageError(f"saved: there is no figure {name!r} in {FIGURES}; make it: {command}")
    print(f"A saved figure. It is made by: {command}")
    return Saved(path)


class NotYet(Exception):
    """The reader's function gives nothing so far."""


def exercises(chapter: str) -> Callable[[int, Any], None]:
    """The function `exercise(number, answer)` of a chapter, which prints what it makes of a reader's answer."""

    def exercise(number: int, answer: Any) -> None:
        word, text = verdict(chapter, number, answer)
        print(f"exercise {number}: {word}" + (f": {text}" if text else ""))

    return exercise


def verdict(chapter: str, number: int, answer: Any) -> tuple[str, str]:
    """("right", ""), ("not yet", what to do) or ("not right", a hint), by check_NUMBER of exercises/CHAPTER.py."""
    check = getattr(load(LECTURES / "exercises" / f"{chapter}.py"), f"check_{number}")
    if _is_nothing(answer):
        return "not yet", "put your answer in place of the dots"
    try:
        hint = check(_heard(answer) if _is_function(answer) else answer)
    except NotYet:
        return "not yet", "put your answer in place of the dots"
    except Exception as error:
        return "not right", f"it stops with {type(error).__name__}: {error} {_place(error)}".rstrip()
    return ("not right", hint) if hint else ("right", "")


def differs(got: Any, want: Any, what: str = "the result", tolerance: float = 1e-5) -> str:
    """How `got` differs from `want`, in a sentence that does not give `want` away; "" where it does not.

    Checks use it: shapes first, then numbers, relative to the largest of `want`. Tensors and lists are taken.
    """
    a, b = _numbers(got), _numbers(want)
    if a is None:
        return f"{what} should be numbers, not {type(got).__name__}"
    assert b is not None
    if a.shape != b.shape:
        return f"{what} has the shape {a.shape}; it should have {b.shape}"
    if not np.isfinite(a).all():
        return f"{what} is not finite everywhere"
    apart = np.abs(a - b)
    if (apart <= tolerance * max(1e-30, np.abs(b).max(initial=0))).all():
        return ""
    worst = np.unravel_index(apart.argmax(), apart.shape)
    place = f" at {tuple(map(int, worst))}" if worst else ""
    return f"{what} is {a[worst]:.5g}{place}, which is {apart[worst]:.2g} off"


def load(path: Path) -> ModuleType:
    """The module of a file, whatever its name."""
    spec = importlib.util.spec_from_file_location(f"lectures_{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # there: dataclasses look it up
    spec.loader.exec_module(module)
    return module


def _is_nothing(value: Any) -> bool:
    return value is None or value is ... or (isinstance(value, tuple) and any(map(_is_nothing, value)))


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type)


def _heard(function: Callable) -> Callable:
    """The function, which says NotYet by an exception where it gives nothing."""

    @functools.wraps(function)
    def heard(*args, **kwargs):
        result = function(*args, **kwargs)
        if _is_nothing(result):
            raise NotYet
        return result

    return heard


def _place(error: Exception) -> str:
    """Where the reader's own code stopped: the last line outside of files, which are cells."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not Path(frame.filename).is_file()]
    return f"(line {frames[-1].lineno} of your cell)" if frames else ""


def _numbers(value: Any) -> np.ndarray | None:
    """The value as float64 or complex; None where it is no numbers."""
    try:
        array = np.asarray(gpunn.to_numpy(value) if isinstance(value, gpunn.Tensor) else value)
        return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    except (TypeError, ValueError):
        return None
