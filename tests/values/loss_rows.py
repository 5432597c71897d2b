"""Losses and what drops at random, as in op_rows."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from tests.values.op_rows import above, of, row, some

LABELS, MANY = {"target": np.array([2, 0, 3])}, {"target": np.array([[1, 2], [-100, 0]])}
row("losses", "cross_entropy", F.cross_entropy, of(some(3, 4)), LABELS)
row("losses", "cross_entropy", F.cross_entropy, of(some(3, 4)), LABELS, reduction="sum", label_smoothing=0.1)
row("losses", "cross_entropy", F.cross_entropy, of(some(4)), {"target": np.array(2)}, reduction="none")
WEIGHTED = {"weight": above(3)}
row("losses", "cross_entropy", F.cross_entropy, of(some(2, 3, 2)), {**MANY, **WEIGHTED}, label_smoothing=0.25)
row("losses", "cross_entropy", F.cross_entropy, of(some(2, 3, 2)), MANY, reduction="none", ignore_index=-100)
row("losses", "cross_entropy", F.cross_entropy, of(some(2, 3), target=above(2, 3)), label_smoothing=0.25)
row("losses", "cross_entropy", F.cross_entropy, of(some(2, 3), target=above(2, 3)), WEIGHTED, reduction="sum")
row("losses", "nll_loss", F.nll_loss, of(some(3, 4)), LABELS)
row("losses", "nll_loss", F.nll_loss, of(some(2, 3, 2)), {**MANY, **WEIGHTED})
row("losses", "nll_loss", F.nll_loss, of(some(3, 4)), LABELS, ignore_index=3, reduction="sum")
BCE = F.binary_cross_entropy_with_logits
for reduction in ("mean", "sum", "none"):
    for name, theirs in (("mse_loss", F.mse_loss), ("l1_loss", F.l1_loss), ("binary_cross_entropy_with_logits", BCE)):
        row("losses", name, theirs, of(some(2, 3), target=above(2, 3)), reduction=reduction)


def weighted_bce(x, target, weight, pos_weight, **options):
    return BCE(x, target, weight, pos_weight=pos_weight, **options)


FACTORS = {"weight": above(2, 1), "pos_weight": above(3)}
row("losses", "binary_cross_entropy_with_logits", weighted_bce, of(some(2, 3), target=above(2, 3)), FACTORS)


# ---------------------------------------------------------------- random masks
def words(n: int) -> list[int]:
    """The first n words of Philox4x32-10 with key 0 (Salmon et al., 2011), in plain integers."""
    found: list[int] = []
    for block in range(-(-n // 4)):
        c, k = [block, 0, 0, 0], [0, 0]
        for _ in range(10):
            a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [b >> 32 ^ c[1] ^ k[0], b % 2**32, a >> 32 ^ c[3] ^ k[1], a % 2**32]
            k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
        found += c
    return found[:n]


def dropped(*shape):
    """x times a mask of this shape: kept where a word, as a share of 2^32, is p or more, and scaled."""

    def theirs(x, p=0.5, **options):
        keep = torch.tensor([word >= p * 2**32 for word in words(int(np.prod(shape)))]).reshape(shape)
        return x * keep / (1 - p)

    return theirs


row("losses", "dropout", dropped(4, 5), of(some(4, 5)))
row("losses", "dropout", dropped(4, 5), of(some(4, 5)), p=0.2)
row("losses", "dropout", lambda x, **options: x, of(some(2, 3)), training=False)
row("losses", "dropout", lambda x, **options: x, of(some(2, 3)), p=0.0)
row("losses", "dropout", lambda x, **options: 0 * x, of(some(2, 3)), p=1.0)
row("losses", "dropout2d", dropped(2, 3, 1), of(some(2, 3, 2)))
row("losses", "dropout2d", lambda x, **options: 0 * x, of(some(2, 3, 2)), p=1.0)
row("losses", "stochastic_depth", dropped(6, 1), of(some(6, 2)), p=0.5, mode="row")
row("losses", "stochastic_depth", dropped(1, 1), of(some(3, 2)), p=0.3, mode="batch")
