"""What a program asks of the kernels: a precision, and variants by name; inside a block, or by default."""

from __future__ import annotations

import importlib
from contextvars import ContextVar
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np

from gpunn.errors import DeviceError, nearest
from gpunn.restored import Setting

Asked: TypeAlias = tuple[tuple[str, str], ...]  # (operation, variant) and (PRECISION, its name), the latest last
PRECISION = "precision"
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

asking: ContextVar[Asked] = ContextVar("gpunn asked")
# A part of every plan's key: what this context asks for, or the default of all of them. Both is found in C, so that no
# launch pays for a call of Python's; set_default_precision changes the one argument.
asked: Any = partial(asking.get, ())


def precision(name: str) -> Setting[Asked]:
    """Inside the block convolutions and matrix products multiply in this precision: "fp32", "tf32", "bf16" or "fp16".

    Under "bf16" and "fp16" products cast their operands, float32 parameters too, to 16 bits, add up in float32 and give
    16-bit results, which activations, pooling and batch norm pass on; statistics, losses, softmax and sums are float32,
    and so are parameters and their gradients. Under "tf32" the operands of float32 products are rounded to 10 bits of
    mantissa. On `cpu` the same numbers come by rounding. float64 stays what it is. Gradients of 16-bit activations are
    16-bit ones wherever backward runs; TF32 products of the way back are those of a block that it runs in.

    Raises ValueError with the nearest name, DeviceError where NumPy lacks bfloat16.

    Examples:
        >>> x, w = np.full((1, 2), 1.01, np.float32), np.ones((1, 2), np.float32)
        >>> with gpunn.precision("bf16"):
        ...     y = ops.linear(x, w)
        >>> y.dtype.name, float(y[0, 0])
        ('bfloat16', 2.015625)
        >>> with gpunn.precision("tf32"):
        ...     float(ops.linear(x, w)[0, 0]), gpunn.current_precision()
        (2.01953125, 'tf32')
    """
    chosen = (PRECISION, checked(name))
    return Setting(asking, lambda before: (*asked(), chosen))


def set_default_precision(name: str) -> None:
    """Make `name` the precision of all threads, wherever no block says another. See precision for names and errors.

    Examples:
        >>> gpunn.set_default_precision("tf32")
        >>> gpunn.current_precision()
        'tf32'
        >>> gpunn.set_default_precision("fp32")
    """
    found = () if checked(name) == "fp32" else ((PRECISION, name),)
    asked.__setstate__((asking.get, (found,), {}, {}))


def current_precision() -> str:
    """The precision that holds here: the innermost block's, else the default, which is "fp32"."""
    return dict(asked()).get(PRECISION, "fp32")  # precision_of without its call, for each step asks


def checked(name: str) -> str:
    """The name of a precision; ValueError with the nearest for another, DeviceError where its numbers are missing."""
    if name not in PRECISIONS:
        near = nearest(str(name), list(PRECISIONS), 0.4)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"precision: got {name!r}; expected one of {', '.join(PRECISIONS)}{hint}")
    dtype_of(name)
    return name


def precision_of(found: Asked) -> str:
    """The precision among what is asked for."""
    return dict(found).get(PRECISION, "fp32")


def of_floats(found: Asked, dtype: str) -> str:
    """How products of arrays of this type are multiplied: "tf32" for float32 where it is asked for, else as stored."""
    return "tf32" if dtype == "float32" and precision_of(found) == "tf32" else "fp32"


def narrow() -> np.dtype | None:
    """The 16-bit type in which products are to be taken here; None where operands stay what they are."""
    return dtype_of(precision_of(asked()))


@cache
def dtype_of(name: str) -> np.dtype | None:
    """The 16-bit type of a precision; None where it has none. DeviceError without ml_dtypes' bfloat16."""
    if name == "fp16":
        return np.dtype(np.float16)
    if name != "bf16":
        return None
    try:
        return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    except ModuleNotFoundError as error:
        raise DeviceError(
            "precision: bf16 needs the numbers of ml_dtypes, which is not installed; install it with "
            "`pip install ml_dtypes`, or use fp16"
        ) from error
