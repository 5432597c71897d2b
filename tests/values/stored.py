"""Stored values as JSON: arrays as nested lists, whose numbers say their type (1 an integer, 1.0 a float)."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent


def load(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def save(name: str, rows: list[dict[str, Any]]) -> None:
    """One key a line, wrapped: to be read, and compared line by line."""
    texts = []
    for row in rows:
        lines = [f'"{key}": {json.dumps(plain(value), allow_nan=False)}' for key, value in row.items()]
        texts.append(" {\n" + ",\n".join("\n".join(_wrapped(line)) for line in lines) + "\n }")
    (FOLDER / f"{name}.json").write_text("[\n" + ",\n".join(texts) + "\n]\n")


def _wrapped(line: str) -> list[str]:
    return wrap(line, 118, initial_indent="  ", subsequent_indent="   ", break_long_words=False, break_on_hyphens=False)


def plain(value: Any) -> Any:
    """Arrays as lists, floats to 15 digits."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    return float(f"{value:.15g}") if isinstance(value, float) else value


def array(value: Any, dtype: str) -> np.ndarray:
    """A stored array; floats in `dtype`."""
    made = np.array(value)
    return made.astype(dtype) if made.dtype.kind == "f" else made


def assert_near(got: Any, want: Any, what: str) -> None:
    """Equal to 64 roundings of the largest element; exactly where they are no floats."""
    got, want = np.asarray(got), np.array(want)
    assert got.shape == want.shape and got.dtype.kind == want.dtype.kind, f"{what}: {got.dtype} of shape {got.shape}"
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, what)
        return
    allowed = 64 * np.finfo(got.dtype).eps * (np.abs(want).max(initial=0.0) or 1.0)
    np.testing.assert_allclose(got.astype(np.float64), want, rtol=0, atol=allowed, equal_nan=False, err_msg=what)
