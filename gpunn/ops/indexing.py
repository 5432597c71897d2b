"""Selection by index, and its counterpart for labels: getitem and one_hot."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, capture, is_array, twins
from gpunn.backend.contract import Shape
from gpunn.engine.alias import stand_for_a_view
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import LabelError
from gpunn.ops.out import with_out
from gpunn.scalars import as_int


def getitem(x: A, index: Any) -> A:
    """``x[index]`` with NumPy's rules: ints, slices, None, ..., bool masks and integer arrays (which may repeat).

    But an int apart from an array is taken first, as PyTorch does: ``x[0, :, [1, 2]]`` is ``x[0][:, [1, 2]]``.

    >>> ops.getitem([[1.0, 2.0], [3.0, 4.0]], (slice(None), 0))
    array([1., 3.], dtype=float32)
    """
    a = data_of(x)
    index = as_index(index)
    _refuse_bytes(a, index)
    first, index = ints_first(index, a.ndim)
    if first is not None:
        return getitem(getitem(x, first), index)
    if capture.now.get() is not None and type(a) is not np.ndarray:
        _refuse_captured(index)
    index = tuple(map(_as_int, index)) if isinstance(index, tuple) else _as_int(index)
    try:
        _check_on_host(a, index)
        y = a[index]
        if isinstance(y, np.generic):  # NumPy copies a single element; PyTorch's shares memory, as a[0, ...] does
            y = a[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    except IndexError as error:
        raise IndexError(f"getitem: index does not fit shape {a.shape}: {error}") from None
    xp, shape = array_module(a), a.shape

    def backward(gy: Array, needs: Needs) -> Gradients:
        parts = index if isinstance(index, tuple) else (index,)
        if any(is_array(i) and i.dtype.kind in "iu" for i in parts):
            return (twins(gy).indexing.add(gy, index, shape),)  # an element taken twice gets both gradients
        box = _box(parts, shape)
        if box is not None:
            view, first, step = box
            return (twins(gy).elementwise.place(gy[view], shape, first, step),)
        gx = xp.zeros_like(gy, shape=shape or (1,)).reshape(shape)  # CuPy takes shape=() for "not given"
        gx[index] = gy
        return (gx,)

    made = record("getitem", y, (x,), backward, owned=True)
    if isinstance(x, Tensor) and _is_of_device_ints(index if isinstance(index, tuple) else (index,)):
        stand_for_a_view(x, made)
    return made


def _as_int(i: Any) -> Any:
    """An index without dimensions on the host as an int, which chooses a view, as PyTorch's."""
    return int(i) if isinstance(i, np.ndarray) and i.ndim == 0 and i.dtype.kind in "iu" else i


def _is_of_device_ints(parts: tuple[Any, ...]) -> bool:
    """Whether a number that only the device knows chooses what PyTorch makes a view, and CuPy a copy."""
    ranks = [i.ndim for i in parts if is_array(i)]
    return bool(ranks) and not any(ranks) and all(i.dtype.kind in "iu" for i in parts if is_array(i))


def _box(parts: tuple[Any, ...], shape: Shape) -> tuple[tuple[Any, ...], Shape, Shape] | None:
    """How the gradient of an index of ints, slices, None and ... lies in one of x's shape; None for any other index.

    The view of it with x's axes, and along each where it begins and in what steps.
    """
    if not all([part is None or part is Ellipsis or type(part) in (int, slice) for part in parts]):
        return None
    named = len([part for part in parts if part is not None and part is not Ellipsis])
    at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    whole = (slice(None),) * (len(shape) - named)
    view: list[Any] = []
    first, step = [], []
    for part in (*parts[:at], *whole, *parts[at + 1 :]):
        if part is None:
            view.append(0)
            continue
        places = range(shape[len(first)])[part]
        if isinstance(places, int):
            view.append(None)
            places = range(places, places + 1)
        else:
            view.append(slice(None) if places.step > 0 else slice(None, None, -1))
        places = places if places.step > 0 else places[::-1]
        first.append(places.start)
        step.append(places.step)
    return tuple(view), tuple(first), tuple(step)


def as_index(index: Any) -> Any:
    """What NumPy and CuPy take, from whatever may index a Tensor."""
    return tuple(map(_index, index)) if isinstance(index, tuple) else _index(index)


