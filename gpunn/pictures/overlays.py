"""Segmentations drawn over their images: the class of each pixel as a colour."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpunn.checks import as_count
from gpunn.pictures.canvas import NothingToDraw, new_figure, put, shown
from gpunn.text import drawable

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.figure import Figure

NAMES = 20  # classes that the legend names
OPACITY = 0.6  # of a class's colour over the image
# Told apart by readers of any colour vision (Okabe and Ito 2008, "Color universal design"); then hues.
COLOURS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66))
GREY = 0.5  # of pixels that are ignored
BACKGROUND = "background"


def class_colours(classes: Sequence[str]) -> np.ndarray:
    """A colour for each class, float (classes, 3) of 0 to 1; a first class that is called background is black.

    >>> pictures.class_colours(["background", "disc"]).round(2)
    array([[0.  , 0.  , 0.  ],
           [0.  , 0.45, 0.7 ]])
    """
    black = [(0.0, 0.0, 0.0)] if _starts_behind(classes) else []
    fixed = [tuple(v / 255 for v in colour) for colour in COLOURS]
    # Hues a golden section apart: no two of the next ones are near.
    hues = [colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.65, 0.9) for i in range(max(0, len(classes) - len(fixed)))]
    return np.array([*black, *fixed, *hues][: len(classes)])


def overlay(image: np.ndarray, mask: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """An image uint8 (C, H, W) in grey, tinted by the classes of its mask (H, W), as float (H, W, 3) of 0 to 1.

    A first class called "background" has no tint; a number that is no class is an even grey.

    >>> pictures.overlay(np.zeros((3, 1, 2), np.uint8), np.array([[0, 1]]), ["background", "disc"]).round(2)
    array([[[0.  , 0.  , 0.  ],
            [0.  , 0.27, 0.42]]])
    """
    if image.ndim != 3 or mask.shape != image.shape[1:]:
        raise ValueError(f"overlay: mask is {mask.shape} but image is {image.shape}, expected (H, W) for (C, H, W)")
    known = (mask >= 0) & (mask < len(classes))
    tint = np.where(known[..., None], class_colours(classes)[np.where(known, mask, 0)], GREY)
    below = shown(image).mean(2, keepdims=True)  # in grey, so that a class has one colour everywhere
    clear = known & (mask == 0) & _starts_behind(classes)
    return np.where(clear[..., None], below, (1 - OPACITY) * below + OPACITY * tint)


def overlays(
    images: np.ndarray, masks: np.ndarray, predicted: np.ndarray, classes: Sequence[str], most: int = 8
) -> Figure:
    """The first images beside their masks and what a network predicts, both drawn over the image; two images a row.

    Args:
        images: uint8 (N, C, H, W).
        masks: class numbers (N, H, W); those that are no class are ignored, and grey.
        predicted: class numbers (N, H, W).
        classes: their names, which a legend explains.
        most: images drawn.

    Above each prediction stands the share of the pixels that are right.
    """
    for name, array in (("masks", masks), ("predicted", predicted)):
        if array.shape != (len(images), *images.shape[2:]):
            raise ValueError(
                f"overlays: {name} are {array.shape}, expected {(len(images), *images.shape[2:])} "
                f"for images {images.shape}; pass one class number a pixel"
            )
    count = min(as_count("overlays", "most", most), len(images))
    if not count:
        raise NothingToDraw(f"overlays: there is none to draw of {len(images)} images")
    across = min(2, count)
    rows = -(-count // across)
    figure = new_figure(4.4 * across, 1.6 * rows + 0.7)
    grid = figure.add_gridspec(rows, 7 if across == 2 else 3, width_ratios=[1, 1, 1, *[0.12, 1, 1, 1] * (across - 1)])
    for i in range(count):
        row, left = i // across, 4 * (i % across)
        panels = shown(images[i]), overlay(images[i], masks[i], classes), overlay(images[i], predicted[i], classes)
        titles = ["image", "mask", "predicted\n"] if row == 0 else ["", "", ""]
        titles[2] += _right(predicted[i], masks[i], len(classes))
        for j, (panel, title) in enumerate(zip(panels, titles, strict=True)):
            axes = figure.add_subplot(grid[row, left + j])
            put(axes, panel)
            axes.set_title(title, fontsize=9, loc="left")
    _explain(figure, classes)
    return figure


def _right(predicted: np.ndarray, mask: np.ndarray, classes: int) -> str:
    """The share of right pixels in words."""
    counted = (mask >= 0) & (mask < classes)
    return f"{(predicted == mask)[counted].mean():.1%} right" if counted.any() else "all ignored"


def _explain(figure: Figure, classes: Sequence[str]) -> None:
    """A legend of the classes' colours below the pictures."""
    from matplotlib.patches import Patch

    start = int(_starts_behind(classes))  # which has no colour over an image
    pairs = list(zip(classes, class_colours(classes), strict=True))[start : start + NAMES]
    if pairs:
        patches = [Patch(color=tuple(colour), label=drawable(name, 40)) for name, colour in pairs]
        figure.legend(handles=patches, loc="outside lower center", ncols=min(len(pairs), 6), fontsize=8, frameon=False)


def _starts_behind(classes: Sequence[str]) -> bool:
    return len(classes) > 0 and classes[0] == BACKGROUND
