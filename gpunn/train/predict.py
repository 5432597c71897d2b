"""A model's outputs for an array."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np

from gpunn import backend
from gpunn.backend import Array
from gpunn.engine.autograd import no_grad
from gpunn.engine.tensor import data_of
from gpunn.nn import Module
from gpunn.nn.state import evaluating
from gpunn.ops.precision import widened
from gpunn.train.given import check_model, refusal


def predict(model: Module, x: Array, batch_size: int = 256) -> np.ndarray:
    """The model's outputs for the array x, as NumPy: in evaluation mode, `batch_size` rows at a time.

    Under a 16-bit gpunn.precision they are float32 arrays of 16-bit numbers.
    """
    check_model("predict", model)
    if not (hasattr(x, "__len__") and hasattr(x, "__getitem__")):
        raise refusal("predict", "x", x, "an array (N, ...)", "pass the inputs themselves, without a loader")
    if len(x) == 0:
        raise ValueError(f"predict: x has shape {tuple(x.shape)}, expected at least one row")
    parameter = next(iter(model.parameters()), None)
    device = None if parameter is None else parameter.device
    with device or nullcontext(), evaluating(model), no_grad():
        parts = [
            backend.to_numpy(data_of(widened(model(backend.asarray(x[i : i + batch_size], device=device)))))
            for i in range(0, len(x), batch_size)
        ]
    return np.concatenate(parts)
