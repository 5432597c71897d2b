"""Six ways to descend, on one picture: one step length for all weights, or one for each that adapts.

SGD and momentum have one rate. RMSprop and Adam divide by the size of each weight's gradients. Rprop and
delta-bar-delta keep a step for each weight, which grows while the gradient's sign stays and shrinks where it turns. All
take the best of seven rates on each surface. The loss after 100 steps, from 53, 52, 11 and 3.8; nothing is drawn at
random, so that seeds 0 to 4 and all others give the same:

                     SGD     momentum  RMSprop  Adam    Rprop   delta-bar-delta
    valley           0.018   0.0013    7e-5     0.0008  4e-12   2e-17
    valley, turned   0.018   0.0013    0.04     0.0008  1e-5    6e-5
    bent valley      2.8     0.0003    0.5      0.0008  0.016   0.09
    a network        1e-4    0.002     0.003    1e-4    3e-13   3e-10

A step for each weight pays where the valley lies along a weight. Turned by 45 degrees it is no other valley to SGD and
momentum, but Rprop ends with loss 0.00001 in place of 4e-12. A run takes 5 s on one CPU core; the picture needs
matplotlib.

    python examples/descent_paths.py [--steps 100] [--out descent_paths.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import gpunn
from gpunn import nn, ops, optim, pictures


class DeltaBarDelta(optim.Optimizer):
    """Delta-bar-delta (Jacobs 1988): a rate for each weight, p -= rate g.

    The rate grows by `kappa` where the gradient has the sign of `bar`, a mean of those before, and loses its share
    `phi` where it has the other; then bar = (1 - theta) g + theta bar. Growing by a sum and shrinking by a factor, no
    rate becomes negative, or huge at once. For gradients of whole batches, as Rprop: signs of small ones are noise.
    """

    arrays = ("rate", "bar")

    def __init__(self, params, lr=0.01, kappa=0.001, phi=0.3, theta=0.7):
        super().__init__(params, {"lr": lr, "kappa": kappa, "phi": phi, "theta": theta})

    def update(self, param, grad, state, group):
        if not state:
            state["rate"], state["bar"] = np.full_like(param, group["lr"]), np.zeros_like(param)
        rate, bar = state["rate"], state["bar"]
        agreement = grad * bar
        rate += group["kappa"] * (agreement > 0) - group["phi"] * rate * (agreement < 0)
        bar += (1 - group["theta"]) * (grad - bar)
        param -= rate * grad


METHODS: dict[str, Callable[[list[nn.Parameter], float], optim.Optimizer]] = {
    "SGD": lambda params, lr: optim.SGD(params, lr=lr),
    "momentum": lambda params, lr: optim.SGD(params, lr=lr, momentum=0.9),
    "RMSprop": lambda params, lr: optim.RMSprop(params, lr=lr, alpha=0.9),
    "Adam": lambda params, lr: optim.Adam(params, lr=lr),
    "Rprop": lambda params, lr: optim.Rprop(params, lr=lr),
    "delta-bar-delta": lambda params, lr: DeltaBarDelta(params, lr=lr, kappa=lr / 10),
}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


class Surface(NamedTuple):
    """A loss of two weights, Tensors or arrays alike; where paths begin, its lowest place, and what is drawn of it."""

    loss: Callable
    start: tuple[float, float]
    lowest: tuple[float, float]
    window: tuple[tuple[float, float], tuple[float, float]]


def valley(a, b):
    """40 times steeper across, along b, than along a."""
    return (a * a + 40 * b * b) / 2


def turned_valley(a, b):
    """The valley turned by 45 degrees: each weight's slope tells of both directions."""
    return valley((a + b) * 0.5**0.5, (b - a) * 0.5**0.5)


def bent_valley(a, b):
    """Rosenbrock's, along the parabola b = a^2, with 10 in place of his 100; its floor falls to (1, 1)."""
    return (1 - a) ** 2 + 10 * (b - a * a) ** 2


X = np.linspace(-2, 2, 41)
TARGET = 1.5 * np.tanh(3 * X)


