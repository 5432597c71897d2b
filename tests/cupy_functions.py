"""The functions of the look-alike of CuPy (tests/cupy_stand_in.py): NumPy's of the same name, after CuPy's refusals."""

from __future__ import annotations

import inspect

import numpy as np

from tests import cupy_allocator, cupy_capture, cupy_launch
from tests import cupy_differences as differences
from tests.cupy_array import _computed, _index, _values, _written, ndarray

_LIBRARIES = dict.fromkeys(("matmul", "dot", "tensordot", "inner", "vdot", "einsum", "matrix_power"), "cuBLAS") | (
    dict.fromkeys(("cholesky", "det", "eigh", "inv", "lstsq", "pinv", "qr", "slogdet", "solve", "svd"), "cuSOLVER")
)
_COUNTED = ("nonzero", "flatnonzero", "argwhere", "unique", "bincount", "extract", "compress")  # whose size is read
# On whichever device.
_VIEWS = ("broadcast_to", "expand_dims", "squeeze", "transpose", "moveaxis", "swapaxes", "as_strided")
_SENT = ("array", "asanyarray", "ascontiguousarray", "asfortranarray")


class Ufunc:
    def __init__(self, name, ufunc):
        self.name, self.ufunc = name, ufunc

    def __call__(self, *args, **options):
        assert set(options) <= {"out", "dtype", "casting"}, f"cupy.{self.name} takes no {', '.join(options)}"
        if self.name == "matmul":
            cupy_capture.refuse_library("cuBLAS")
        ufunc = differences.powers if self.name == "power" and not options else self.ufunc
        out = options.pop("out", None)
        if out is None:
            return _computed(self.name, lambda *given: ufunc(*given, **options), *args)
        _written(self.name, lambda to, *given: ufunc(*given, out=to, **options), out, *_values(args))
        return out

    def at(self, a, indices, b=None):
        assert self.name in ("add", "subtract", "maximum", "minimum"), self.name
        differences.check_scatter(self.name, a._values)

        def run(to, index, x):
            self.ufunc.at(to, differences.wrapped_index(to, index), x)

        _written(f"{self.name}.at", run, a, _index(indices), _values(b))


def _check_capture(name, args):
    """What CuPy refuses while the current stream captures."""
    if name in _LIBRARIES:
        cupy_capture.refuse_library(_LIBRARIES[name])
    if name in _COUNTED or (name == "where" and len(args) == 1):
        cupy_capture.refuse_copy("D2H transfers")
    if name in _SENT and not isinstance(args[0], ndarray) and np.ndim(args[0]):
        cupy_capture.refuse_copy("H2D transfers")


def function(name, real, numpys):
    signature = inspect.signature(real)

    def compute(given, named):
        given, named = differences.adapted(name, given, named)
        return numpys(*given, **named)

    def run(*args, **options):
        signature.bind(*args, **options)
        _check_capture(name, args)
        out = options.get("out")
        if out is not None:
            _written(name, lambda to, given, named: compute(given, {**named, "out": to}), out, *_parts(args, options))
            return out
        if name in _VIEWS and isinstance(args[0], ndarray):
            return cupy_launch.made(ndarray._of, name, lambda a: compute((a, *args[1:]), options), args[0]._memory,
                                    viewed=args[0])
        values = _parts(args, options)
        if name == "empty_like":
            like = compute(*values)
            return ndarray._of(cupy_allocator.empty(like.shape, like.dtype, like=like))
        how = cupy_launch.new if name.endswith("_like") else cupy_launch.made
        return how(ndarray._of, name, compute, *values)

    run.__name__ = name
    return run


def _parts(args, options):
    return _values(args), _values({key: value for key, value in options.items() if key != "out"})
