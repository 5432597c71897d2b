"""What happened over time: losses and accuracies, and how large each layer's gradient was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunn.pictures.canvas import NothingToDraw, new_figure
from gpunn.text import drawable

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND = 9  # up to so many layers or networks are named one by one; more have a colour scale
SMOOTH = 100  # up to so many points of a gradient's curve are drawn as they are; of more, means of neighbours
SPELLED = {"iou": "mean IoU", "mse": "mean squared error"}  # metrics whose names are short for something
EPOCHS = 1000  # likewise of a learning curve, which is less of a zigzag


def learning_curves(
    histories: Iterable[Mapping[str, Any]] | Mapping[str, Iterable[Mapping[str, Any]]], metric: str = "accuracy"
) -> Figure:
    """Losses on the left, accuracies on the right, or another metric, training (dashed) and validation in each.

    Args:
        histories: a History's rows, or those of several networks by name, each in its own colour. Of over 1,000 epochs
            means of neighbours are drawn.
        metric: the name that rows have behind `train_` and `val_`.
    """
    named: Any = histories if isinstance(histories, Mapping) else {"": histories}
    runs = {name: list(rows) for name, rows in named.items()}
    if not runs or not all(runs.values()):
        raise NothingToDraw("learning_curves: the history is empty; train for an epoch first")
    figure = new_figure(9, 3.6)
    both = figure.subplots(1, 2)
    for axes, what in zip(both, ("loss", metric), strict=True):
        drawn = _panel(axes, runs, what)
        if drawn and len(runs) <= LEGEND:
            axes.legend()
    if len(runs) > LEGEND:
        _scale(figure, both, len(runs), ("first\nnetwork", "last\nnetwork"))
    return figure


def _panel(axes: Axes, runs: Mapping[str, Sequence[Mapping[str, Any]]], what: str) -> bool:
    """Draw one quantity of all runs; whether there was anything of it to draw."""
    axes.set(title=SPELLED.get(what, what), xlabel="epoch")
    axes.grid(alpha=0.3)
    _whole_numbers(axes, max(([row["epoch"] for row in rows] for rows in runs.values()), key=len))
    for i, (run, rows) in enumerate(runs.items()):
        lines = {}
        for name, style in ((f"train_{what}", "--"), (f"val_{what}", "-")):
            points = [(row["epoch"], _finite(row[name])) for row in rows if row.get(name) is not None]
            if points:
                epochs, values = np.array(points, float).T
                lines[name] = (_thinned(epochs, EPOCHS), _thinned(values, EPOCHS), style)
        for name, line in lines.items():
            looks = _looks(run, name, i, len(runs), main=name == [*lines][-1])
            axes.plot(*line, marker="o" if len(rows) <= EPOCHS else None, markersize=3, **looks)
    if any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        return True
    # Ticks of an empty panel would be figures that nobody measured.
    axes.set(xticks=[], yticks=[])
    why = "no finite value" if axes.lines else "not recorded"
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color="grey")
    return False


def _finite(value: float) -> float:
    """The value, or NaN, at which a line breaks off."""
    return value if math.isfinite(value) else math.nan


def _looks(run: str, name: str, i: int, n: int, main: bool) -> dict[str, Any]:
    """A lone run's lines are told apart by colour; of several runs each has one colour, paler beside the main line."""
    if n == 1:
        return {"label": drawable(name.replace("_", " "))}
    colour = f"C{i}" if n <= LEGEND else _colour(i, n)
    return {"color": colour, "label": drawable(run)} if main else {"color": colour, "alpha": 0.45, "label": "_"}


def _whole_numbers(axes: Axes, places: Sequence[int]) -> None:
    """Ticks at whole epochs or steps alone; a single one stands in the middle."""
    locator: Any = axes.xaxis.get_major_locator()  # a MaxNLocator, whose base has no such option
    locator.set_params(integer=True)
    if len(places) == 1:
        axes.set_xticks(places)


def gradient_norms(logs: Mapping[str, Sequence[Mapping[str, Any]]] | Sequence[Mapping[str, Any]]) -> Figure:
    """Each layer's gradient norm over the steps, on a logarithmic scale; the first layer darkest.

    Args:
        logs: rows of a train.LayerGradientLog ({"step": 10, "conv1": 0.3, ...}), or such rows of several networks by
            name, which are drawn side by side on one scale.
    """
    panels = logs if isinstance(logs, Mapping) else {"": logs}
    if not panels or not all(panels.values()):
        raise NothingToDraw("gradient_norms: no step is recorded; train with train.LayerGradientLog() as a callback")
    alone = len(panels) == 1
    figure = new_figure(9 if alone else 12, 3.6 if alone else 3.4)
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, rows) in zip(every, panels.items(), strict=True):
        layers = [key for key in rows[0] if key != "step"]
        _layers(axes, rows, layers)
        axes.set(title=drawable(name), xlabel="step", yscale="log")
        axes.grid(alpha=0.3)
        _whole_numbers(axes, [row["step"] for row in rows])
    every[0].set_ylabel("norm of the layer's gradient")
    layers = [key for key in next(iter(panels.values()))[0] if key != "step"]
    if len(layers) <= LEGEND and alone:
        every[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="layer", frameon=False)
    else:
        # Several networks share the colours, not the layers; a lone one's ends have their names.
        first, last = drawable(layers[0]), drawable(layers[-1])
        ends = (f"first:\n{first}", f"last:\n{last}") if alone else ("first\nlayer", "last\nlayer")
        _scale(figure, every, max(len(rows[0]) - 1 for rows in panels.values()), ends)
    return figure


def _layers(axes: Axes, rows: Sequence[Mapping[str, Any]], layers: Sequence[str]) -> None:
    steps = _thinned(np.array([row["step"] for row in rows], float), SMOOTH)
    for i, layer in enumerate(layers):
        norms = np.array([np.nan if row.get(layer) is None else row[layer] for row in rows], float)
        norms[norms <= 0] = np.nan  # a logarithm has no place for them: the line breaks off
        style = {"color": _colour(i, len(layers)), "label": drawable(layer), "linewidth": 1.3}
        axes.plot(steps, np.exp(_thinned(np.log(norms), SMOOTH)), marker="." if len(rows) == 1 else None, **style)


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Means of equally many neighbours, so that at most so many points are left; the last ones may be left out."""
    many = -(-len(values) // most)
    whole = len(values) // many * many
    return (values[:whole].reshape(-1, many) / many).sum(1)  # divided first: losses of 1e308 have a mean


def _colour(i: int, n: int) -> tuple[float, float, float, float]:
    from matplotlib import colormaps

    return colormaps["viridis"](0.92 * i / max(1, n - 1))  # the scale's own end is too pale on white


def _scale(figure: Figure, axes: Iterable[Axes], n: int, ends: tuple[str, str]) -> None:
    """The colours' meaning beside the panels: what stands at both ends."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap

    colours = ListedColormap([_colour(i, n) for i in range(n)])
    bar = figure.colorbar(ScalarMappable(cmap=colours), ax=list(axes), ticks=[0.5 / n, 1 - 0.5 / n], pad=0.01)
    bar.set_ticklabels(ends)
