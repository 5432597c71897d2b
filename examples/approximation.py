"""One hidden layer approximates any curve: n sigmoids trained, and n built by hand as bumps, for n = 1, 2, 4, ..., 256.

The curve is a wave that quickens, with a kink. Root mean square errors as shares of its own, 0.48; seeds 0 to 4:

    n           1        4            16             64               256
    trained     64 %     31 to 39 %   0.7 to 2.2 %   0.16 to 0.27 %   0.15 to 0.19 %
    by hand    108 %    108 %         56 %           17 %             4.1 %

By hand it falls as 1 / n. A run takes 5 s on one CPU core, with its picture, which needs matplotlib.

    python examples/approximation.py [--seed 0] [--iterations 1000] [--out approximation.png]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import gpunn
from gpunn import nn, ops, optim, pictures

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
STEEP = 50.0  # a sigmoid built by hand rises from 0.1 to 0.9 within 4.4 / STEEP of a bump's width


def curve(x: np.ndarray) -> np.ndarray:
    """A wave that quickens, and a kink at 0.3, on [0, 1]."""
    return 0.5 * np.sin(25 * x**2) + np.abs(x - 0.3)


def network(n: int) -> nn.Sequential:
    """x -> sum of v sigmoid(w x + b) over n hidden units, plus a constant; in float64."""
    return nn.Sequential(nn.Linear(1, n), nn.Sigmoid(), nn.Linear(n, 1)).double()


def trained(n: int, x: np.ndarray, y: np.ndarray, iterations: int = 1000, seed: int = 0) -> nn.Sequential:
    """The network fitted to points (N, 1) by L-BFGS, which takes its steps by an estimate of the curvature.

    The sigmoids start with their middles spread evenly over [0, 1], each rising or falling over a part of it, the
    smaller the more they are; the default start, all of them nearly straight lines, would need far more steps.
    """
    gpunn.manual_seed(seed)
    model = network(n)
    slopes = 4 * max(n, 3) ** 0.75 * np.random.default_rng(seed).choice([-1, 1], n)
    middles = (np.arange(n) + 0.5) / n
    hidden = model[0].state_dict()
    model[0].load_state_dict({**hidden, "weight": slopes[:, None], "bias": -slopes * middles})
    optimizer = optim.LBFGS(
        model.parameters(), max_iter=iterations, history_size=20, tolerance_grad=1e-9, tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = ops.mse_loss(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


def built(n: int, height=curve) -> nn.Sequential:
    """The network without any training: n / 2 bumps side by side on [0, 1], each as high as the curve in its middle.

    A bump is a steep sigmoid that rises at its left end, less one that rises at its right: v (s(k (x - a)) - s(k (x -
    b))): hidden weights k, biases -k a and -k b, and outer weights v and -v. A lone sigmoid is one step between two
    heights. But for the slopes between bumps an error is at most half a bump's width times the curve's slope, so that
    it falls as 1 / n for any curve that has one.
    """
    model = network(n)
    if n == 1:
        left, right = height(np.array([0.25, 0.75]))
        ends, outer, constant = np.array([0.5]), np.array([right - left]), left
    else:
        edges = np.linspace(0, 1, n // 2 + 1)
        heights = height((edges[:-1] + edges[1:]) / 2)
        edges[[0, -1]] += [-1, 1]  # the curve's own ends lie inside their bumps, not on a slope
        ends, outer, constant = np.concatenate([edges[:-1], edges[1:]]), np.concatenate([heights, -heights]), 0.0
    steep = np.full(n, STEEP * max(1, n / 2))
    weights = {"0.weight": steep[:, None], "0.bias": -steep * ends, "2.weight": outer[None], "2.bias": [constant]}
    model.load_state_dict({name: np.asarray(value) for name, value in weights.items()})
    return model


def values(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """What the network makes of points (N, 1)."""
    with gpunn.no_grad():
        return gpunn.to_numpy(model(x))


def main(argv=None) -> dict[str, list[float]]:
    """Fit and build all sizes, write the picture, and return the root mean square errors."""
    parser = argparse.ArgumentParser(description="universal approximation by one hidden layer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=1000, help="of L-BFGS")
    parser.add_argument("--out", default="approximation.png", help="the picture's file")
    args = parser.parse_args(argv)

    x = np.linspace(0, 1, 512)[:, None]
    y = curve(x)
    fits = {
        "trained": [values(trained(n, x[::2], y[::2], args.iterations, args.seed), x) for n in SIZES],
        "by hand": [values(built(n), x) for n in SIZES],
    }
    errors = {name: [float(np.sqrt(((fit - y) ** 2).mean())) for fit in every] for name, every in fits.items()}
    print("sigmoids", *(f"{n:9d}" for n in SIZES))
    for name, row in errors.items():
        print(f"{name:8}", *(f"{error:9.5f}" for error in row))
    print(pictures.save(drawn(x, y, fits, errors), args.out))
    return errors


def drawn(x, y, fits, errors):
    """The curve and both networks for every size, and how the errors fall."""
    figure = pictures.new_figure(13, 7)
    halves: Any = figure.subfigures(1, 2, width_ratios=(2, 1))  # an array, other than its annotation says
    left, right = halves
    panels = left.subplots(3, 3, sharex=True, sharey=True)
    for i, (axes, n) in enumerate(zip(panels.flat, SIZES, strict=True)):
        axes.plot(x, y, color="0.75", linewidth=4, label="the curve")
        for name, style in (("by hand", {"color": "C1", "linewidth": 1}), ("trained", {"color": "C0"})):
            axes.plot(x, fits[name][i], label=name, **style)
        axes.set(title=f"{n} sigmoid{'s' * (n > 1)}", ylim=(-0.6, 1.4))
    left.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    axes = right.subplots()
    for name, colour in (("by hand", "C1"), ("trained", "C0")):
        axes.loglog(SIZES, errors[name], "o-", color=colour, label=name)
    axes.loglog(SIZES, 2 / np.array(SIZES), "--", color="0.6", label="slope of 1 / n")
    axes.set(xlabel="sigmoids n", title="root mean square error")
    axes.set_xticks(SIZES, map(str, SIZES))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
