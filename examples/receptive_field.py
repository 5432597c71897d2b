"""What one unit of each layer sees of the image: the field that the windows allow, and where its gradient really is.

Two pictures. fields.png: LeNet-5 and ResNet-20 with new weights, for the unit in the middle of each layer the
theoretical field as a rectangle, and over the image the root mean square of the unit's gradient on noise, the effective
field (Luo et al. 2016, "Understanding the effective receptive field in deep convolutional neural networks"). depth.png:
in a stack of n 3x3 convolutions the one grows as n, 2 n + 1, the other as its root, a standard deviation of
sqrt(2 n / 3). Seeds 0, 1, 2: the last convolution of ResNet-20 may see 81x81 pixels, and 90 % of its squared
gradient lie in 29x29. 3 s on one CPU core. The pictures need matplotlib.

    python examples/receptive_field.py [--samples 8] [--seed 0] [--out receptive_field]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import gpunn
from gpunn import Tensor, data, models, nn, pictures
from gpunn.nn.overview import rows


class Seen(NamedTuple):
    """A layer's theoretical field: unit (p, q) reads rows start + p step to start + p step + size - 1, so columns."""

    layer: str
    units: tuple[int, ...]
    start: tuple[float, ...]
    size: tuple[float, ...]
    step: tuple[float, ...]

    def box(self) -> tuple[float, ...]:
        """First row and column, and number of rows and columns, of the unit in the middle."""
        first = [a + n // 2 * s for a, n, s in zip(self.start, self.units, self.step, strict=True)]
        return (*first, *self.size)


def fields(model: nn.Module, x_shape: tuple[int, ...]) -> list[Seen]:
    """The field of each convolution and pooling on the longest way through the network, in order.

    Sizes and steps are nn.summary's; a field starts its layer's padding before the one before. ValueError where another
    branch than the one followed sees more, and where maps are enlarged: the rectangle would be wrong.
    """
    layers, found = dict(model.named_modules()), []
    start, size, step = (0, 0), (1, 1), (1, 1)
    for row in rows(model, (1, *x_shape[1:]))[0]:
        layer = layers[row.name]
        reach = layer.reach(row.output, row.output)
        if row.field is None or reach is None or not hasattr(layer, "padding"):
            continue
        seen = tuple((n - m) / s + 1 for n, m, s in zip(row.field.size, size, step, strict=True))
        if min(seen) < 1:  # a shortcut, which sees less
            continue
        if not row.field.sure or seen != reach[0] or row.field.step < step:
            raise ValueError(f"fields: {row.name} joins branches, or enlarges its maps; take a network in one line")
        padding = layer.padding
        if isinstance(padding, str):
            padding = tuple((k - 1) // 2 for k in reach[0]) if padding == "same" else (0, 0)
        start = tuple(a - p * s for a, p, s in zip(start, padding, step, strict=True))
        size, step = row.field.size, row.field.step
        found.append(Seen(row.name, row.output[2:], start, size, step))
    return found


def effective(model: nn.Module, layer: str, x_shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """(H, W): the root mean square, over noise and channels, of the gradient of `layer`'s middle unit by the input."""
    rng, kept = np.random.default_rng(seed), []
    x = Tensor(rng.standard_normal(x_shape).astype(np.float32), requires_grad=True)
    remove = model.get_submodule(layer).register_forward_hook(lambda module, args, y: kept.append(y))
    try:
        model.eval()(x)
    finally:
        remove()
    (y,) = kept
    gy = np.zeros(y.shape, np.float32)
    gy[:, :, y.shape[2] // 2, y.shape[3] // 2] = rng.standard_normal(y.shape[:2])
    (gx,) = gpunn.autograd.grad(y, x, Tensor(gy))
    return np.sqrt((gx.numpy().astype(np.float64) ** 2).mean(axis=(0, 1)))


def side_of(field: np.ndarray, share: float = 0.9) -> int:
    """The side of the smallest square, wherever it lies, that holds this share of the field's squares."""
    sums = np.pad((field**2 / (field**2).sum()).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    for n in range(1, min(field.shape)):
        inside = sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]
        if inside.max() >= share:
            return n
    return min(field.shape)


def stack(depth: int, channels: int = 8) -> nn.Sequential:
    """3x3 convolutions with ReLU between, He's normal weights."""
    layers: list[nn.Module] = []
    for i in range(depth):
        conv = nn.Conv2d(channels if i else 1, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        layers += [nn.ReLU(), conv] if i else [conv]
    return nn.Sequential(*layers)


def spread(field: np.ndarray) -> float:
    """The standard deviation of where the squared gradient lies, along the rows."""
    power = (field**2).sum(axis=1) / (field**2).sum()
    at = np.arange(len(power))
    return float(np.sqrt((power * (at - (power * at).sum()) ** 2).sum()))


def draw_fields(cases: list[tuple[str, nn.Module, np.ndarray, list[str]]], samples: int, seed: int):
    """A row of panels for each (name, network, image (H, W) from 0 to 1, layers)."""
    figure = pictures.new_figure(9.6, 2.7 * len(cases))
    panels = figure.subplots(len(cases), max(len(layers) for *_, layers in cases), squeeze=False)
    for line, (name, model, image, layers) in zip(panels, cases, strict=True):
        shape = (samples, next(model.parameters()).shape[1], *image.shape)
        known = {seen.layer: seen for seen in fields(model, shape)}
        for axes, layer in zip(line, layers, strict=True):
            seen, field = known[layer], effective(model, layer, shape, seed)
            draw_field(axes, image, seen, field)
            size, n = f"{seen.size[0]:g}x{seen.size[1]:g}", side_of(field)
            axes.set_title(f"{name} {layer}:\n{size}, 90 % in {n}x{n}", fontsize=9)
            print(f"{name} {layer}: may see {size}, 90% of the squared gradient in {n}x{n}")
    return figure


def draw_field(axes, image: np.ndarray, seen: Seen, field: np.ndarray) -> None:
    """The image, the effective field glowing over it, and the theoretical one as a rectangle."""
    from matplotlib.patches import Rectangle

    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    glow = field / field.max()
    axes.imshow(np.dstack([np.ones_like(glow), 0.75 * glow, 0 * glow, 0.9 * glow]), interpolation="nearest")
    top, left, height, width = seen.box()
    axes.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, color="tab:red", linewidth=1.8))
    axes.set_xlim(min(left, 0) - 1, max(left + width, image.shape[1]))
    axes.set_ylim(max(top + height, image.shape[0]), min(top, 0) - 1)
    axes.set_axis_off()


def measure_depth(depths: tuple[int, ...], samples: int, seed: int) -> list[float]:
    """The effective field's standard deviation in a stack of each depth, on an image that the field fits into."""
    gpunn.manual_seed(seed)
    found = []
    for depth in depths:
        model, side = stack(depth), 2 * depth + 1
        found.append(spread(effective(model, str(len(model) - 1), (samples, 1, side, side), seed)))
    return found


def draw_depth(depths: tuple[int, ...], measured: list[float]):
    """How both fields grow: twice the standard deviation either way holds 95 % of a bell curve."""
    figure = pictures.new_figure(6.4, 3.4)
    axes, n = figure.subplots(), np.arange(1, max(depths) + 1)
    axes.plot(n, 2 * n + 1, color="tab:red", label="theoretical field, $2n + 1$")
    axes.plot(n, 4 * np.sqrt(2 * n / 3), color="tab:blue", label="effective, $4\\sqrt{2n/3}$")
    axes.plot(depths, [4 * s for s in measured], "o", color="tab:blue", label="measured, 4 standard deviations")
    axes.set_xlabel("n, 3x3 convolutions")
    axes.set_ylabel("pixels of the input")
    axes.legend()
    return figure


def main(argv=None) -> list[Path]:
    """Draw both pictures; returns their files."""
    parser = argparse.ArgumentParser(description="theoretical and effective receptive fields")
    parser.add_argument("--samples", type=int, default=8, help="images of noise over which gradients are averaged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("receptive_field"), help="the folder for the pictures")
    args = parser.parse_args(argv)
    if args.samples < 1:
        parser.error(f"--samples is {args.samples}, expected at least 1 image of noise")

    gpunn.manual_seed(args.seed)
    digit = data.load_digits(100, 1).train_images[2] / 255
    large = np.kron(digit, np.ones((4, 4)))[4:108, 4:108]
    cases = [
        ("LeNet-5", models.lenet5(), digit, ["conv1", "pool1", "conv2", "pool2"]),
        ("ResNet-20", models.resnet20(), large, ["conv1", "layer1.2.conv2", "layer2.2.conv2", "layer3.2.conv2"]),
    ]
    depths = (1, 2, 4, 8, 16, 24)
    args.out.mkdir(parents=True, exist_ok=True)
    files = [pictures.save(draw_fields(cases, args.samples, args.seed), args.out / "fields.png")]
    measured = measure_depth(depths, 2 * args.samples, args.seed)
    files.append(pictures.save(draw_depth(depths, measured), args.out / "depth.png"))
    print(*files, sep="\n")
    return files


if __name__ == "__main__":
    main()
