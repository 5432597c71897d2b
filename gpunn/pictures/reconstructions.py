"""Images beside what a network made of them, and the images that a plane of codes stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunn import backend
from gpunn.checks import as_count
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import data_of
from gpunn.pictures.canvas import NothingToDraw, mosaic, new_figure, put
from gpunn.text import drawable

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.figure import Figure

TITLES = ("original", "reconstructed"), ("original", "with noise", "reconstructed")
LEGEND = 20  # up to so many classes are named beside the picture
REACH = 2.0  # of a plane of codes either way: 95 % of a normal distribution's


def reconstructions(
    images: Operand, *others: Operand, titles: Sequence[str] = (), most: int = 12, columns: int | None = None
) -> Figure:
    """Rows of images one below the other, each image above what became of it.

    Args:
        images: (N, C, H, W), uint8 or floating point from 0 to 1; what lies outside is drawn black or white. Of other
            than 3 channels the first is drawn, in grey.
        others: as many images each: reconstructions, or noisy images and reconstructions.
        titles: a name for each row. Default: original, (with noise,) reconstructed.
        most: so many images are drawn, the first ones.
        columns: images a line; default all of them. With images alone that makes a wall of samples.

    Raises:
        ValueError: other images of another number, no images, titles of another number than rows; most or columns of 0.

    Examples:
        >>> images = np.zeros((5, 1, 8, 8), np.uint8)
        >>> figure = gpunn.pictures.reconstructions(images, images / 255.0)
        >>> [axes.get_title("left") for axes in figure.axes]
        ['original', 'reconstructed']
    """
    rows = [_tiles("reconstructions", one) for one in (images, *others)]
    counts = [len(row) for row in rows]
    if len(set(counts)) != 1 or not counts[0]:
        raise ValueError(
            f"reconstructions: there are {counts} images, expected equally many a row, and at least one; "
            "pass the reconstructions of these very images"
        )
    titles = titles or (TITLES[len(rows) - 2] if 2 <= len(rows) <= 3 else [""] * len(rows))
    if len(titles) != len(rows):
        raise ValueError(f"reconstructions: there are {len(titles)} titles for {len(rows)} rows; pass one a row")
    most = as_count("reconstructions", "most", most)
    across = min(most if columns is None else as_count("reconstructions", "columns", columns), most, counts[0])
    walls = [mosaic(row[:most], across) for row in rows]
    width = min(9.0, max(3.0, 0.75 * across))
    figure = new_figure(width, sum(width * wall.shape[0] / wall.shape[1] for wall in walls) + 0.3 * len(rows))
    for axes, wall, title in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], walls, titles, strict=True):
        put(axes, wall, title)
    return figure


def _tiles(name: str, images: Operand) -> np.ndarray:
    """Images (N, C, H, W) as (N, H, W), or (N, H, W, 3) in colour, from 0 to 1."""
    a = backend.to_numpy(data_of(images))
    if a.ndim != 4 or not a.shape[1]:
        raise ValueError(f"{name}: images are {a.shape}, expected (N, C, H, W); reshape them")
    values = a / 255 if a.dtype == np.uint8 else np.clip(np.nan_to_num(a.astype(np.float32)), 0, 1)
    return values.transpose(0, 2, 3, 1) if a.shape[1] == 3 else values[:, 0]


def latent_map(codes: Operand, labels: Operand, classes: Sequence[str]) -> Figure:
    """The codes of images as points, each class in its colour; its name stands at its codes' median, and beside.

    Args:
        codes: (N, 2) or more numbers, of which the first two are drawn.
        labels: (N,) class numbers.
        classes: their names.

    Raises:
        ValueError: codes of one number, labels of another number, a label without a name. NothingToDraw: no codes.

    Examples:
        >>> figure = gpunn.pictures.latent_map(np.eye(2), np.array([0, 1]), ["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['cat', 'dog']
    """
    points, numbers = backend.to_numpy(data_of(codes)), backend.to_numpy(data_of(labels))
    if points.ndim != 2 or points.shape[1] < 2 or numbers.shape != points.shape[:1]:
        raise ValueError(
            f"latent_map: codes are {points.shape} and labels {numbers.shape}, expected (N, 2) and (N,); draw codes of "
            "at least two numbers"
        )
    if not len(points):
        raise NothingToDraw("latent_map: there are no codes; encode some images")
    if not 0 <= numbers.min() <= numbers.max() < len(classes):
        raise ValueError(f"latent_map: labels reach from {numbers.min()} to {numbers.max()}, expected 0 to "
                         f"{len(classes) - 1}; name all classes")  # fmt: skip
    figure = new_figure(7, 6)
    axes = figure.subplots()
    colours = _colours(len(classes))
    # In one call, in the order of the images: class after class would hide the first ones under the last.
    axes.scatter(*points[:, :2].T, c=[colours[i] for i in numbers.tolist()], s=5, linewidths=0, alpha=0.7)
    for i, name in enumerate(map(drawable, classes)):
        if (numbers == i).any():
            middle = np.median(points[numbers == i, :2], axis=0)
            box = {"boxstyle": "round,pad=0.2", "facecolor": colours[i], "edgecolor": "white"}
            axes.text(middle[0], middle[1], name, ha="center", va="center", fontsize=10, color="white", bbox=box)
            axes.scatter([], [], color=[colours[i]], s=25, label=name)
    if len(classes) <= LEGEND:  # names in the midst of points may hide one another
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes.set(xlabel="first number of the code", ylabel="second number of the code")
    axes.grid(alpha=0.3)
    return figure


def _colours(n: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["tab10"](i) for i in range(n)] if n <= 10 else [colormaps["turbo"](i / (n - 1)) for i in range(n)]


def latent_plane(decode: Callable[[np.ndarray], Operand], side: int = 15, reach: float = REACH) -> Figure:
    """The images that codes of two numbers stand for, side x side of them from -reach to reach either way.

    Args:
        decode: from float32 codes (side * side, 2) to images (N, C, H, W), as an auto-encoder's.

    Examples:
        >>> figure = gpunn.pictures.latent_plane(lambda z: np.zeros((len(z), 1, 8, 8)), side=3)
        >>> figure.axes[0].get_images()[0].get_array().shape
        (26, 26, 3)
    """
    line = np.linspace(-reach, reach, side, dtype=np.float32)
    first, second = np.meshgrid(line, line[::-1])  # upwards, as an axis
    tiles = _tiles("latent_plane", decode(np.stack([first.ravel(), second.ravel()], axis=1)))
    wall = mosaic(tiles, side)
    figure = new_figure(6.4, 6)
    axes = figure.subplots()
    axes.imshow(wall, extent=(-reach, reach, -reach, reach), interpolation="nearest", vmin=0, vmax=1, aspect="auto")
    axes.set(xlabel="first number of the code", ylabel="second number of the code")
    return figure
