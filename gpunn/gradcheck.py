"""gradcheck: an op's gradients against finite differences, along random directions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunn.backend import to_numpy
from gpunn.engine.tensor import Tensor, grad
from gpunn.random import Generator


def gradcheck(
    fn: Callable, inputs: Sequence | Tensor, eps: float = 1e-6, rtol: float = 1e-5, seed: int = 0,
    directions: int = 3, *, atol: float = 0.0,
) -> bool:  # fmt: skip
    """Compare the gradients of ``fn`` with central differences.

    With a random u the scalar ``s = <u, fn(x)>`` is differentiated both ways along random unit directions of all inputs
    together: backward gives <grad, v>, the difference (s(x + eps v) - s(x - eps v)) / (2 eps). One direction costs
    two evaluations, whatever the number of elements.

    Args:
        fn: takes as many Tensors as there are inputs, returns a Tensor.
        inputs: arrays or Tensors, or one Tensor; the float64 ones are differentiated, others (labels, masks) are passed
            on as they are.
        eps: length of the step.
        rtol: allowed error, relative to the size of the terms.
        seed: for u and the directions.
        directions: how many are tried.
        atol: allowed error beside it.

    Returns:
        True.

    Raises:
        TypeError: no input is float64 (float32 is too coarse for differences).
        AssertionError: a gradient is wrong or not finite; the text gives both values.
    """
    arrays = [np.array(to_numpy(x)) for x in ((inputs,) if isinstance(inputs, Tensor) else inputs)]
    active = [i for i, a in enumerate(arrays) if a.dtype == np.float64]
    if not active:
        raise TypeError(
            f"gradcheck: got inputs of dtype {', '.join(str(a.dtype) for a in arrays)}; expected at least one float64 "
            "array: convert with astype('float64')"
        )
    random = Generator(seed, stream=0x67C)
    leaves = {i: Tensor(arrays[i], requires_grad=True) for i in active}
    y = fn(*(leaves.get(i, a) for i, a in enumerate(arrays)))
    u = random.normal(y.shape, dtype=np.float64)
    gradients: Any = grad(y, list(leaves.values()), gy=u)
    for _ in range(directions):
        step = [random.normal(arrays[i].shape, dtype=np.float64) for i in active]
        length = math.sqrt(sum(float((v * v).sum()) for v in step)) or 1.0
        step = [v / length for v in step]

        def moved(sign: float, step=step):
            shifted = {i: Tensor(arrays[i] + sign * eps * v) for i, v in zip(active, step, strict=True)}
            return u * to_numpy(fn(*(shifted.get(i, a) for i, a in enumerate(arrays))))

        got = sum(float((g * v).sum()) for g, v in zip(gradients, step, strict=True) if g is not None)
        terms = moved(1) - moved(-1)
        want = float(terms.sum()) / (2 * eps)
        # The difference loses to rounding what the values have in digits: eps of float64 over the step.
        noise = 1e-15 * float(np.abs(u * to_numpy(y)).sum()) / eps
        if not math.isfinite(got) or not abs(got - want) <= rtol * max(abs(want), abs(got), 1e-3) + atol + 10 * noise:
            raise AssertionError(
                f"gradcheck: backward gives a slope of {got:.9g} along a random direction, differences give {want:.9g} "
                f"(relative tolerance {rtol:g}); the gradient of {getattr(fn, '__name__', 'fn')} is wrong, or it has a "
                "kink here"
            )
    return True
