"""The array type of the ``emulator`` device: NumPy memory whose type says that kernels run on it by emulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from gpunn.emulator.fresh import forget, fresh
from gpunn.emulator.reserve import blocks_to_run, reserved


class EmulatedArray(np.ndarray):
    """A NumPy array that lives on the ``emulator`` device.

    Slices, views, ufuncs and reductions of it are EmulatedArrays too, also where the result is a single number, so
    that dispatch by the array's type never loses the device half-way. ``plain()`` is the ndarray over the same memory.
    ``np.asarray`` and ``np.ascontiguousarray`` give plain ndarrays, by NumPy's rule: use ``copy(order="C")``.
    """

    @classmethod
    def of(cls, array: ArrayLike) -> EmulatedArray:
        """A copy of ``array`` on the emulator device, its memory order kept, in the byte order of kernels."""
        copy = np.array(array, order="K", copy=True, subok=False)
        return copy.astype(copy.dtype.newbyteorder("="), copy=False).view(cls)

    def plain(self) -> np.ndarray:
        """The same memory as a plain ndarray, that is, on the cpu device."""
        return self.view(np.ndarray)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        options = {name: _plain(value) for name, value in options.items()}
        if out is not None:
            _written(*out)
            options["out"] = tuple(_plain(x) for x in out)
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return _emulated(result)

    def __array_function__(self, func, types, args, kwargs):
        if func in (np.copyto, np.put, np.place, np.putmask):
            _written(next(iter(args), None))
        return _emulated(super().__array_function__(func, types, args, kwargs))

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return _emulated(array)

    def __setitem__(self, key, value):
        _written(self)
        super().__setitem__(key, value)

    def fill(self, value):
        _written(self)
        super().fill(value)

    def __getitem__(self, key):
        return _emulated(super().__getitem__(key))


def _reduction(name: str):
    method = getattr(np.ndarray, name)

    def reduce(self, *args, **kwargs):
        out = kwargs.get("out")
        if out is not None:
            kwargs["out"] = _plain(out)
        result = method(self.plain(), *args, **kwargs)
        return out if out is not None else _emulated(result)

    reduce.__name__ = name
    reduce.__doc__ = method.__doc__
    return reduce


# NumPy turns the 0-d results of these methods into scalars, which would drop the device.
_REDUCTIONS = ("sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "all", "any", "trace", "dot")
for _name in _REDUCTIONS:
    setattr(EmulatedArray, _name, _reduction(_name))


def _written(*arrays) -> None:
    """NumPy writes these: -1 and 255 are all 0xFF bytes, which floats hardly ever are."""
    for x in arrays:
        if isinstance(x, EmulatedArray) and x.dtype.kind not in "fc":
            forget(x)


def _plain(x):
    return x.view(np.ndarray) if isinstance(x, EmulatedArray) else x


def _emulated(x):
    if isinstance(x, EmulatedArray):
        return x
    if isinstance(x, (np.ndarray, np.generic)):
        return np.asarray(x).view(EmulatedArray)
    return type(x)(map(_emulated, x)) if type(x) in (tuple, list) else x


def empty(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> EmulatedArray:
    """A new array whose every byte is 0xFF: NaN in floats, -1 in integers. What a kernel forgets to write shows."""
    if blocks_to_run() is not None:
        return reserved(shape if isinstance(shape, tuple) else (shape,), dtype).view(EmulatedArray)
    like = np.broadcast_to(np.empty((), dtype), shape)
    return EmulatedArray(like.shape, like.dtype, fresh(like.nbytes))


def empty_like(x: np.ndarray) -> EmulatedArray:
    """A poisoned array of x's shape, dtype and memory order."""
    like = np.empty_like(_plain(x))
    return EmulatedArray(like.shape, like.dtype, fresh(like.nbytes), 0, like.strides)
