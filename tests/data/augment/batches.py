"""Batches to augment, and a way to call a step with a seed."""

import numpy as np


def images(n=6, c=3, h=10, w=12, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == np.uint8:
        return rng.integers(0, 256, (n, c, h, w), dtype=np.uint8)
    return rng.random((n, c, h, w)).astype(dtype)


def run(step, x, seed=0):
    """The images that an image step makes of `x`."""
    (y,) = step(x, np.random.default_rng(seed))
    return y
