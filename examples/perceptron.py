"""Rosenblatt's perceptron: its rule converges where a line separates, cycles on exclusive or; a logistic neuron beside.

On separable points the mistakes stay below Novikoff's bound (R / gamma)^2, R the longest input and gamma the widest
margin of any line: seeds 0 to 4, 60 points a class, 2 to 43 mistakes until none is left, bounds 425 to 656. On
exclusive or the weights come back after each epoch of 4 mistakes, for ever. Where classes overlap, seeds 0 to 4, the
perceptron's line jumps between 83 and 97 % right until it is stopped; the neuron settles at 89 to 96 %. A run takes
1.3 s on one CPU core, with its picture, which needs matplotlib.

    python examples/perceptron.py [--seed 0] [--points 60] [--epochs 100] [--out perceptron.png]
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np

import gpunn
from gpunn import nn, ops, optim, pictures

XOR = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]), np.array([-1, 1, 1, -1])


def with_one(x: np.ndarray) -> np.ndarray:
    """Points (N, 2) with a third coordinate 1, whose weight is the bias."""
    return np.column_stack([x, np.ones(len(x), x.dtype)])


def separable(points: int, margin: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a square, as many on either side of a line drawn at random, none nearer to it than the margin."""
    rng = np.random.default_rng(seed)
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    x = rng.uniform(-1, 1, (100 * points, 2))
    height = x @ [np.cos(angle), np.sin(angle)] + offset
    above, below = x[height > margin][:points], x[height < -margin][:points]
    if min(len(above), len(below)) < points:
        raise ValueError(f"separable: margin {margin} leaves fewer than {points} points a class; take a smaller one")
    x, y = np.concatenate([above, below]), np.repeat([1, -1], [len(above), len(below)])
    order = rng.permutation(len(x))
    return x[order], y[order]


