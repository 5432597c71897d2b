"""The cross-entropy of softmax, and its gradient."""

import numpy as np

F64 = np.float64


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Loss of scores x (N, C) against class numbers (N,); see `cross_entropy_backward` for its gradient."""
    losses, weights = _row_losses(x, target, weight, ignore_index, label_smoothing)
    if reduction == "none":
        return losses
    return losses.sum() / weights.sum() if reduction == "mean" else losses.sum()


def cross_entropy_backward(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """d loss / d x for reduction "mean" or "sum": softmax minus the target distribution, both class-weighted."""
    x = np.asarray(x, F64)
    n, c = x.shape
    weight = np.ones(c) if weight is None else np.asarray(weight, F64)
    gx = np.zeros(x.shape)
    total = sum(weight[t] for t in target if t != ignore_index)
    for row in range(n):
        if target[row] == ignore_index:
            continue
        wanted = np.full(c, label_smoothing / c)
        wanted[target[row]] += 1 - label_smoothing
        # With smoothing PyTorch weights each class's share by that class's own weight.
        wanted *= weight
        p = np.exp(x[row] - x[row].max())
        gx[row] = p / p.sum() * wanted.sum() - wanted
    return gx / total if reduction == "mean" and total else gx


def _row_losses(x, target, weight, ignore_index, label_smoothing):
    x = np.asarray(x, F64)
    n, c = x.shape
    weight = np.ones(c) if weight is None else np.asarray(weight, F64)
    losses, weights = np.zeros(n), np.zeros(n)
    for row in range(n):
        if target[row] == ignore_index:
            continue
        top = x[row].max()
        log_p = x[row] - top - np.log(np.exp(x[row] - top).sum())
        shares = [-w * p if w else 0.0 for w, p in zip(weight, log_p, strict=True)]  # what has no weight may be -inf
        hit, smooth = shares[target[row]], sum(shares) / c
        losses[row] = (1 - label_smoothing) * hit + label_smoothing * smooth
        weights[row] = weight[target[row]]
    return losses, weights
