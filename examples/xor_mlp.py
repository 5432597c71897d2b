"""A 2-8-1 network learns exclusive or: tensors, a module, an optimiser, a loop.

Seeds 0 to 4: all four rows right, loss 0.0003 to 0.0007 after 300 steps; 0.3 s each on one CPU core.

    python examples/xor_mlp.py [--steps 300] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np

import gpunn
from gpunn import nn, ops, optim

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
Y = np.array([[0], [1], [1], [0]], dtype=np.float32)


def train(steps: int = 300, seed: int = 0) -> tuple[nn.Module, float]:
    """The trained network and its last loss."""
    gpunn.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    value = float("nan")
    for _ in range(steps):
        loss = ops.binary_cross_entropy_with_logits(model(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
    return model, value


def main(argv=None) -> bool:
    """Train, print the table, and return whether every row is right."""
    parser = argparse.ArgumentParser(description="exclusive or with a small network")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    model, loss = train(args.steps, args.seed)
    with gpunn.no_grad():
        chance = gpunn.to_numpy(ops.sigmoid(model(X)))
    for (a, b), p, y in zip(X, chance[:, 0], Y[:, 0], strict=True):
        print(f"{a:.0f} xor {b:.0f} = {y:.0f}, network says {p:.3f}")
    print(f"loss {loss:.4f} after {args.steps} steps")
    return bool(((chance > 0.5) == (Y > 0.5)).all())


if __name__ == "__main__":
    main()
