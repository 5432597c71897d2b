"""Writes the stored values anew: `python -m tests.values.make`, with PyTorch, which computes them in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.values import (  # noqa: F401  (they fill the table)
    array_rows,
    conv_rows,
    curve_rows,
    layer_rows,
    loss_more_rows,
    loss_rows,
    math_rows,
    optim_rows,
    recurrent_rows,
    sampling_rows,
    shape_rows,
    window_rows,
)
from tests.values.op_rows import ROWS, Row
from tests.values.stored import save


def values_of(row: Row) -> dict[str, Any]:
    """The row with what PyTorch makes of it."""
    inputs = {key: torch.tensor(value, requires_grad=True) for key, value in row.inputs.items()}
    fixed = {key: torch.tensor(value) for key, value in row.fixed.items()}
    results = row.theirs(*inputs.values(), *fixed.values(), **row.options)
    results = results if isinstance(results, tuple) else (results,)
    made: dict[str, Any] = {"op": row.op, "inputs": row.inputs, "fixed": row.fixed, "options": row.options}
    made["values"] = [result.detach().numpy() for result in results]
    if inputs:
        upstream = np.random.default_rng(results[0].numel()).integers(-128, 128, tuple(results[0].shape)) / 64.0
        results[0].backward(torch.tensor(upstream))
        made["upstream"] = np.asarray(upstream)
        made["gradients"] = {key: gradient(x) for key, x in inputs.items()}
    changed = {key: value.numpy() for key, value in fixed.items() if not np.array_equal(value, row.fixed[key])}
    made["after"] = changed
    return {key: value for key, value in made.items() if not isinstance(value, dict) or value}


def gradient(x: torch.Tensor) -> np.ndarray:
    assert x.grad is not None
    return x.grad.numpy()


def all_values() -> dict[str, list[dict[str, Any]]]:
    """Each file's rows."""
    ops = {file: [values_of(row) for row in rows] for file, rows in ROWS.items()}
    return {**ops, **optim_rows.all_rows(), "layers": layer_rows.all_rows()}


if __name__ == "__main__":
    for file, rows in all_values().items():
        save(file, rows)
