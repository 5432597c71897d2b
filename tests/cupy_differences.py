"""Where CuPy 14.2 computes something else than NumPy, for the look-alike: read off its source, or met on a card."""

from __future__ import annotations

import inspect
import re

import numpy as np

REDUCTIONS = {"sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "all", "any"}
_SCATTERED = {"float16", "float32", "float64", "int32", "uint32", "uint64"}
_ENTRY = r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?{}\s*\(([^)]*)\)'


def check_method(name, a, args, options):
    """A method's arguments that CuPy refuses."""
    if name in REDUCTIONS:
        check_axis(a, options.get("axis", (*args, None)[0]))
    if name in ("argmax", "argmin") and a.dtype.kind == "V":
        raise TypeError(f"cupy_{name} takes no {a.dtype}")


def check_axis(a, axis):
    """NumPy lets a 0-d array be reduced along axis 0 or -1; CuPy does not."""
    axes = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
    for i in axes:
        if not -a.ndim <= i < a.ndim:
            raise np.exceptions.AxisError(i, a.ndim)


def powers(bases, exponents):
    """NumPy refuses negative powers of integers; CuPy gives 1 over them, rounded towards 0."""
    kinds = {getattr(a, "dtype", np.asarray(a).dtype).kind for a in (bases, exponents)}
    if kinds <= {"i", "u"} and np.any(np.asarray(exponents) < 0):
        with np.errstate(divide="ignore"):
            return np.trunc(np.power(np.asarray(bases, np.float64), exponents)).astype(np.result_type(bases))
    return np.power(bases, exponents)


def check_scatter(name, a):
    """ufunc.at is atomicAdd, which not every dtype has."""
    if a.dtype.name not in _SCATTERED:
        raise TypeError(f"scatter_{name} only supports {', '.join(sorted(_SCATTERED))}, as data type")


def adapted(name, args, options):
    """A function's arguments, after CuPy's refusals, such that NumPy's does what CuPy's does."""
    if name in REDUCTIONS:
        check_axis(args[0], options.get("axis", (*args, None)[1]))
    if name == "clip" and args[0].dtype.kind not in "fiu" and any(bound is None for bound in args[1:3]):
        raise TypeError("Unsupported type <class 'NoneType'>")
    if name in ("where", "clip"):  # neither has a loop for bfloat16
        args = tuple(x.astype(np.float32) if getattr(x, "dtype", np.dtype(int)).kind == "V" else x for x in args)
    if name == "where" and not isinstance(args[0], np.ndarray):
        raise AttributeError(f"{type(args[0]).__name__!r} object has no attribute 'astype'")
    if name.endswith("_like") and options.get("shape") == ():
        options = {**options, "shape": None}  # "not given"
    if name == "take_along_axis":
        a, indices, axis = inspect.signature(np.take_along_axis).bind(*args, **options).args
        args, options = (a, indices % a.shape[axis], axis), {}
    return args, options


def from_host(x, dtype=None):
    """The host's array as it arrives: row-major, but where it is column-major, and of the machine's byte order."""
    array = np.array(x, dtype=dtype, order="F" if isinstance(x, np.ndarray) and x.flags.fnc else "C")
    if array.dtype.kind in "OSUMm" or array.dtype.char in "gG":
        raise ValueError(f"Unsupported dtype {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def masks(index):
    """Whether bool arrays are in an index: CuPy counts what they choose, and waits for the number."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, np.ndarray | list) and np.asarray(i).dtype == bool for i in parts)


def view(a, index):
    """a[index]; an element is a view of no dimensions, where NumPy copies it."""
    found = a[index]
    return a[(*(index if isinstance(index, tuple) else (index,)), ...)] if isinstance(found, np.generic) else found


def wrapped_index(a, index):
    """An index whose integer arrays wrap around past the ends, where NumPy's would be an error."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(i) if isinstance(i, np.ndarray | list) else None for i in parts]
    taken = sum(_axes(i, array) for i, array in zip(parts, arrays, strict=True))
    axis, found = 0, []
    for i, array in zip(parts, arrays, strict=True):
        whole = array is not None and array.dtype.kind in "iu"
        found.append(array % a.shape[axis] if whole and axis < a.ndim and a.shape[axis] else i)
        axis += a.ndim - taken if i is Ellipsis else _axes(i, array)
    return tuple(found) if isinstance(index, tuple) else found[0]


def _axes(i, array):
    """How many axes one part of an index speaks of."""
    if array is not None:
        return array.ndim if array.dtype == bool else 1
    return 0 if i is None or i is Ellipsis else 1


def written_by(text, name):
    """Which parameters of a kernel it may write."""
    declared = re.search(_ENTRY.format(name), text)
    assert declared, f"no entry point {name}"
    return ["*" in p and not re.match(r"\s*const\b", p) for p in declared[1].split(",")]
