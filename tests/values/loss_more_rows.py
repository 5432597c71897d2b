"""Losses beyond the common ones, as in op_rows."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import torch.nn.functional as F

from tests.values import op_rows
from tests.values.op_rows import of, row

some = partial(op_rows.some, asked=Counter())  # other files' numbers stay as they are


def above(*shape: int) -> np.ndarray:
    """The same, all positive."""
    return np.abs(some(*shape))


SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
for op, theirs, inputs, fixed, options in (
    ("smooth_l1_loss", F.smooth_l1_loss, of(some(2, 3), target=some(2, 3)), {}, {"beta": 0.5}),
    ("huber_loss", F.huber_loss, of(some(2, 3), target=some(2, 3)), {}, {"delta": 0.75, "reduction": "sum"}),
    ("poisson_nll_loss", F.poisson_nll_loss, of(some(2, 3), target=above(2, 3)), {}, {"full": True}),
    ("poisson_nll_loss", F.poisson_nll_loss, of(above(2, 3), target=above(2, 3)), {}, {"log_input": False}),
    ("gaussian_nll_loss", F.gaussian_nll_loss, of(some(2, 3), target=some(2, 3), var=above(2, 1)), {}, {"full": True}),
    ("binary_cross_entropy", F.binary_cross_entropy, of(above(2, 3) / 4, target=above(2, 3) / 4), {}, {}),
    ("kl_div", F.kl_div, of(some(2, 3), target=above(2, 3)), {}, {"reduction": "batchmean"}),
    ("kl_div", F.kl_div, of(some(2, 3), target=some(2, 3)), {}, {"log_target": True, "reduction": "none"}),
    ("hinge_embedding_loss", F.hinge_embedding_loss, of(some(2, 3)), {"target": SIGNS}, {}),
    ("soft_margin_loss", F.soft_margin_loss, of(some(2, 3)), {"target": SIGNS}, {"reduction": "none"}),
    ("multilabel_soft_margin_loss", F.multilabel_soft_margin_loss, of(some(2, 3)), {"target": above(2, 3)}, {}),
    ("multi_margin_loss", F.multi_margin_loss, of(some(2, 3)), {"target": np.array([2, 0])}, {"p": 2}),
    ("multilabel_margin_loss", F.multilabel_margin_loss, of(some(1, 3)), {"target": np.array([[2, -1, 0]])}, {}),
):
    row("more_losses", op, theirs, inputs, fixed, **options)
PAIR = {"input1": some(2, 3), "input2": some(2, 3)}
row("more_losses", "margin_ranking_loss", F.margin_ranking_loss, PAIR, {"target": SIGNS}, margin=0.5)
row("more_losses", "cosine_embedding_loss", F.cosine_embedding_loss, PAIR, {"target": np.array([1.0, -1.0])})
TRIPLE = {"anchor": some(2, 3), "positive": some(2, 3), "negative": some(2, 3)}
row("more_losses", "triplet_margin_loss", F.triplet_margin_loss, TRIPLE, swap=True, margin=4.0)
row("more_losses", "triplet_margin_loss", F.triplet_margin_loss, TRIPLE, p=3.0, reduction="none")
row("more_losses", "triplet_margin_with_distance_loss", F.triplet_margin_with_distance_loss, TRIPLE)


def ctc(log_probs, targets, input_lengths, target_lengths, **options):
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, **options)


LABELS = {"targets": np.array([[1, 1], [2, 0]]), "input_lengths": np.array([5, 4]), "target_lengths": np.array([2, 1])}
row("more_losses", "ctc_loss", ctc, {"log_probs": -above(5, 2, 3)}, LABELS)
