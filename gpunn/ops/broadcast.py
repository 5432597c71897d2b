"""What every op on two arrays needs: operands that fit together, and gradients folded back to their shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Protocol, cast, overload

import numpy as np

from gpunn.backend import Array, Device, array_module, asarray, device_of, is_array, same_device, twins
from gpunn.backend.contract import Shape
from gpunn.backend.dispatch import CUPYS
from gpunn.checks import WIDE_DTYPES
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import Operand, Plain, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.elementwise import applied, wide
from gpunn.ops.reduce import total
from gpunn.restored import restored

_NUMBERS = (bool, int, float, np.generic)
_NUMBERS_ALONE = np.empty(0)
_FLOAT = np.dtype(np.float32)


class Binary(Protocol):
    """An op on two values: a Tensor on either side makes a Tensor."""

    @overload
    def __call__(self, a: Tensor, b: Value, *, out: None = None, **options: Any) -> Tensor: ...
    @overload
    def __call__(self, a: Value, b: Tensor, *, out: None = None, **options: Any) -> Tensor: ...
    @overload
    def __call__(self, a: Plain, b: Plain, *, out: Array | None = None, **options: Any) -> Array: ...


def binary(op: Callable[..., Operand]) -> Binary:
    """`op` itself; a type checker so learns what it gives."""
    return cast(Binary, op)


def operands(name: str, *inputs: object) -> list[Any]:
    """The arrays of an op's inputs, checked to be on one device, integers turned to the floating point beside them.

    Numbers stay numbers, so that they take the arrays' dtype: ``float32 * 2.5`` is float32, also for a NumPy number.
    Arrays without dimensions take the dtype of those with some, where that is of their kind or of a wider one: this is
    PyTorch's rule.

    Raises:
        TypeError: an input is no array of numbers.
        ValueError: two devices are mixed, or the shapes do not broadcast.
    """
    if _alike(inputs):
        return list(inputs)
    found = [_operand(x) for x in inputs]
    arrays: list[Any] = [x for x in found if is_array(x)]
    if not arrays:
        return [data_of(x) for x in found]
    odd = next((a.dtype for a in arrays if a.dtype.kind not in "fiubV"), None)
    if odd is not None:
        raise TypeError(f"{name}: got dtype {odd}, expected floating point, integers or bool; convert it first")
    first = arrays[0]
    for other in arrays[1:]:
        if not same_device(first, other) and device_of(other) != device_of(first):
            raise ValueError(
                f"{name}: the inputs are on {' and '.join(str(device_of(a)) for a in arrays)}, expected one device; "
                "move one with gpunn.to_device(x, device)"
            )
    if len({a.dtype for a in arrays}) > 1 and 0 in (ranks := {a.ndim for a in arrays}) and len(ranks) > 1:
        found = _beside_more(found, arrays)
        arrays = [x for x in found if is_array(x)]
        first = arrays[0]
    floats = [a.dtype for a in arrays if a.dtype.kind in "fV"]
    if len(floats) < len(arrays) and (floats or any(isinstance(x, float) for x in found)):
        # A Python float beside integers is float32, PyTorch's rule; NumPy's would be float64.
        wide = common(floats)
        found = [x.astype(wide) if getattr(x, "dtype", wide).kind in "iub" else x for x in found]
    if first.dtype.kind == "V" or arrays[-1].dtype.kind == "V" or (len(arrays) > 2 and "V" in [d.kind for d in floats]):
        found = [_beside_bfloat16(x, floats, device_of(first)) for x in found]
    if len({a.shape for a in arrays}) > 1:
        try:
            np.broadcast_shapes(*(a.shape for a in arrays))
        except ValueError:
            shapes = " and ".join(str(a.shape) for a in arrays)
            raise ValueError(
                f"{name}: the shapes {shapes} do not broadcast; expected equal sizes, or 1, counted from the last "
                "dimension: reshape one of them"
            ) from None
    return found


def _beside_more(found: list[Any], arrays: list[Any]) -> list[Any]:
    """Arrays without dimensions in the dtype of those with some, unless they are of a wider kind."""
    strong = [a.dtype for a in arrays if a.ndim]
    kind = max(map(_kind, strong))
    kinds = [dtype for dtype in strong if _kind(dtype) == kind]
    wide = common(kinds) if kind == 2 else np.result_type(*kinds)
    return [x.astype(wide) if is_array(x) and not x.ndim and _kind(x.dtype) <= kind else x for x in found]


def _kind(dtype: np.dtype) -> int:
    return 2 if dtype.kind in "fV" else int(dtype.kind != "b")


def _alike(inputs: tuple[Any, ...]) -> bool:
    """Whether these are cuda arrays of floats of one dtype, shape and device, as most are: there is no more to ask."""
    first = inputs[0]
    if type(first) not in CUPYS or first.dtype not in WIDE_DTYPES:
        return False
    for x in inputs[1:]:
        if type(x) is not type(first) or x.dtype != first.dtype or x.shape != first.shape or not same_device(x, first):
            return False
    return True


def common(floats: list[np.dtype]) -> np.dtype:
    """The dtype of several floating ones together: float32 for float16 and bfloat16, for which NumPy has none."""
    if len(set(floats)) > 1:
        floats = [np.dtype(np.float32) if dtype.itemsize == 2 else dtype for dtype in floats]
    return np.result_type(*floats) if floats else np.dtype(np.float32)


def _beside_bfloat16(x: Any, floats: list[np.dtype], device: Device) -> Any:
    """An operand beside bfloat16: a Python float of that dtype, since NumPy would make it float32."""
    wide = common(floats)
    if is_array(x):
        return x.astype(wide, copy=False) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x
    return asarray(x, wide, device) if isinstance(x, float) else x


def _operand(x: object) -> Any:
    if isinstance(x, Tensor):
        return x.array
    if isinstance(x, _NUMBERS):
        return x.item() if isinstance(x, np.generic) else x
    return data_of(x)


def module_for(*arrays: object) -> ModuleType:
    """The array module of the first array among operands (the others may be numbers)."""
    return array_module(next((a for a in arrays if is_array(a)), _NUMBERS_ALONE))


def shape_of(x: object) -> Shape:
    """The shape of an operand, () for a number."""
    return getattr(x, "shape", ())


def unbroadcast(gradient: Array, shape: Shape, factor: Array | float | None = None) -> Array:
    """The gradient of a broadcast: ``gradient``, times a factor, summed over where a value was repeated."""
    on_host = isinstance(gradient, np.ndarray) and gradient.dtype.itemsize > 2  # 16 bits would round each product
    if factor is not None and (gradient.shape == shape or on_host or not is_array(factor)):
        gradient, factor = twins(gradient).elementwise.apply("multiply", gradient, factor), None
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    repeated = tuple(i for i, n in enumerate(gradient.shape) if i < extra or (shape[i - extra] == 1 and n != 1))
    if factor is None:
        return total(gradient, repeated, keepdims=True).reshape(shape)
    return twins(gradient).reduce.reduced("sum", gradient, repeated, factor).reshape(shape)


@restored
def combined(
    name: str,
    inputs: Sequence[Value],
    compute: str | Callable[..., Any],
    slopes: Sequence[Callable[..., Any] | None],
    whole: bool = False,
) -> Any:
    """Record a function of several operands that broadcast, computed in float32 where they are of 16 bits.

    Args:
        name: the op's.
        inputs: what the user passed.
        compute: NumPy's function of this name, or compute(xp, *operands).
        slopes: of each operand, slope(xp, *operands), times which gy is its gradient; None for 0.
        whole: take integers as they are; else they become float32.
    """
    found = operands(name, *inputs)
    if not whole:
        found = [x.astype(_FLOAT) if getattr(x, "dtype", _FLOAT).kind in "biu" else x for x in found]
    xp, first = module_for(*found), next(x for x in found if is_array(x))
    with np.errstate(all="ignore"):
        y = applied(compute, *found) if isinstance(compute, str) else compute(xp, *map(wide, found))
    if y.dtype == np.float32 and all(x.dtype == first.dtype for x in found if is_array(x)):
        y = y.astype(first.dtype, copy=False)

    @restored
    def backward(gy: Array, needs: Needs) -> Gradients:
        def gradient(slope: Callable[..., Any] | None, x: object) -> Array:
            g = xp.zeros_like(gy) if slope is None else wide(gy) * slope(xp, *map(wide, found))
            return unbroadcast(g.astype(gy.dtype, copy=False), shape_of(x))

        with np.errstate(all="ignore"):
            return tuple([gradient(*pair) if need else None for *pair, need in zip(slopes, found, needs, strict=True)])

    return record(name, y, inputs, backward)
