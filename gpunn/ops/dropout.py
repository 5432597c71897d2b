"""Dropout (Srivastava et al., 2014) and one_hot."""

from __future__ import annotations

from typing import Any

from gpunn import random
from gpunn.backend import array_module, device_of, to_device
from gpunn.ops.checks import floats, probability
from gpunn.tensor import Tensor, data_of, record


def dropout(x, p: float = 0.5, training: bool = True) -> Any:
    """In training each element becomes 0 with probability p, the others grow by 1 / (1 - p); else x itself.

    The mask comes from gpunn.random's global stream, in logical order, and so is equal on every device.
    """
    (a,) = floats("dropout", x=x)
    p = probability("dropout", p, "an element")
    if not training or p == 0:
        return x if isinstance(x, Tensor) else a
    # Kept as one byte an element, scaled when used.
    keep = random.random_uint32(a.shape) >= p * 2**32
    keep, scale = to_device(keep, device_of(a)), 0.0 if p == 1 else 1 / (1 - p)

    def masked(values: Any) -> Any:
        y = values * keep
        y *= scale
        return y

    return record("dropout", masked(a), (x,), lambda gy, needs: (masked(gy),))


def one_hot(target, num_classes: int = -1) -> Any:
    """int64 (*, num_classes): 1 at each label of target (*), else 0. num_classes -1 counts to the largest label."""
    t = data_of(target)
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"one_hot: target is {t.dtype}, expected integer labels; convert it with target.astype('int64')"
        )
    if num_classes < 1 and num_classes != -1:
        raise ValueError(
            f"one_hot: num_classes is {num_classes}, expected at least 1, or -1 to count to the largest label"
        )
    if t.size == 0 and num_classes == -1:
        raise ValueError(f"one_hot: target {t.shape} is empty, so its classes cannot be counted; pass num_classes")
    if t.size:
        low, high = int(t.min()), int(t.max())
        num_classes = high + 1 if num_classes == -1 else num_classes
        if low < 0 or high >= num_classes:
            raise IndexError(
                f"one_hot: target runs from {low} to {high}, expected 0 to {max(num_classes, 1) - 1}; "
                f"correct the labels, or raise num_classes={num_classes}"
            )
    y = (t[..., None] == array_module(t).arange(num_classes)).astype("int64")
    return record("one_hot", y, (target,), lambda gy, needs: (None,))
