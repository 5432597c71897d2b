"""What small kernels do to an image: smoothing, sharpening, edges; borders; stride, dilation and pooling.

Three pictures: filters.png, borders.png (what lies outside the image, seen at a corner) and sampling.png. The image is
drawn by a formula unless --image names a file. Seed 0: a border of zeros makes a false edge along the first row, 0.31 a
pixel beside 0.02 with "mirror" and "replicate" and 0.17 with "modulo", and leaves 29 % of the corner's grey when it is
smoothed. 2 s on one CPU core. The pictures need matplotlib.

    python examples/filters.py [--image FILE] [--size 128] [--seed 0] [--out filters]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gpunn import ops, pictures
from gpunn.data.picture import read_picture

BORDERS = ("zero", "mirror", "replicate", "modulo")
PAD_MODES = ("constant", "reflect", "replicate", "circular")  # the same in PyTorch's words
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 8  # the slope to the right, grey levels a pixel


def gaussian(sigma: float) -> np.ndarray:
    """A kernel (R, R) of weights exp(-r^2 / 2 sigma^2) that sum to 1, R = 2 ceil(3 sigma) + 1."""
    at = np.arange(-np.ceil(3 * sigma), np.ceil(3 * sigma) + 1)
    line = np.exp(-(at**2) / (2 * sigma**2))
    return (np.outer(line, line) / line.sum() ** 2).astype(np.float32)


KERNELS = {
    "the image itself": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32),
    "mean of 5x5": np.full((5, 5), 1 / 25, np.float32),
    "Gaussian, sigma 1.5": gaussian(1.5),
    "sharpened": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32),  # x minus its Laplacian
    "Sobel, horizontal": SOBEL,
    "Sobel, vertical": SOBEL.T.copy(),
    "Laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32),
}
SIGNED = ("Sobel, horizontal", "Sobel, vertical", "Laplacian")  # 0 is drawn as middle grey


def scene(size: int = 128, seed: int = 0) -> np.ndarray:
    """A grey image (size, size) from 0 to 1: a house, a sun, a cloud cut off, stripes that narrow, grain."""
    v, u = np.mgrid[:size, :size] / size
    image = 0.75 - 0.35 * v - 0.1 * u
    image[np.hypot(u - 0.68, v - 0.32) < 0.2] = 0.95
    chirp = 0.5 + 0.4 * np.sin(2 * np.pi * (4 * u + 12 * u**2))
    image = np.where((v > 0.72) & (v < 0.92), chirp, image)
    image[(u < 0.4) & (v < 0.62) & (v > 0.2 + 1.05 * np.abs(u - 0.2))] = 0.12
    image[np.hypot(u - 0.14, v - 0.05) < 0.08] = 0.12  # it hangs over the upper border
    grain = np.random.default_rng(seed).standard_normal(image.shape)
    return np.clip(image + 0.02 * grain, 0, 1).astype(np.float32)


def grey_picture(path: Path, size: int) -> np.ndarray:
    """The middle square of a picture file as (size, size), its grey levels by the eye's sensitivity (Rec. 601)."""
    colours = read_picture(path, 3, size)[0] / 255
    return np.einsum("c,chw->hw", (0.299, 0.587, 0.114), colours).astype(np.float32)


def edges(image: np.ndarray, border: str = "replicate") -> np.ndarray:
    """The length of the gradient that the two Sobel filters measure."""
    return np.hypot(ops.filter2d(image, SOBEL, border), ops.filter2d(image, SOBEL.T.copy(), border))


