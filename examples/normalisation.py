"""Which numbers batch, layer, instance and group norm take together: cubes of samples, channels and positions.

A cube is an array (samples, channels, positions). Each colour is one set of numbers that share a mean and a variance;
after Wu and He (2018), "Group Normalization", figure 2. The sets are not drawn by heart: y is normalised x, and two
places of x belong together where the one's y answers to the other's x, which backward tells. Of the cube's 36 numbers
batch norm takes 25 % together, layer norm 33 %, instance norm 8 %, group norm 17 %, whatever the numbers are (seed 0).
The picture needs matplotlib. Takes 1 s on one CPU core.

    python examples/normalisation.py [--out normalisation.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import gpunn
from gpunn import ops, pictures

SHAPE = N, C, H = (3, 4, 3)  # samples, channels, positions
NORMS: dict[str, Callable] = {
    "batch norm": lambda x: ops.batch_norm(x, None, None, training=True),
    "layer norm": lambda x: ops.layer_norm(x, (C, H)),
    "instance norm": lambda x: ops.group_norm(x, C),
    "group norm, 2 groups": lambda x: ops.group_norm(x, 2),
}


def sets(norm: Callable) -> np.ndarray:
    """The number of the set that each place of an array of SHAPE belongs to, from 0."""
    start = np.random.default_rng(0).standard_normal(SHAPE)
    numbers = np.full(SHAPE, -1)
    for place in np.ndindex(*SHAPE):
        if numbers[place] >= 0:
            continue
        x = gpunn.tensor(start, requires_grad=True)
        norm(x)[place].backward()
        assert x.grad is not None
        numbers[np.abs(x.grad.numpy()) > 1e-12] = numbers.max() + 1
    return numbers


def drawn():
    """A cube for each norm, a colour for each of its sets."""
    from matplotlib import colormaps

    figure = pictures.new_figure(12, 3.9)
    for column, (name, norm) in enumerate(NORMS.items(), 1):
        axes = figure.add_subplot(1, len(NORMS), column, projection="3d")
        numbers = sets(norm)
        colours = colormaps["tab20" if numbers.max() > 9 else "tab10"](numbers)
        axes.voxels(np.ones(SHAPE, bool), facecolors=colours, edgecolor="white", linewidth=0.8, shade=False)
        count = numbers.max() + 1
        axes.set_title(f"{name}\n{count} sets of {numbers.size // count}", fontsize=10)
        axes.set(xticks=[], yticks=[], zticks=[], box_aspect=SHAPE)
        for label, which in (("samples", "x"), ("channels", "y"), ("positions", "z")):
            getattr(axes, f"set_{which}label")(label, labelpad=-12)
        axes.view_init(22, -52)
    return figure


def main(argv=None) -> dict[str, np.ndarray]:
    """Write the picture; returns the sets by the norm's name."""
    parser = argparse.ArgumentParser(description="what the norms take together")
    parser.add_argument("--out", default="normalisation.png", help="picture (default normalisation.png)")
    args = parser.parse_args(argv)
    found = {name: sets(norm) for name, norm in NORMS.items()}
    for name, numbers in found.items():
        print(f"{name:22}{numbers.max() + 1:3} sets of {numbers.size // (numbers.max() + 1)} numbers")
    print(f"picture: {pictures.save(drawn(), args.out)}")
    return found


if __name__ == "__main__":
    main()
