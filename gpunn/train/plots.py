"""Loss and accuracy curves as a picture; the only module that uses matplotlib."""

from __future__ import annotations

import io
import os

from gpunn.train.checkpoint import write_atomically
from gpunn.train.history import History


def draw_curves(history: History, path: str | os.PathLike) -> str | None:
    """Write curves.png: losses on the left, accuracies on the right, training and validation in each.

    Returns None, or in words why there is no picture: matplotlib is an extra.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        return f'{os.fspath(path)} is not drawn, matplotlib is missing ({error}); pip install "gpunn[plot]"'
    # Figure and canvas themselves, no pyplot: no global state, and no display is looked for.
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _panel(left, history, "loss")
    _panel(right, history, "accuracy")
    picture = io.BytesIO()
    canvas.print_png(picture)
    write_atomically(path, lambda file: file.write(picture.getvalue()), "draw_curves")
    return None


def _panel(axes, history: History, what: str) -> None:
    axes.set(title=what, xlabel="epoch")
    axes.grid(alpha=0.3)
    for name, style in ((f"train_{what}", "--"), (f"val_{what}", "-")):
        points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), style, marker="o", markersize=3, label=name.replace("_", " "))
    if axes.lines:
        axes.legend()
