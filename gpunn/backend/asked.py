"""What a program asks of the kernels inside a block: a precision, and variants by name."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TypeAlias

from gpunn.errors import nearest
from gpunn.restored import Setting

Asked: TypeAlias = tuple[tuple[str, str], ...]  # (operation, variant) and (PRECISION, its name), the latest last
PRECISION = "precision"
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

asking: ContextVar[Asked] = ContextVar("gpunn asked", default=())
asked = asking.get  # a part of every plan's key


def precision(name: str) -> Setting[Asked]:
    """Inside the block convolutions and matrix products multiply in this precision: "fp32", "tf32", "bf16" or "fp16".

    Raises ValueError with the nearest name.
    """
    if name not in PRECISIONS:
        near = nearest(name, list(PRECISIONS), 0.4)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"precision: got {name!r}; expected one of {', '.join(PRECISIONS)}{hint}")
    return Setting(asking, lambda before: (*before, (PRECISION, name)))


def current_precision() -> str:
    """The precision that holds here."""
    return precision_of(asked())


def precision_of(found: Asked) -> str:
    """The precision among what is asked for."""
    return dict(found).get(PRECISION, "fp32")


def of_floats(found: Asked, dtype: str) -> str:
    """How products of arrays of this type are multiplied: "tf32" for float32 where it is asked for, else as stored."""
    return "tf32" if dtype == "float32" and precision_of(found) == "tf32" else "fp32"
