"""PyTorch's questions about Tensors and dtypes, answered with Python's values."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn import ops
from gpunn.backend import is_array, to_numpy
from gpunn.dtypes import as_dtype
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of


def is_tensor(obj: object) -> bool:
    """Whether obj is a Tensor.

    Examples:
        >>> gpunn.is_tensor(gpunn.ones(1)), gpunn.is_tensor(np.ones(1))
        (True, False)
    """
    return isinstance(obj, Tensor)


def numel(input: Operand) -> int:
    """The number of elements.

    Examples:
        >>> gpunn.numel(gpunn.ones(2, 3))
        6
    """
    return int(data_of(input).size)


def is_floating_point(input: Operand | DTypeLike) -> bool:
    """Whether a Tensor, an array or a dtype is one of floating point.

    Examples:
        >>> gpunn.is_floating_point(gpunn.ones(1)), gpunn.is_floating_point(gpunn.int64)
        (True, False)
    """
    given: Any = input
    kind = given.dtype if isinstance(given, Tensor) or is_array(given) else as_dtype("is_floating_point", given)
    return kind.kind in "fV"


def is_complex(input: Operand) -> bool:
    """Whether the numbers are complex, which those of a Tensor never are.

    Examples:
        >>> gpunn.is_complex(np.ones(1, np.complex64))
        True
    """
    return not isinstance(input, Tensor) and np.asarray(to_numpy(input)).dtype.kind == "c"


def is_nonzero(input: Operand) -> bool:
    """Whether the one element is other than 0. ValueError for several.

    Examples:
        >>> gpunn.is_nonzero(gpunn.tensor([0.0]))
        False
    """
    if numel(input) != 1:
        raise ValueError(f"is_nonzero: input is {data_of(input).shape}, expected one element; use (x != 0).any()")
    return bool(to_numpy(data_of(input)).item())


def equal(input: Operand, other: Operand) -> bool:
    """Whether two have one shape and the same elements; `eq` compares element by element, as ops.equal does.

    Examples:
        >>> gpunn.equal(gpunn.ones(2), gpunn.ones(2))
        True
    """
    a, b = data_of(input), data_of(other)
    return a.shape == b.shape and bool(to_numpy(data_of(ops.equal(a, b))).all())


def result_type(tensor1: Operand | float, tensor2: Operand | float) -> np.dtype:
    """The dtype of an operation on the two.

    Examples:
        >>> gpunn.result_type(gpunn.ones(1, dtype="int32"), 1.5)
        dtype('float32')
    """
    one, two = (x if isinstance(x, (bool, int, float)) else data_of(x).ravel()[:1] for x in (tensor1, tensor2))
    return ops.add(one, two).dtype  # pyright: ignore[reportArgumentType]


def promote_types(type1: DTypeLike, type2: DTypeLike) -> np.dtype:
    """The dtype of an operation on arrays of these two.

    Examples:
        >>> gpunn.promote_types("int64", "float32")
        dtype('float32')
    """
    kinds = [as_dtype("promote_types", kind) for kind in (type1, type2)]
    return result_type(*[np.ones(1, kind) for kind in kinds])


def finfo(type: DTypeLike | None = None) -> SimpleNamespace:
    """What a floating-point dtype holds: max, min, eps, tiny, smallest_normal, resolution; bits, dtype.

    Examples:
        >>> gpunn.finfo(gpunn.float16).max
        65504.0
    """
    kind = as_dtype("finfo", type)
    if kind.kind not in "fV":
        raise TypeError(f"finfo: type is {kind.name}, expected floating point; use iinfo for integers")
    found: Any = np.finfo(kind) if kind.kind == "f" else import_module("ml_dtypes").finfo(kind)
    numbers = {name: float(getattr(found, name)) for name in ("max", "min", "eps", "tiny")}
    named = {"resolution": float(f"1e-{found.precision}"), "bits": kind.itemsize * 8, "dtype": kind.name}
    return SimpleNamespace(**numbers, smallest_normal=numbers["tiny"], **named)


def iinfo(type: DTypeLike) -> np.iinfo:
    """What an integer dtype holds: max, min, bits.

    Examples:
        >>> gpunn.iinfo(gpunn.int8).max
        127
    """
    return np.iinfo(as_dtype("iinfo", type))


OWN = (is_tensor, numel, is_floating_point, is_complex, is_nonzero, equal, result_type, promote_types, finfo, iinfo)
