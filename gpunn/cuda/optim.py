"""The rules of gpunn.optim on GPU and emulated arrays: one launch a rule for all parameters of one dtype and device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunn.cuda.multi_tensor import Settings, operation, run

Arrays = Sequence[Any]
SGD, ADAM, RMSPROP = operation("optim/sgd"), operation("optim/adam"), operation("optim/rmsprop")


def sgd(params: Arrays, buffers: Arrays, grads: Arrays, settings: Settings, kept: dict[str, Any]) -> None:
    """Step: b = momentum b + share d; p -= rate b, with nesterov rate (d + momentum b), without a buffer rate d."""
    run(SGD, kept, {"p": params, "b": buffers}, {"g": grads}, settings)


def adam(
    params: Arrays, means: Arrays, squares: Arrays, grads: Arrays, settings: Settings, kept: dict[str, Any]
) -> None:
    """Step: m = b1 m + c1 g; v = b2 v + c2 g^2; p -= rate m / (sqrt(v) / root + eps), after p *= keep."""
    run(ADAM, kept, {"p": params, "m": means, "v": squares}, {"g": grads}, settings)


def rmsprop(
    params: Arrays, squares: Arrays, means: Arrays, buffers: Arrays, grads: Arrays, settings: Settings,
    kept: dict[str, Any],
) -> None:  # fmt: skip
    """Step: v = alpha v + c g^2; d = g / (sqrt(v - a^2) + eps); p -= rate d, or rate b with b = momentum b + d."""
    fixed = {"p": params, "v": squares, "a": means, "b": buffers}
    run(RMSPROP, kept, fixed, {"g": grads}, settings)
