"""Attention, images in another size or at a grid's places, and distances, as in op_rows."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F

from tests.values.op_rows import of, row

_rng = np.random.default_rng(17)  # its own, so that no other file's numbers move


def some(*shape: int) -> np.ndarray:
    """Multiples of 1/64, about normal."""
    return np.round(_rng.standard_normal(shape) * 64) / 64


HEADS = {"query": some(2, 3, 2), "key": some(2, 4, 2), "value": some(2, 4, 3)}
SEEN = np.array([[True, True, False, True], [False] * 4, [False, True, True, True]])
row("sampling", "scaled_dot_product_attention", F.scaled_dot_product_attention, HEADS)
row("sampling", "scaled_dot_product_attention", F.scaled_dot_product_attention, HEADS, {"attn_mask": SEEN})
row("sampling", "scaled_dot_product_attention", F.scaled_dot_product_attention, HEADS, is_causal=True, scale=0.5)
IMAGE = some(1, 2, 3, 4)
for options in (
    {"size": [5, 3], "mode": "bilinear", "align_corners": True},
    {"size": [4, 7], "mode": "bicubic"},
    {"size": [2, 3], "mode": "bicubic", "antialias": True},
    {"size": [2, 3], "mode": "area"},
    {"scale_factor": 1.75, "mode": "nearest-exact"},
):
    row("sampling", "interpolate", F.interpolate, of(IMAGE), **options)
PLACES = {"grid": some(1, 2, 3, 2)}
for mode, padding, corners in (
    ("bilinear", "zeros", False),
    ("bilinear", "reflection", True),
    ("bicubic", "border", False),
    ("nearest", "zeros", True),
):
    how = {"mode": mode, "padding_mode": padding, "align_corners": corners}
    row("sampling", "grid_sample", F.grid_sample, of(IMAGE, **PLACES), **how)
row("sampling", "affine_grid", F.affine_grid, {"theta": some(1, 2, 3)}, size=[1, 1, 2, 3], align_corners=False)
row("sampling", "normalize", F.normalize, of(some(2, 3)), dim=1)
row("sampling", "cosine_similarity", F.cosine_similarity, {"x1": some(2, 3), "x2": some(2, 3)}, dim=1)
row("sampling", "pairwise_distance", F.pairwise_distance, {"x1": some(2, 3), "x2": some(3)})