def overlapping(points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two round clouds of one spread, whose means are 2.6 spreads apart: no line separates them."""
    rng = np.random.default_rng(seed)
    y = np.tile([1, -1], points)
    return rng.normal(size=(2 * points, 2)) + 0.92 * y[:, None], y


def train(x, y, epochs=100, start=(0, 0, 0)) -> tuple[list[np.ndarray], list[int]]:
    """The rule w += y x for each point with y w.x <= 0: the weights at first and after each mistake; mistakes an epoch.

    Ends with the first epoch without a mistake, or when the weights at its end are those of an earlier one: from equal
    weights the same epochs follow, so that they cycle for ever.
    """
    inputs, w = with_one(x), np.array(start, np.result_type(x, np.asarray(start)))
    weights, mistakes, met = [w], [], {tuple(w)}
    for _ in range(epochs):
        before = len(weights)
        for point, label in zip(inputs, y, strict=True):
            if label * (w @ point) <= 0:
                w = w + label * point
                weights.append(w)
        mistakes.append(len(weights) - before)
        if tuple(w) in met:
            break
        met.add(tuple(w))
    return weights, mistakes


def cycle_of(weights: list[np.ndarray], mistakes: list[int]) -> list[np.ndarray]:
    """The weights of the last epochs from one meeting of the same weights to the next; [] where they do not cycle."""
    ends = [weights[i] for i in np.cumsum([0, *mistakes])]
    first = next(i for i, w in enumerate(ends) if (w == ends[-1]).all())
    return weights[sum(mistakes[:first]) :] if mistakes[-1] and first < len(mistakes) else []


def widest_margin(x, y, most=100_000) -> tuple[np.ndarray, float, float]:
    """The unit direction u of the largest gamma = min y u.x; that gamma, and a bound that no direction exceeds.

    The largest gamma is the distance of the convex hull of the y x from 0, and u points at its nearest point, which
    Mitchell, Demyanov and Malozemov (1974) find by moving weight from the point farthest along it to the nearest one.
    """
    z = y[:, None] * with_one(x)
    share = np.zeros(len(z))
    share[0] = 1
    for _ in range(most):
        along = z @ (share @ z)
        low, high = along.argmin(), np.where(share > 0, along, -np.inf).argmax()
        step, gap = z[low] - z[high], along[high] - along[low]
        if gap <= 1e-12:
            break
        moved = min(share[high], gap / (step @ step))
        share[low] += moved
        share[high] -= moved
    nearest = share @ z
    length = float(np.linalg.norm(nearest))
    u = nearest / (length or 1)
    return u, float((z @ u).min()), length


def bound(x, y) -> float:
    """(R / gamma)^2: no order of the points leads to more mistakes from weights 0 (Novikoff 1962)."""
    _, gamma, _ = widest_margin(x, y)
    if gamma <= 0:
        raise ValueError("bound: the points are not separable; there is no bound")
    return float((with_one(x) ** 2).sum(1).max()) / gamma**2


def logistic_neuron(x, y, epochs=100) -> tuple[nn.Linear, list[float]]:
    """sigmoid(w.x + b), trained by cross-entropy on all points at once; and the share right after each epoch.

    The gradient of the cross-entropy by w.x + b is sigmoid(w.x + b) - label: every point moves the line, the more the
    worse it lies, where the perceptron's moves it whole or not at all.
    """
    gpunn.manual_seed(0)
    neuron, right = nn.Linear(2, 1), []
    optimizer = optim.SGD(neuron.parameters(), lr=1.0)
    points, labels = x.astype(np.float32), (y > 0).astype(np.float32)[:, None]
    for _ in range(epochs):
        loss = ops.binary_cross_entropy_with_logits(neuron(points), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with gpunn.no_grad():
            right.append(float(((gpunn.to_numpy(neuron(points)) > 0) == labels).mean()))
    return neuron, right


def shares_right(x, y, weights, mistakes) -> list[float]:
    """The share of points on their side of the line, after each epoch."""
    return [float((y * (with_one(x) @ weights[i]) > 0).mean()) for i in np.cumsum(mistakes)]


def main(argv=None) -> dict[str, float]:
    """Train all, write the picture, and return the figures that were printed."""
    parser = argparse.ArgumentParser(description="perceptron and logistic neuron")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", type=int, default=60, help="points of each class")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", default="perceptron.png", help="the picture's file")
    args = parser.parse_args(argv)
    if min(args.points, args.epochs) < 1:
        parser.error(f"--points {args.points} --epochs {args.epochs}: expected 1 at least of both")

    apart, mixed = separable(args.points, 0.06, args.seed), overlapping(args.points, args.seed)
    line, found = train(*apart, 10 * args.epochs), {"bound": bound(*apart)}
    found |= {"mistakes": sum(line[1]), "left": line[1][-1]}
    print(f"separable: {found['mistakes']} mistakes in {len(line[1])} epochs, bound {found['bound']:.0f}")
    xor = train(*XOR, args.epochs)
    cycle = cycle_of(*xor)
    print("exclusive or: the weights (w1, w2, bias) cycle:", " -> ".join(str(tuple(map(int, w))) for w in cycle))
    rosenblatt = shares_right(*mixed, *train(*mixed, args.epochs))
    neuron, logistic = logistic_neuron(*mixed, args.epochs)
    found |= {"cycle": len(cycle) - 1, "perceptron": rosenblatt[-1], "logistic": logistic[-1]}
    print(f"overlapping: the perceptron ends with {rosenblatt[-1]:.1%} right, the logistic neuron {logistic[-1]:.1%}")
    print(pictures.save(drawn(apart, line, cycle, mixed, neuron, (rosenblatt, logistic), found["bound"]), args.out))
    return found


def drawn(apart, line, cycle, mixed, neuron, shares, most):
    """Six panels: both lines as they move and what their mistakes are, the cycle, the logistic neuron and its way."""
    figure = pictures.new_figure(12, 7.6)
    (moving, counts, field), (beside, walk, rise) = figure.subplots(2, 3)
    moving_line(moving, apart, line[0])
    moving.set_title("separable: the line after each mistake,\nthe last one black")
    counts.bar(np.arange(1, len(line[1]) + 1), line[1])
    counts.set(xlabel="epoch", title=f"separable: mistakes in each epoch,\n{sum(line[1])} in all; bound {most:.0f}")
    counts.xaxis.get_major_locator().set_params(integer=True)
    moving_line(beside, XOR, cycle)
    beside.set_title("exclusive or: no line is right,\nthese three come back for ever")
    for a, b in pairwise(cycle):
        walk.annotate("", b[1:], a[1:], arrowprops={"arrowstyle": "->", "shrinkA": 24, "shrinkB": 24})
        walk.text(*a[1:], str(tuple(map(int, a))), ha="center", va="center")
    walk.set(xlim=(-0.5, 2.5), ylim=(-1.5, 1.5), xlabel="second weight", ylabel="bias")
    walk.set_title("exclusive or: the cycle of the weights\n(first, second, bias), a mistake each")
    pictures.decision_regions(field, nn.Sequential(neuron, nn.Sigmoid()), mixed[0], mixed[1] > 0)
    field.set_title("overlapping: the logistic neuron's\nprobability of red, 0.5 black")
    for name, share in zip(("perceptron", "logistic neuron"), shares, strict=True):
        rise.plot(np.arange(1, len(share) + 1), 100 * np.array(share), label=name)
    rise.set(title="overlapping: points right after each epoch", xlabel="epoch", ylabel="% of the points")
    rise.legend(loc="lower right")
    return figure


def moving_line(axes, points, weights) -> None:
    """The points, and the line w.x = 0 of each weights w, ever darker, the last one black."""
    from matplotlib import colormaps

    pictures.labelled_points(axes, points[0], points[1] > 0)
    lines = [w for w in weights if w[:2].any()]  # weights 0 have no line
    for i, w in enumerate(lines):
        colour = "black" if i == len(lines) - 1 else colormaps["YlGn"](0.4 + 0.5 * i / len(lines))
        foot = -w[2] * w[:2] / (w[:2] @ w[:2])
        axes.axline(foot, foot + np.array([w[1], -w[0]]), color=colour, linewidth=1)


if __name__ == "__main__":
    main()
