"""Points of two classes in a plane, and what a network makes of it: the regions of its decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gpunn.backend import to_numpy
from gpunn.engine.grad_mode import no_grad
from gpunn.engine.tensor import Tensor

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.axes import Axes

FINE = 120  # places of the field along each side


def labelled_points(axes: Axes, x: np.ndarray, labels: np.ndarray) -> None:
    """Draw points (N, 2) of class 0 as blue circles, those of class 1 as red squares, with room around them.

    Raises:
        ValueError: x is no (N, 2), has no points or some that are not finite, or labels other than 0 and 1.

    Examples:
        >>> figure = gpunn.pictures.new_figure(3, 3)
        >>> gpunn.pictures.labelled_points(figure.subplots(), np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1]))
    """
    x, labels = np.asarray(x), np.asarray(labels)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x) or not np.isfinite(x).all():
        odd = "" if np.isfinite(x).all() else " with values that are not finite"
        raise ValueError(f"labelled_points: x is {x.shape}{odd}, expected (N, 2), one point at least; leave others out")
    if labels.shape != x.shape[:1] or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"labelled_points: labels {labels.shape} of {len(np.unique(labels))} kinds, expected 0 or 1 for each of "
            f"the {len(x)} points; compare with a class first: labels == 3"
        )
    for label, colour, marker in ((0, "#2166ac", "o"), (1, "#b2182b", "s")):
        axes.scatter(*x[labels == label].T, s=22, c=colour, marker=marker, edgecolors="white", linewidths=0.5, zorder=3)
    low, high = x.min(0), x.max(0)
    margin = 0.15 * max(*(high - low), 1e-3)
    axes.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))


def decision_regions(
    axes: Axes, chance: Callable[[np.ndarray], np.ndarray | Tensor], x: np.ndarray, labels: np.ndarray
) -> None:
    """Colour a plane by a decision between two classes, with its border at 0.5 and the points on it.

    Args:
        axes: matplotlib's, to draw in.
        chance: gives each of float32 points (M, 2) the probability of class 1, as M values in any shape.
        x, labels: as `labelled_points` takes them; they lie in the middle of the picture.

    Examples:
        >>> figure = gpunn.pictures.new_figure(3, 3)
        >>> x, labels = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1])
        >>> neuron = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
        >>> gpunn.pictures.decision_regions(figure.subplots(), neuron, x, labels)
    """
    labelled_points(axes, x, labels)
    across, up = (np.linspace(*ends, FINE) for ends in (axes.get_xlim(), axes.get_ylim()))
    grid = np.stack(np.meshgrid(across, up), -1).reshape(-1, 2).astype(np.float32)
    with no_grad():
        field = to_numpy(chance(grid)).reshape(FINE, FINE)
    extent = (*axes.get_xlim(), *axes.get_ylim())
    axes.imshow(field, cmap="RdBu_r", vmin=-0.5, vmax=1.5, origin="lower", extent=extent, aspect="auto")
    if field.min() < 0.5 < field.max():
        axes.contour(across, up, field, [0.5], colors="black", linewidths=1.5)
