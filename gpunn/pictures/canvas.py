"""Figures, their bytes, and many small images side by side. matplotlib is imported on use alone."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpunn import files
from gpunn.errors import UsageError
from gpunn.text import drawable

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110  # an 8 inch figure is 880 pixels wide: the column of a report
GAP = 1  # pixels between two small images


class NothingToDraw(UsageError):
    """A picture that this network or these results do not have, such as the mistakes of a network that makes none."""


def new_figure(width: float, height: float) -> Figure:
    """An empty Figure of that many inches. Raises UsageError, naming the extra, where matplotlib is missing."""
    try:
        with any_backend():
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(f'pictures: matplotlib is missing ({error}); pip install "gpunn[plot]"') from error
    except Exception as error:  # a matplotlibrc that is no text, for one
        raise UsageError(
            f"pictures: matplotlib does not import ({type(error).__name__}: {error}); mend its matplotlibrc"
        ) from error
    # Figure and canvas themselves, no pyplot: no global state, and no display is looked for.
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def any_backend() -> Iterator[None]:
    """Import matplotlib whatever MPLBACKEND says: a notebook's, which its children inherit, need not be there.

    It is set afterwards, as matplotlib itself would have: the user's own pictures follow.
    """
    wanted = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    if wanted:
        import matplotlib

        with suppress(ValueError, ImportError):  # no such backend
            matplotlib.rcParams["backend"] = wanted


def png(figure: Figure) -> bytes:
    """The figure as a PNG file's bytes; equal figures give equal bytes.

    Where the user's matplotlibrc cannot be drawn by, as text.usetex without LaTeX, it is matplotlib's own style.
    """
    try:
        return _png(figure)
    except Exception:
        from matplotlib import rc_context, rcdefaults
        from matplotlib.text import Text

        with rc_context():
            rcdefaults()
            for text in figure.findobj(Text):
                text.set_usetex(False)
            return _png(figure)


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    # Not by savefig, which draws all twice, to lay it out and for the file, and at the user's savefig.dpi of 5000 takes
    # 3 GB.
    canvas, file = FigureCanvasAgg(figure), io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is drawn as a box
        canvas.draw()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).save(file, format="png", dpi=(figure.dpi, figure.dpi))
    return file.getvalue()


def save(figure: Figure, path: str | os.PathLike) -> Path:
    """Write the figure as a PNG file, and return its path."""
    path = Path(path)
    contents = png(figure)
    files.write_atomically(path, lambda file: file.write(contents))
    return path


def mosaic(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Small images (N, H, W) or (N, H, W, 3) in rows of `columns`, as one image; gaps and missing ones are white.

    Values are 0 (black) to 1; the result always has three colours.
    """
    colour = tiles if tiles.ndim == 4 else np.repeat(tiles[..., None], 3, axis=3)
    n, height, width, _ = colour.shape
    rows = -(-n // columns)
    wall = np.ones((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3))
    for i, tile in enumerate(colour):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        wall[top : top + height, left : left + width] = tile
    return wall


def stretched(tiles: np.ndarray) -> np.ndarray:
    """Each image by itself, so that its smallest value is 0 and its largest 1; an even one is 0.5."""
    axes = tuple(range(1, tiles.ndim))
    low, high = tiles.min(axes, keepdims=True), tiles.max(axes, keepdims=True)
    return np.where(high > low, (tiles - low) / np.where(high > low, high - low, 1), 0.5)


def shown(image: np.ndarray) -> np.ndarray:
    """An image (C, H, W) of uint8 as rows of colours in 0..1; of other than 3 channels the first, in grey."""
    planes = image if len(image) == 3 else np.repeat(image[:1], 3, axis=0)
    return planes.transpose(1, 2, 0) / 255


def put(axes: Axes, image: np.ndarray, title: str = "") -> None:
    """Show an image without axes, its pixels as squares."""
    axes.imshow(image, interpolation="nearest", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(drawable(title, 200), fontsize=9, loc="left")