def draw_filters(image: np.ndarray):
    """Each kernel with what it makes of the image, and the gradient's length from two of them."""
    made = {name: (ops.filter2d(image, kernel, "replicate"), kernel) for name, kernel in KERNELS.items()}
    made["length of the gradient"] = (edges(image), None)
    figure = pictures.new_figure(9.6, 6.6)
    grid = figure.add_gridspec(4, 4, height_ratios=(5, 2, 5, 2))
    for i, (name, (result, kernel)) in enumerate(made.items()):
        above = figure.add_subplot(grid[i // 4 * 2, i % 4])
        most = float(np.abs(result).max()) if name in SIGNED or kernel is None else 1.0
        above.imshow(result, cmap="gray", vmin=-most if name in SIGNED else 0, vmax=most, interpolation="nearest")
        _bare(above, name)
        below = figure.add_subplot(grid[i // 4 * 2 + 1, i % 4])
        if kernel is None:
            below.text(0.5, 0.5, "$\\sqrt{s_x^2 + s_y^2}$", ha="center", va="center", fontsize=11)
            below.set_axis_off()
        else:
            draw_kernel(below, kernel)
    return figure


def draw_kernel(axes, kernel: np.ndarray) -> None:
    """Its numbers, blue below 0 and red above; as eighths or twenty-fifths where they are; colours alone above 5x5."""
    most = float(np.abs(kernel).max())
    axes.imshow(kernel, cmap="coolwarm", vmin=-1.6 * most, vmax=1.6 * most)
    _bare(axes)
    if len(kernel) > 5:
        return
    part = next(n for n in (1, 8, 25) if np.allclose(kernel * n, np.round(kernel * n), atol=1e-5))
    for (r, s), value in np.ndenumerate(kernel):
        axes.text(s, r, f"{value * part:.0f}", ha="center", va="center", fontsize=7 if len(kernel) > 3 else 9)
    if part > 1:
        axes.set_ylabel(f"times 1/{part}", fontsize=8)


def draw_borders(image: np.ndarray, around: int = 16, inside: int = 32):
    """The top left corner under each border: what it adds, the image smoothed, and its edges."""
    smooth, reach = gaussian(4.0), around + inside
    rows = {
        f"{around} pixels\nadded": [ops.pad(image, (around,) * 4, mode=mode)[:reach, :reach] for mode in PAD_MODES],
        "smoothed,\nsigma 4": [ops.filter2d(image, smooth, border)[:inside, :inside] for border in BORDERS],
        "its edges": [edges(image, border)[:inside, :inside] for border in BORDERS],
    }
    figure = pictures.new_figure(9, 7)
    panels = figure.subplots(len(rows), len(BORDERS))
    for line, (words, corners) in zip(panels, rows.items(), strict=True):
        most = 1.0 if words != "its edges" else max(float(corner.max()) for corner in corners)
        for axes, border, corner in zip(line, BORDERS, corners, strict=True):
            axes.imshow(corner, cmap="gray", vmin=0, vmax=most, interpolation="nearest")
            _bare(axes, border if axes in panels[0] else "")
            if axes in panels[0]:  # where the image ends
                start, end = around - 0.5, reach - 0.5
                axes.plot([start, start, end], [end, start, start], color="tab:red", linewidth=1.5)
        line[0].set_ylabel(words, fontsize=9)
    return figure


def strided(image: np.ndarray, kernel: np.ndarray, stride: int = 1, dilation: int = 1) -> np.ndarray:
    """The kernel on every `stride`-th place, its taps `dilation` apart; as many pixels around as it reaches."""
    reach = dilation * (len(kernel) // 2)
    bordered = ops.pad(image[None, None], (reach,) * 4, mode="replicate")
    return ops.conv2d(bordered, kernel[None, None], stride=stride, dilation=dilation)[0, 0]


def draw_sampling(image: np.ndarray):
    """Stride, dilation and pooling; every panel as large as the image, its pixels as large as what they stand for."""
    x, smooth = image[None, None], gaussian(2.0)
    made = [(f"Gaussian, stride {n}", strided(image, smooth, stride=n)) for n in (1, 2, 4)]
    made += [("every 4th pixel alone", image[::4, ::4])]
    made += [(f"Sobel, dilation {n}", strided(image, SOBEL, dilation=n)) for n in (1, 2, 4, 8)]
    for n in (2, 4):
        made += [(f"max of {n}x{n}", ops.max_pool2d(x, n)[0, 0]), (f"mean of {n}x{n}", ops.avg_pool2d(x, n)[0, 0])]
    figure = pictures.new_figure(9.6, 8)
    for axes, (name, result) in zip(figure.subplots(3, 4).flat, made, strict=True):
        sobel = name.startswith("Sobel")
        most = float(np.abs(result).max()) if sobel else 1.0
        axes.imshow(result, cmap="gray", vmin=-most if sobel else 0, vmax=most, interpolation="nearest")
        _bare(axes, f"{name}: {result.shape[0]}x{result.shape[1]}")
        if sobel:
            step, middle = int(name.split()[-1]), len(image) // 2
            taps = [(middle + a * step, middle + b * step) for a in (-1, 0, 1) for b in (-1, 0, 1)]
            axes.scatter(*zip(*taps, strict=True), s=5, color="tab:red", linewidths=0)
    return figure


def _bare(axes, title: str = "") -> None:
    axes.spines[:].set_visible(True)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=9)


def main(argv=None) -> list[Path]:
    """Draw the three pictures; returns their files."""
    parser = argparse.ArgumentParser(description="kernels, borders, stride, dilation and pooling on an image")
    parser.add_argument("--image", type=Path, help="a picture of your own; its middle square is taken")
    parser.add_argument("--size", type=int, default=128, help="the image's side in pixels, at least 64")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn image's grain")
    parser.add_argument("--out", type=Path, default=Path("filters"), help="the folder for the pictures")
    args = parser.parse_args(argv)
    if args.size < 64:
        parser.error(f"--size is {args.size}, expected at least 64: the corner shown takes 48 pixels")

    image = scene(args.size, args.seed) if args.image is None else grey_picture(args.image, args.size)
    args.out.mkdir(parents=True, exist_ok=True)
    drawn = {"filters": draw_filters, "borders": draw_borders, "sampling": draw_sampling}
    files = [pictures.save(draw(image), args.out / f"{name}.png") for name, draw in drawn.items()]
    for border in BORDERS:
        first, kept = edges(image, border)[0].mean(), ops.filter2d(image, gaussian(4.0), border)[0, 0] / image[0, 0]
        print(f"{border}: mean edge along the first row {first:.3f}; the smoothed corner keeps {kept:.0%} of its grey")
    print(*files, sep="\n")
    return files


if __name__ == "__main__":
    main()
