"""NumPy's functions of Tensors: those that gpunn has give Tensors with gradients; see Tensor.__array_function__."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gpunn import ops
from gpunn.array_api import creation, functions, shape
from gpunn.backend import to_numpy
from gpunn.engine.autograd import is_grad_enabled
from gpunn.engine.tensor import Tensor

FUNCTIONS: dict[Callable, Callable] = {
    np.sum: lambda a, axis=None, *, dtype=None, keepdims=False: functions.sum(
        a, axis=axis, dtype=dtype, keepdims=keepdims
    ),
    np.prod: lambda a, axis=None, *, dtype=None, keepdims=False: functions.prod(
        a, axis=axis, dtype=dtype, keepdims=keepdims
    ),
    np.mean: lambda a, axis=None, *, keepdims=False: ops.mean(a, axis, keepdims),
    np.var: lambda a, axis=None, *, ddof=0, keepdims=False: ops.var(a, axis, ddof, keepdims),
    np.std: lambda a, axis=None, *, ddof=0, keepdims=False: ops.sqrt(ops.var(a, axis, ddof, keepdims)),
    np.max: lambda a, axis=None, *, keepdims=False: ops.max(a, axis, keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: ops.min(a, axis, keepdims),
    np.argmax: lambda a, axis=None, *, keepdims=False: ops.argmax(a, axis, keepdims),
    np.argmin: lambda a, axis=None, *, keepdims=False: ops.argmin(a, axis, keepdims),
    np.clip: lambda a, a_min=None, a_max=None, *, min=None, max=None: functions.clip(
        a, min if a_min is None else a_min, max if a_max is None else a_max
    ),
    np.where: ops.where,
    np.reshape: lambda a, shape: ops.reshape(a, shape),
    np.ravel: lambda a: ops.reshape(a, -1),
    np.transpose: lambda a, axes=None: ops.transpose(a, axes),
    np.swapaxes: lambda a, axis1, axis2: ops.transpose(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: shape.moveaxis(a, source, destination),
    np.squeeze: lambda a, axis=None: ops.squeeze(a) if axis is None else shape.squeeze(a, axis),
    np.expand_dims: lambda a, axis: shape.expand_dims(a, axis=axis),
    np.broadcast_to: lambda array, shape: ops.broadcast_to(array, (shape,) if isinstance(shape, int) else shape),
    np.flip: lambda m, axis=None: shape.flip(m, axis=axis),
    np.concatenate: lambda arrays, axis=0: shape.concat(arrays, axis=axis),
    np.stack: lambda arrays, axis=0: ops.stack(arrays, axis),
    np.copy: lambda a: creation.astype(a, a.dtype),
    np.zeros_like: lambda a, dtype=None: creation.zeros_like(a, dtype=dtype),
    np.ones_like: lambda a, dtype=None: creation.ones_like(a, dtype=dtype),
    np.empty_like: lambda a, dtype=None: creation.empty_like(a, dtype=dtype),
    np.full_like: lambda a, fill_value, dtype=None: creation.full_like(a, fill_value, dtype=dtype),
}


def called(func: Callable, types: Iterable[type], args: tuple, options: dict[str, Any]) -> Any:
    """func(*args, **options), where a Tensor is among the arguments: gpunn's function, or NumPy's of the values.

    Raises:
        TypeError: an argument that gpunn's function lacks; a result of floats that would lose its gradient; a Tensor
            that would be written to.
    """
    if not all([issubclass(kind, Tensor | np.ndarray) for kind in types]):
        return NotImplemented
    name, ours = f"{func.__module__}.{func.__name__}".replace("numpy", "np", 1), FUNCTIONS.get(func)
    if ours is not None and not (func is np.where and len(args) == 1):
        try:
            inspect.signature(ours).bind(*args, **options)
        except TypeError as error:
            raise TypeError(
                f"{name}: {error} beside a Tensor, expected {inspect.signature(ours)}; for NumPy's own pass x.numpy()"
            ) from None
        return ours(*args, **options)
    given, kept = _values(args), _values(options)
    try:
        found = func(*given, **kept)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise TypeError(
            f"{name}: it would write into a Tensor, whose values may be a copy from a device and whose graph would not "
            "know; expected an array to write to; assign to x.array[...]"
        ) from None
    if is_grad_enabled() and _asks(args) | _asks(options) and _has_floats(found):
        raise TypeError(
            f"{name}: x requires a gradient, which would end here, expected an op of gpunn; call one, or pass "
            "x.detach().numpy()"
        )
    return found


def _values(x: Any) -> Any:
    """Arguments with NumPy arrays in the place of Tensors, read-only ones."""
    if isinstance(x, Tensor):
        values = to_numpy(x.array).view()
        values.flags.writeable = False
        return values
    if isinstance(x, dict):
        return {name: _values(value) for name, value in x.items()}
    return type(x)(map(_values, x)) if type(x) in (tuple, list) else x


def _asks(x: Any) -> bool:
    """Whether a Tensor in it requires a gradient."""
    if isinstance(x, Tensor):
        return x.requires_grad
    return any(map(_asks, x.values() if isinstance(x, dict) else x)) if isinstance(x, tuple | list | dict) else False


def _has_floats(found: Any) -> bool:
    if isinstance(found, tuple | list):
        return any(map(_has_floats, found))
    return isinstance(found, float) or (isinstance(found, np.ndarray | np.generic) and found.dtype.kind in "fcV")
