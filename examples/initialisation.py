"""What the first weights do to a deep network: the activations of ten layers, by initialiser and by activation.

512 rows of standard normal numbers go up through ten layers of 256 units, and a random gradient comes back down. How
much wider or narrower the numbers are after ten layers, as the root mean square of the last layer by the first one's,
and of the first layer's gradient by the last one's; seed 0:

               normal 0.01       normal 0.1        Glorot            He                orthogonal
    tanh       6.7e-08, 6.8e-08  0.84, 1.9         0.36, 0.39        0.77, 1.3         0.36, 0.39
    sigmoid    1, 2.6e-13        0.92, 7.6e-05     0.94, 2.2e-06     0.92, 3.2e-05     0.95, 2.2e-06
    ReLU       3.3e-09, 3.2e-09  3.3, 3.2          0.047, 0.047      1.1, 1.1          0.054, 0.048

Small weights leave nothing, large ones drive tanh into its ends; Glorot and Bengio's (2010) keep tanh's numbers alive,
He et al.'s (2015) ReLU's, which loses 50 % of its inputs a layer. The sigmoid's numbers stay, its gradient is lost by
a quarter a layer whatever the weights. The picture needs matplotlib. Takes 3 s on one CPU core.

    python examples/initialisation.py [--seed 0] [--out initialisation.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import gpunn
from gpunn import nn, ops, pictures
from gpunn.nn import init

DEPTH, WIDTH, ROWS = 10, 256, 512
INITIALISERS: dict[str, Callable] = {
    "normal 0.01": lambda w: init.normal_(w, 0.0, 0.01),
    "normal 0.1": lambda w: init.normal_(w, 0.0, 0.1),
    "Glorot": init.xavier_normal_,
    "He": lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
    "orthogonal": init.orthogonal_,
}
RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "ReLU": (0.0, 3.0)}  # of the histograms
ACTIVATIONS: dict[str, Callable] = {"tanh": ops.tanh, "sigmoid": ops.sigmoid, "ReLU": ops.relu}


def layers(initialise: Callable, activation: Callable, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What each layer gives, (ROWS, WIDTH) each, and the gradients by that of a random one by the last."""
    gpunn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    h = gpunn.tensor(rng.standard_normal((ROWS, WIDTH)), dtype=gpunn.float32)
    given = []
    for _ in range(DEPTH):
        layer = nn.Linear(WIDTH, WIDTH, bias=False)
        initialise(layer.weight)
        h = activation(layer(h))
        h.retain_grad()
        given.append(h)
    h.backward(gpunn.tensor(rng.standard_normal((ROWS, WIDTH)), dtype=gpunn.float32))
    return [h.detach().numpy() for h in given], [h.grad.numpy() for h in given]


def size(values: np.ndarray) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def kept(found: tuple[list[np.ndarray], list[np.ndarray]]) -> tuple[float, float]:
    """Size of the last layer's activations by the first one's, and of the first one's gradient by the last one's."""
    up, down = found
    return size(up[-1]) / size(up[0]), size(down[0]) / size(down[-1])


def drawn(seed: int = 0):
    """A histogram of each layer's activations, the first layer darkest, by initialiser (column) and activation.

    Each is scaled to one height. ReLU's zeros, half of its numbers, are left out.
    """
    from matplotlib import colormaps

    figure = pictures.new_figure(12.5, 7.2)
    grid = figure.subplots(len(ACTIVATIONS), len(INITIALISERS))
    for row, (name, activation) in zip(grid, ACTIVATIONS.items(), strict=True):
        for axes, (start, initialise) in zip(row, INITIALISERS.items(), strict=True):
            found = layers(initialise, activation, seed)
            for i, values in enumerate(found[0]):
                _histogram(axes, values, RANGES[name], i, colormaps["viridis"](i / DEPTH))
            up, down = kept(found)
            axes.set_title(f"{start}\nkept: {up:.1g} up, {down:.1g} down", fontsize=9)
            axes.set_yticks([])
        row[0].set_ylabel(f"{name}\nlayer 1 (bottom) to {DEPTH}")
    return figure


def _histogram(axes, values: np.ndarray, ends: tuple[float, float], i: int, colour) -> None:
    """The histogram of layer i, behind and above that of the layer before."""
    counts, edges = np.histogram(values[values != 0], 61, ends)
    heights = i * 0.6 + counts / max(1, counts.max())
    axes.fill_between((edges[1:] + edges[:-1]) / 2, i * 0.6, heights, color=colour, zorder=DEPTH - i, linewidth=0)
    axes.plot((edges[1:] + edges[:-1]) / 2, heights, color="white", linewidth=0.6, zorder=DEPTH - i)


def main(argv=None) -> dict[tuple[str, str], tuple[float, float]]:
    """Print the table, write the picture, and return what is kept by activation and initialiser."""
    parser = argparse.ArgumentParser(description="activations by layer, initialiser and activation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="initialisation.png", help="picture (default initialisation.png)")
    args = parser.parse_args(argv)
    found = {}
    print("           " + "".join(f"{start:18}" for start in INITIALISERS))
    for name, activation in ACTIVATIONS.items():
        for start, initialise in INITIALISERS.items():
            found[name, start] = kept(layers(initialise, activation, args.seed))
        cells = [f"{up:.2g}, {down:.2g}" for (one, _), (up, down) in found.items() if one == name]
        print(f"{name:11}" + "".join(f"{cell:18}" for cell in cells))
    print(f"picture: {pictures.save(drawn(args.seed), args.out)}")
    return found


if __name__ == "__main__":
    main()
