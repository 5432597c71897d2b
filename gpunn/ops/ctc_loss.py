"""Connectionist temporal classification (Graves, Fernandez, Gomez, Schmidhuber, 2006), in logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, capture, device_of, to_numpy, twins
from gpunn.checks import arrays, check_choice, check_same_device
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.cross_entropy import REDUCTIONS
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.scalars import as_int


@with_out
def ctc_loss(
    log_probs: A,
    targets: Operand,
    input_lengths: Operand,
    target_lengths: Operand,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """-log of the probability of all ways to spell the targets, in order, with repeats and blanks between them.

    As PyTorch's, the gradient is that of the scores before log_softmax, which log_softmax hands on as it is.

    Args:
        log_probs: (T, N, C), or (T, C) of one sequence: what log_softmax gives over the C classes.
        targets: class indices (N, S), or all of them one after another, (sum of target_lengths,).
        input_lengths: steps of each sequence, (N,), at most T; lists, tuples or arrays. Those of the device stay
            there, and a CUDA graph may have them.
        target_lengths: labels of each, (N,).
        blank: the class that is no label.
        reduction: "mean" divides each loss by its target's length (at least 1), and averages over the batch.
        zero_infinity: targets too long for their input lose 0, not infinity, and pull at nothing.

    ValueError: shapes and lengths that do not fit; IndexError: a label that is no class. What is wrong with labels and
    lengths on a device, the next read of the host raises, as IndexError.

    >>> even = np.log(np.full((3, 1, 2), 0.5))
    >>> ops.ctc_loss(even, np.array([[1]]), [3], [1], reduction="sum").round(3)  # 6 of 8 ways: not 000, not 101
    np.float64(0.288)
    """
    op = "ctc_loss"
    check_choice(op, "reduction", reduction, REDUCTIONS)
    log_probs = widened(log_probs) if asked() else log_probs
    (a,) = arrays(op, log_probs=log_probs)
    if a.ndim not in (2, 3) or a.shape[-1] == 0:
        raise ValueError(f"{op}: log_probs is {a.shape}, expected (T, N, C), or (T, C) of one sequence; reshape it")
    batched = a if a.ndim == 3 else a[:, None]
    blank = as_int(op, "blank", blank)
    if not 0 <= blank < a.shape[-1]:
        raise ValueError(f"{op}: blank is {blank}, expected a class, 0 to {a.shape[-1] - 1} (log_probs {a.shape})")
    t = data_of(targets)
    check_same_device(op, a, t, "log_probs", "targets")
    steps = _lengths(op, "input_lengths", input_lengths, batched, batched.shape[0])
    lengths = _lengths(op, "target_lengths", target_lengths, batched, None)
    t = _labels(op, t, lengths, batched)
    how = blank, reduction, bool(zero_infinity)
    loss, backward = twins(a).ctc_loss.forward(batched, t, steps, lengths, *how)
    shape, below = a.shape, loss.shape
    loss = loss if a.ndim == 3 else loss.reshape(())
    return record(op, loss, (log_probs,), lambda gy, needs: (backward(gy.reshape(below)).reshape(shape),), owned=True)


def _lengths(op: str, name: str, given: Any, a: Array, most: int | None) -> Array:
    """Lengths (N,) of scores a (T, N, C): int64 on the host, or as they are where they lie on a's device."""
    found, count = np.asarray(given) if isinstance(given, int | list | tuple) else data_of(given), a.shape[1]
    there = type(a) is not np.ndarray and type(found) is not np.ndarray and device_of(found) == device_of(a)
    found = found if there else to_numpy(found)
    if found.dtype.kind not in "iu" and found.size:
        raise TypeError(f"{op}: {name} is {found.dtype}, expected integers, one a sequence; convert it")
    if found.size != count or found.ndim > 1:
        raise ValueError(f"{op}: {name} is {found.shape}, expected ({count},), one a sequence of the batch")
    if there:
        return found.reshape(count)
    if type(a) is not np.ndarray:
        capture.refuse(
            f"{op}: the lengths are the host's, and a graph would repeat them; pass them as arrays of {device_of(a)}, "
            "or step with capture=False"
        )
    found = found.reshape(count).astype(np.int64)
    if count and (found.min() < 0 or (most is not None and found.max() > most)):
        limit = "0 or more" if most is None else f"0 to {most}, the steps of log_probs"
        raise ValueError(f"{op}: {name} has {found.min() if found.min() < 0 else found.max()}, expected {limit}")
    return found


def _labels(op: str, t: Array, lengths: Array, a: Array) -> Array:
    """Targets (N, S), or (M,) one after another; on the host no label of a length is out of range."""
    count, known = a.shape[1], type(lengths) is np.ndarray
    if t.dtype.kind not in "iu":
        raise TypeError(f"{op}: targets is {t.dtype}, expected integers, class indices; convert it")
    if t.ndim == 1 and count == 1 and not (known and t.size == lengths.sum()):
        t = t[None]
    if t.ndim == 1:
        if known and t.size != lengths.sum():
            raise ValueError(f"{op}: targets has {t.size} labels, expected {lengths.sum()}, the sum of target_lengths")
        real = t
    else:
        longest = int(lengths.max(initial=0)) if known else 0
        if t.ndim != 2 or t.shape[0] != count or t.shape[1] < longest:
            raise ValueError(
                f"{op}: targets is {t.shape}, expected ({count}, S) with S from {longest} on, the longest of "
                "target_lengths, or all labels one after another"
            )
        real = t[np.arange(t.shape[1]) < lengths[:, None]] if type(t) is np.ndarray else t
    if type(t) is np.ndarray and real.size and (real.min() < 0 or real.max() >= a.shape[2]):
        worst = real.min() if real.min() < 0 else real.max()
        raise IndexError(f"{op}: targets has the label {worst}, expected 0 to {a.shape[2] - 1} (C = {a.shape[2]})")
    return t
