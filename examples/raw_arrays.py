"""Convolution, batch norm and pooling on plain arrays, forward and backward: no Tensor, no Module.

Two 3x3 filters learn whether noisy stripes stand or lie. Seeds 0 to 4: 96.5, 93.8, 94.9, 99.2 and 99.2 % right on 256
new images after 100 steps; the gradient differs from its difference quotient by less than 1e-6; 2.5 s on one CPU core.

    python examples/raw_arrays.py [--steps 100] [--seed 0] [--device cpu]
"""

from __future__ import annotations

import argparse

import numpy as np

import gpunn
from gpunn import ops


def forward(x, w, gamma, beta):
    """conv 3x3 -> batch norm -> 2x2 max pooling -> mean; returns the (N, K) means and what backward needs."""
    conv = ops.conv2d(x, w, padding=1)
    norm, mean, rstd = ops.batch_norm_forward(conv, weight=gamma, bias=beta)
    pooled, winners = ops.max_pool2d(norm, 2, return_indices=True)
    means = ops.avg_pool2d(pooled, pooled.shape[2:])
    return means[:, :, 0, 0], (x, w, gamma, conv, mean, rstd, winners, pooled.shape)


def backward(gy, saved):
    """(gw, ggamma, gbeta) from gy (N, K), the layers of `forward` in reverse order."""
    x, w, gamma, conv, mean, rstd, winners, pooled_shape = saved
    g = ops.avg_pool2d_backward(gy[:, :, None, None], pooled_shape, pooled_shape[2:])
    g = ops.max_pool2d_backward(g, winners, conv.shape)
    g, ggamma, gbeta = ops.batch_norm_backward(g, conv, gamma, mean, rstd=rstd)
    gw = ops.conv2d_grad_weight(g, x, w.shape, padding=1)
    return gw, ggamma, gbeta


def stripes(n: int, seed: int):
    """n noisy 16x16 images of upright (label 0) or lying (label 1) stripes: float32 (n, 1, 16, 16), and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    phase = rng.integers(0, 4, n)
    wave = (np.arange(16)[None] + phase[:, None]) % 4 < 2
    images = np.where(labels[:, None, None], wave[:, :, None], wave[:, None, :]) + rng.normal(0, 0.7, (n, 16, 16))
    return images[:, None].astype(np.float32), labels


def slope_error(x, w, gamma, beta) -> float:
    """How far `backward` is from the difference quotient along one random direction of w, relative, in float64."""
    x, w, gamma, beta = (a.astype(np.float64) for a in (x, w, gamma, beta))
    rng = np.random.default_rng(1)
    direction, gy = rng.normal(size=w.shape), rng.normal(size=(len(x), len(w)))
    eps = 1e-6
    up, down = (forward(x, w + side * eps * direction, gamma, beta)[0] for side in (1, -1))
    quotient = ((up - down) * gy).sum() / (2 * eps)
    gw, _, _ = backward(gy, forward(x, w, gamma, beta)[1])
    return float(abs((gw * direction).sum() - quotient) / abs(quotient))


def main(argv=None) -> float:
    """Check the gradient, train two filters by hand-written descent, and return the accuracy on new images."""
    parser = argparse.ArgumentParser(description="two filters learn the direction of stripes, on plain arrays")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="start of the filters' random weights")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(argv)

    x, labels = stripes(128, seed=100)
    start = np.random.default_rng(args.seed).normal(0, 0.3, (2, 1, 3, 3)).astype(np.float32)
    ones, zeros = np.ones(2, np.float32), np.zeros(2, np.float32)
    print(f"gradient against difference quotient: relative error {slope_error(x[:16], start, ones, zeros):.1e}")

    x, labels, w, gamma, beta = (gpunn.to_device(a, args.device) for a in (x, labels, start, ones, zeros))
    target = ops.one_hot(labels, 2).astype(np.float32)
    for step in range(args.steps):
        scores, saved = forward(x, w, gamma, beta)
        gy = (ops.softmax(scores, 1) - target) / len(x)  # the gradient of the mean cross-entropy
        gradients = backward(gy, saved)
        w, gamma, beta = (p - 1.0 * g for p, g in zip((w, gamma, beta), gradients, strict=True))
        if step % 50 == 49:
            print(f"step {step + 1}: loss {float(ops.cross_entropy(scores, labels)):.4f}")

    new, labels = stripes(256, seed=101)
    scores, _ = forward(gpunn.to_device(new, args.device), w, gamma, beta)
    right = float((gpunn.to_numpy(scores).argmax(1) == labels).mean())
    print(f"accuracy on 256 new images: {right:.1%}")
    return right


if __name__ == "__main__":
    main()
