"""What a network's layers have learnt: the filters of the first, and the maps that one image makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gpunn import backend
from gpunn.engine.autograd import no_grad
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn import Module
from gpunn.nn.state import evaluating
from gpunn.pictures.canvas import NothingToDraw, mosaic, new_figure, put, shown, stretched
from gpunn.window import size_text

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.figure import Figure

FILTERS, LAYERS, MAPS = 64, 5, 12  # at most so many are shown


def first_filters(model: Module, image_shape: tuple[int, int, int]) -> Figure:
    """The weights of the first layer as small images, each from its smallest (black) to its largest value (white).

    Filters of 3 channels are shown in colour, of other numbers their first channel. A fully connected first layer is
    shown where its inputs are the pixels of an image (C, H, W) of `image_shape`.
    """
    name, weights = _first_weights(model, image_shape)
    some = weights[:FILTERS]
    tiles = stretched(some.transpose(0, 2, 3, 1) if some.shape[1] == 3 else some[:, 0])
    columns = min(len(tiles), 16 if len(tiles) > 24 else 10)
    rows = -(-len(tiles) // columns)
    height, width = tiles.shape[1:3]
    side = 0.55 if columns > 10 else 0.8
    figure = new_figure(max(4.5, side * columns), side * rows * height / width + 0.4)
    size = f"{weights.shape[0]} of {size_text(weights.shape[1:])}"
    first = "" if len(some) == len(weights) else f", the first {len(some)}"
    put(figure.subplots(), mosaic(tiles, columns), f"layer {name.removesuffix('.weight')}: {size}{first}")
    return figure


def _first_weights(model: Module, image_shape: tuple[int, int, int]) -> tuple[str, np.ndarray]:
    """The name of the first layer with weights, and these as (K, C, R, S)."""
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            continue
        weights = backend.to_numpy(parameter).astype(np.float32)
        if weights.ndim == 4:
            return name, weights
        if weights.ndim == 2 and weights.shape[1] == np.prod(image_shape):
            return name, weights.reshape(-1, *image_shape)
        raise NothingToDraw(
            f"first_filters: {name}, the first weights, are {weights.shape}: neither a two-dimensional convolution's "
            f"nor those of {image_shape} pixels"
        )
    raise NothingToDraw("first_filters: the network has no weights")


def feature_maps(model: Module, x: Tensor | np.ndarray, image: np.ndarray) -> Figure:
    """What the convolutions make of one image, before normalisation and activation; each map in its own range of greys.

    Args:
        x: the image as the network takes it, (1, C, H, W).
        image: the same as uint8 (C, H, W), shown beside.
    """
    found = _maps(model, x)
    if not found:
        raise NothingToDraw("feature_maps: the network has no convolution, so that no layer's output is an image")
    # From the first to the last, evenly spread.
    chosen = [found[i] for i in np.unique(np.linspace(0, len(found) - 1, min(LAYERS, len(found))).round().astype(int))]
    figure = new_figure(9, 0.95 * len(chosen) + 0.1)
    grid = figure.add_gridspec(len(chosen), 2, width_ratios=(1, 7))
    put(figure.add_subplot(grid[:, 0]), shown(image), "image")
    for row, (name, maps) in enumerate(chosen):
        first = "" if len(maps) <= MAPS else f", the first {MAPS}"
        title = f"{name}: {len(maps)} maps of {size_text(maps.shape[1:])}{first}"
        put(figure.add_subplot(grid[row, 1]), mosaic(stretched(maps[:MAPS]), MAPS), title)
    return figure


def _maps(model: Module, x: Tensor | np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Name and output (K, H, W) of each layer whose weights are a convolution's, in the order of the calls."""
    found: list[tuple[str, np.ndarray]] = []

    def note(name: str) -> Callable[[Module, tuple, Tensor | np.ndarray], None]:
        def hook(_: Module, __: tuple, y: Tensor | np.ndarray) -> None:
            found.append((name, backend.to_numpy(data_of(y))[0].astype(np.float32)))

        return hook

    layers = [(n, m) for n, m in model.named_modules() if any(p.ndim == 4 for _, p in m._own_parameters())]
    removers = [module.register_forward_hook(note(name)) for name, module in layers]
    try:
        with no_grad(), evaluating(model):
            model(x)
    finally:
        for remove in removers:
            remove()
    return [(name, maps) for name, maps in found if maps.ndim == 3]