def network(a, b):
    """The mean squared error of a network of two weights, b tanh(a x), on 41 points of 1.5 tanh(3 x)."""
    if isinstance(a, gpunn.Tensor):
        return ops.mse_loss(b * ops.tanh(a * gpunn.tensor(X)), TARGET)
    return ((b[..., None] * np.tanh(a[..., None] * X) - TARGET) ** 2).mean(-1)


SURFACES = {
    "a valley along a weight": Surface(valley, (-4.0, 1.5), (0, 0), ((-4.5, 2), (-2.5, 2.5))),
    "the valley turned": Surface(turned_valley, (-3.9, -1.8), (0, 0), ((-4.5, 1.5), (-4, 1.5))),
    "a bent valley": Surface(bent_valley, (-1.2, 2.2), (1, 1), ((-1.8, 1.8), (-1, 2.8))),
    "a network, b tanh(a x)": Surface(network, (-0.5, 1.2), (3, 1.5), ((-1.2, 4), (-1, 3.2))),
}


def descend(surface: Surface, method: str, lr: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights at first and after each step (steps + 1, 2), and the loss at each of these places."""
    weights = nn.Parameter(np.array(surface.start))
    optimizer = METHODS[method]([weights], lr)
    places, losses = [], []
    for _ in range(steps + 1):
        loss = surface.loss(weights[0], weights[1])
        places.append(weights.detach().numpy().copy())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.array(places), np.array(losses)


def best(surface: Surface, method: str, steps: int) -> tuple[float, np.ndarray, np.ndarray]:
    """The rate that ends lowest, by the last 10 losses, and is never above twice the start; its path and losses."""
    with np.errstate(all="ignore"):  # with too large a rate they grow beyond all numbers
        paths = [(lr, *descend(surface, method, lr, steps)) for lr in RATES]
    steady = [path for path in paths if path[2].max() <= 2 * path[2][0]]  # not where one is NaN
    return min(steady, key=lambda path: path[2][-10:].mean())


def main(argv=None) -> dict[str, dict[str, float]]:
    """Descend everywhere, write the picture, and return each method's last loss on each surface."""
    parser = argparse.ArgumentParser(description="paths of optimisers over loss surfaces")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", default="descent_paths.png", help="the picture's file")
    args = parser.parse_args(argv)

    paths = {}
    for name, surface in SURFACES.items():
        paths[name] = {method: best(surface, method, args.steps) for method in METHODS}
        print(f"{name}, loss {paths[name]['SGD'][2][0]:.1f}, after {args.steps} steps:")
        for method, (lr, _, losses) in paths[name].items():
            print(f"    {method:15} {losses[-1]:.1e} at rate {lr:g}")
    print(pictures.save(drawn(paths), args.out))
    return {name: {method: float(path[2][-1]) for method, path in every.items()} for name, every in paths.items()}


def drawn(paths):
    """Above the paths on each surface, below their losses."""
    figure = pictures.new_figure(16, 7.6)
    above, below = figure.subplots(2, len(paths), height_ratios=(3, 2))
    for axes, under, (name, every) in zip(above, below, paths.items(), strict=True):
        contours(axes, SURFACES[name])
        for i, (method, (lr, places, losses)) in enumerate(every.items()):
            wide = 2.5 if i == 0 else 1  # the first one shows below the others
            axes.plot(*places.T, ".-", color=f"C{i}", markersize=3, linewidth=wide, label=method)
            under.semilogy(np.maximum(losses, 1e-12), color=f"C{i}", label=f"{lr:g}")
        axes.set_title(name)
        under.legend(title="rate", fontsize=8, title_fontsize=8, ncols=2)
        under.set(xlabel="step")
    below[0].set_ylabel("loss")
    figure.legend(*above[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(METHODS))
    return figure


def contours(axes, surface: Surface) -> None:
    """The surface in grey, the darker the lower, with equal ratios between its heights; a star at its lowest place."""
    a, b = np.meshgrid(*(np.linspace(*ends, 150) for ends in surface.window))
    axes.contourf(a, b, np.log10(surface.loss(a, b) + 1e-3), 20, cmap="Greys_r")
    axes.plot(*surface.start, "ko")
    axes.plot(*surface.lowest, "w*", markersize=12, markeredgecolor="black", zorder=3)
    axes.set(xlim=surface.window[0], ylim=surface.window[1], xlabel="a", ylabel="b")


if __name__ == "__main__":
    main()