def ints_first(index: Any, rank: int) -> tuple[Any, Any]:
    """An index of ints apart from arrays as two, one to take behind the other; of any other None and itself.

    Alone, NumPy counts such an int as an array, and puts the arrays' dimensions in front; likewise where a ... that
    stands for no dimension of the `rank` keeps arrays apart, which is left out.
    """
    arrays = [is_array(i) and i.ndim > 0 for i in index] if isinstance(index, tuple) else []
    if True not in arrays:
        return None, index
    spans = [i.ndim if is_array(i) and i.dtype.kind == "b" else int(i is not None and i is not ...) for i in index]
    index = tuple([i for i in index if i is not ... or sum(spans) < rank])
    ints = [type(i) is int or (isinstance(i, np.generic | np.ndarray) and i.ndim == 0 and i.dtype.kind in "iu")
            for i in index]  # fmt: skip
    taken = [n for n, i in enumerate(index) if ints[n] or (is_array(i) and i.ndim > 0)]
    if True not in ints or taken == list(range(taken[0], taken[-1] + 1)):
        return None, index
    first: list[Any] = []
    for is_int, i in zip(ints, index, strict=True):
        if is_int or i is Ellipsis:
            first.append(int(i) if is_int else i)
        elif i is not None:
            first += [slice(None)] * (i.ndim if is_array(i) and i.dtype.kind == "b" else 1)
    return tuple(first), tuple([i for is_int, i in zip(ints, index, strict=True) if not is_int])


def _index(i: Any) -> Any:
    """One part of an index; Tensors, lists and whatever else NumPy reads as one become arrays."""
    if isinstance(i, Tensor):
        i = i.array
    if isinstance(i, list | tuple | range):
        return np.asarray(i, dtype=np.int64 if len(i) == 0 else None)
    if isinstance(i, bool | np.bool_):  # a mask without dimensions
        return np.asarray(i)
    foreign = hasattr(i, "__array__") and not is_array(i) and not isinstance(i, np.generic)
    return np.asarray(i) if foreign else i


def _refuse_bytes(a: Array, index: Any) -> None:
    """TypeError for bytes in x's shape, which PyTorch reads as a mask, and NumPy as places."""
    if is_array(index) and index.dtype == np.uint8 and index.ndim and index.shape == a.shape[: index.ndim]:
        raise TypeError(
            f"getitem: the index is uint8 and has x's shape {index.shape}, so that it may be a mask or places; "
            "expected bool or int64: convert it, with index.astype('bool') or index.astype('int64')"
        )


def _refuse_captured(index: Any) -> None:
    """CaptureError for an index that a graph cannot have."""
    for i in index if isinstance(index, tuple) else (index,):
        if is_array(i) and i.dtype.kind == "b":
            capture.refuse("getitem: how many a mask chooses only the device knows; use where, or indices")
        if type(i) is np.ndarray:
            capture.refuse("getitem: the index is the host's, and a graph would repeat it; send it before the step")


def _check_on_host(a: Array, index: Any) -> None:
    """IndexError for integer arrays of the host that point past a's end: on a GPU they would wrap around unseen."""
    parts = index if isinstance(index, tuple) else (index,)
    if isinstance(a, np.ndarray) or not any(type(i) is np.ndarray and i.dtype.kind in "iu" for i in parts):
        return
    axes = [i.ndim if is_array(i) and i.dtype.kind == "b" else int(i is not None and i is not Ellipsis) for i in parts]
    axis = 0
    for i, spanned in zip(parts, axes, strict=True):
        if i is Ellipsis:
            spanned = a.ndim - sum(axes)
        elif type(i) is np.ndarray and i.dtype.kind in "iu" and i.size and axis < a.ndim:
            low, high, n = int(i.min()), int(i.max()), a.shape[axis]
            if low < -n or high >= n:
                wrong = low if low < -n else high
                raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {n}")
        axis += spanned


@with_out
def one_hot(target: A, num_classes: int = -1, *, out: Array | None = None) -> A:
    """int64 (*, num_classes): 1 at each label of target (*), else 0. num_classes -1 counts to the largest label.

    IndexError: a label that is no class; on a device noted, and raised by the next gpunn.to_numpy, its row zeros.

    >>> ops.one_hot(np.array([0, 2]), 3)
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    t = data_of(target)
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"one_hot: target is {t.dtype}, expected integer labels; convert it with target.astype('int64')"
        )
    num_classes = as_int("one_hot", "num_classes", num_classes)
    if num_classes < 1 and num_classes != -1:
        raise ValueError(
            f"one_hot: num_classes is {num_classes}, expected at least 1, or -1 to count to the largest label"
        )
    if t.size == 0 and num_classes == -1:
        raise ValueError(f"one_hot: target {t.shape} is empty, so its classes cannot be counted; pass num_classes")
    if num_classes == -1:
        capture.refuse("one_hot: the host counts the classes where num_classes is -1; pass num_classes")
        num_classes = max(int(t.max()), 0) + 1
    twins(t).indexing.check(t, num_classes, LabelError.of_row, "one_hot", num_classes)
    y = (t[..., None] == array_module(t).arange(num_classes)).astype("int64")
    return record("one_hot", y, (target,), lambda gy, needs: (None,))
