"""A convolution is a matrix, and the transposed convolution the transposed matrix: both built, drawn and checked.

The matrix of a 3x3 kernel over a 4x4 image has 4 rows, one an output, and 16 columns, one a pixel; each row holds the
nine weights, 44 % of its entries being 0. Its transpose takes the 4 outputs back to 16 pixels, which is what the
gradient of a convolution does, and a layer that enlarges images. Seeds 0 to 4: `ops.conv2d` and `ops.conv_transpose2d`
differ from the two products by at most 1e-6. 1 s on one CPU core. The picture needs matplotlib.

    python examples/transposed_convolution.py [--stride 1] [--padding 0] [--seed 0] [--out transposed_convolution.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gpunn import ops, pictures


def matrix_of(kernel: np.ndarray, height: int, width: int, stride: int = 1, padding: int = 0) -> np.ndarray:
    """The matrix (P Q, H W) that does to x.ravel() what conv2d does to x (H, W): tap by tap, from the definition."""
    R, S = kernel.shape
    P, Q = (height + 2 * padding - R) // stride + 1, (width + 2 * padding - S) // stride + 1
    matrix = np.zeros((P, Q, height, width), kernel.dtype)
    for p, q, r, s in np.ndindex(P, Q, R, S):
        h, w = p * stride + r - padding, q * stride + s - padding
        if 0 <= h < height and 0 <= w < width:
            matrix[p, q, h, w] = kernel[r, s]
    return matrix.reshape(P * Q, height * width)


def both_ways(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> tuple[np.ndarray, np.ndarray]:
    """y (P, Q) = conv2d(x), and what conv_transpose2d makes of y, of x's size."""
    weight = kernel[None, None]
    y = ops.conv2d(x[None, None], weight, stride=stride, padding=padding)
    # A stride that leaves a last row over makes a smaller image of y than x was: the rest is zeros.
    rest = (x.shape[0] + 2 * padding - kernel.shape[0]) % stride
    return y[0, 0], ops.conv_transpose2d(y, weight, stride=stride, padding=padding, output_padding=rest)[0, 0]


def draw(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int):
    """x, its matrix and y above; y, the transposed matrix and what it makes of y below."""
    matrix = matrix_of(kernel, *x.shape, stride=stride, padding=padding)
    y, back = both_ways(x, kernel, stride, padding)
    figure = pictures.new_figure(9.6, 6.4)
    above, below = figure.subplots(2, 4, width_ratios=(1, 3, 1, 1), height_ratios=(1, 1.9))
    _weights(above[0], kernel, f"kernel {_size(kernel)}")
    _weights(above[1], matrix, f"its matrix {_size(matrix)}")
    _values(above[2], x, f"x {_size(x)}")
    _values(above[3], y, f"y = matrix times x: {_size(y)}")
    below[0].set_axis_off()
    _weights(below[1], matrix.T, f"its transpose {_size(matrix.T)}")
    _values(below[2], y, f"y {_size(y)}")
    _values(below[3], back, f"transpose times y: {_size(back)}")
    return figure


def _weights(axes, a: np.ndarray, title: str) -> None:
    """A matrix in colours; zeros are white."""
    most = float(np.abs(a).max())
    axes.imshow(np.where(a == 0, np.nan, a), cmap="coolwarm", vmin=-most, vmax=most)
    axes.set_xticks(np.arange(a.shape[1] + 1) - 0.5, [])
    axes.set_yticks(np.arange(a.shape[0] + 1) - 0.5, [])
    axes.grid(color="0.8", linewidth=0.5)
    axes.tick_params(length=0)
    _numbers(axes, a, np.abs(a) > 0.75 * most)
    _frame(axes, title)


def _values(axes, a: np.ndarray, title: str) -> None:
    """An image in greys, from its smallest to its largest pixel."""
    axes.imshow(a, cmap="gray")
    axes.set_xticks([])
    axes.set_yticks([])
    _numbers(axes, a, a < (a.min() + a.max()) / 2)
    _frame(axes, title)


def _numbers(axes, a: np.ndarray, dark: np.ndarray) -> None:
    """What is not zero, in white where it is dark; of large arrays nothing, since it could not be read."""
    for at in np.argwhere(a != 0) if a.size <= 256 else ():
        row, column = map(int, at)
        ink = "white" if dark[row, column] else "black"
        axes.text(column, row, f"{round(float(a[row, column]), 1):g}", ha="center", va="center", fontsize=6, color=ink)


def _frame(axes, title: str) -> None:
    axes.spines[:].set_visible(True)
    axes.set_title(title, fontsize=9)


def _size(a: np.ndarray) -> str:
    return "x".join(map(str, a.shape))


def main(argv=None) -> float:
    """Draw the matrices, and return the largest difference of the ops from the products."""
    parser = argparse.ArgumentParser(description="convolution and transposed convolution as matrices")
    parser.add_argument("--size", type=int, default=4, help="the image's side")
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--padding", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("transposed_convolution.png"), help="the picture's file")
    args = parser.parse_args(argv)

    rng = np.random.default_rng(args.seed)
    x, kernel = (rng.standard_normal((n, n)).astype(np.float32) for n in (args.size, 3))
    y, back = both_ways(x, kernel, args.stride, args.padding)
    matrix = matrix_of(kernel, *x.shape, stride=args.stride, padding=args.padding)
    there, home = np.abs(matrix @ x.ravel() - y.ravel()).max(), np.abs(matrix.T @ y.ravel() - back.ravel()).max()
    print(f"matrix {_size(matrix)}: {(matrix == 0).mean():.0%} of its entries are 0")
    print(f"matrix times x differs from ops.conv2d by {there:.0e}")
    print(f"its transpose times y differs from ops.conv_transpose2d by {home:.0e}")
    print(pictures.save(draw(x, kernel, args.stride, args.padding), args.out))
    return float(max(there, home))


if __name__ == "__main__":
    main()
