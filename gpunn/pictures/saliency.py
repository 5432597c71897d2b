"""Which pixels a network's decision hangs on: the gradient of a class's score by the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpunn import backend
from gpunn.engine.grad_mode import enable_grad
from gpunn.engine.tensor import Tensor, data_of, grad
from gpunn.nn import Module
from gpunn.nn.state import evaluating
from gpunn.pictures.canvas import NothingToDraw, new_figure, put, shown
from gpunn.text import plain

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.figure import Figure

IMAGES = 10  # at most so many are shown


def saliency_maps(model: Module, x: Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class that the network takes each image of x (N, C, H, W) for, and |d score / d x|, maps (N, H, W).

    The score is the class's own, before softmax; of a pixel's channels the largest counts (Simonyan et al. 2014, "Deep
    inside convolutional networks", section 3). The network runs in evaluation mode; no `.grad` changes. NothingToDraw
    where it gives no scores (N, classes).

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> classes, maps = pictures.saliency_maps(model, np.ones((1, 1, 2, 2), np.float32))
    >>> np.allclose(maps[0].ravel(), np.abs(model[1].weight.numpy()[classes[0]]))
    True
    """
    leaf = Tensor(data_of(x), requires_grad=True)
    with evaluating(model), enable_grad():
        scores = model(leaf)
        if scores.ndim != 2 or leaf.ndim != 4 or 0 in scores.shape:
            raise NothingToDraw(
                f"saliency: x {leaf.shape} gives {scores.shape}, expected scores (N, classes) of images (N, C, H, W)"
            )
        classes = backend.to_numpy(scores.array).argmax(1)
        gx = grad(scores[np.arange(len(classes)), classes].sum(), leaf)
    assert gx is not None
    return classes, np.abs(backend.to_numpy(gx)).max(axis=1)


def saliency(model: Module, x: Tensor | np.ndarray, images: np.ndarray, classes: Sequence[str]) -> Figure:
    """Images with the classes that they are taken for, and below each its saliency, from dark to the brightest.

    Args:
        x: images as the network takes them, (N, C, H, W); the first 10 are shown.
        images: the same as uint8 (N, C, H, W).
        classes: their names.
    """
    taken, maps = saliency_maps(model, data_of(x)[:IMAGES])
    if len(images) != len(data_of(x)):
        raise ValueError(f"saliency: x has {len(data_of(x))} images but images {len(images)}; pass the same, as uint8")
    if taken.max() >= len(classes):
        raise ValueError(
            f"saliency: an image is taken for class {taken.max()}, there are {len(classes)} names; name all classes"
        )
    figure = new_figure(max(3.0, 0.92 * len(maps)), 2.2)
    above, below = figure.subplots(2, len(maps), squeeze=False)
    for axes, image, label in zip(above, images, taken, strict=False):
        put(axes, shown(image), f"is {plain(classes[int(label)], 11)}")
        axes.title.set_fontsize(8)
    for axes, found in zip(below, maps, strict=True):
        axes.imshow(found, cmap="inferno", interpolation="nearest")
        axes.set_axis_off()
    return figure
