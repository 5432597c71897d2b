"""The Python array API standard over gpunn.ops: what `x.__array_namespace__()` gives of a Tensor.

Names, argument names and defaults are the standard's (2024.12); gradients pass through every function of floats. What
the standard leaves open is decided as in gpunn.ops: integers beside floats become the floats' type, numbers take the
arrays' type, the default type is float32. Functions that gpunn lacks are absent, and say so.

Examples:
    >>> def scaled(x):
    ...     xp = x.__array_namespace__()
    ...     return x / xp.sqrt(xp.sum(xp.square(x)))
    >>> x = Tensor([3.0, 4.0], requires_grad=True)
    >>> scaled(x)
    Tensor([0.6, 0.8], requires_grad=True)
"""

from __future__ import annotations

import math as _math

import numpy as _np

from gpunn import ops as _ops
from gpunn.array_api import numpy_functions as numpy_functions
from gpunn.array_api.creation import arange as arange
from gpunn.array_api.creation import asarray as asarray
from gpunn.array_api.creation import astype as astype
from gpunn.array_api.creation import empty as empty
from gpunn.array_api.creation import empty_like as empty_like
from gpunn.array_api.creation import eye as eye
from gpunn.array_api.creation import from_dlpack as from_dlpack
from gpunn.array_api.creation import full as full
from gpunn.array_api.creation import full_like as full_like
from gpunn.array_api.creation import linspace as linspace
from gpunn.array_api.creation import ones as ones
from gpunn.array_api.creation import ones_like as ones_like
from gpunn.array_api.creation import zeros as zeros
from gpunn.array_api.creation import zeros_like as zeros_like
from gpunn.array_api.functions import clip as clip
from gpunn.array_api.functions import positive as positive
from gpunn.array_api.functions import prod as prod
from gpunn.array_api.functions import reciprocal as reciprocal
from gpunn.array_api.functions import square as square
from gpunn.array_api.functions import std as std
from gpunn.array_api.functions import sum as sum
from gpunn.array_api.functions import take as take
from gpunn.array_api.functions import var as var
from gpunn.array_api.functions import vecdot as vecdot
from gpunn.array_api.inspection import Info as _Info
from gpunn.array_api.inspection import can_cast as can_cast
from gpunn.array_api.inspection import finfo as finfo
from gpunn.array_api.inspection import iinfo as iinfo
from gpunn.array_api.inspection import isdtype as isdtype
from gpunn.array_api.inspection import result_type as result_type
from gpunn.array_api.logic import all as all
from gpunn.array_api.logic import any as any
from gpunn.array_api.logic import isfinite as isfinite
from gpunn.array_api.logic import isinf as isinf
from gpunn.array_api.logic import isnan as isnan
from gpunn.array_api.logic import logical_and as logical_and
from gpunn.array_api.logic import logical_not as logical_not
from gpunn.array_api.logic import logical_or as logical_or
from gpunn.array_api.shape import broadcast_arrays as broadcast_arrays
from gpunn.array_api.shape import concat as concat
from gpunn.array_api.shape import expand_dims as expand_dims
from gpunn.array_api.shape import flip as flip
from gpunn.array_api.shape import matrix_transpose as matrix_transpose
from gpunn.array_api.shape import moveaxis as moveaxis
from gpunn.array_api.shape import permute_dims as permute_dims
from gpunn.array_api.shape import reshape as reshape
from gpunn.array_api.shape import squeeze as squeeze
from gpunn.array_api.shape import unstack as unstack
from gpunn.errors import suggestion as _suggestion
from gpunn.ops import abs as abs
from gpunn.ops import add as add
from gpunn.ops import argmax as argmax
from gpunn.ops import argmin as argmin
from gpunn.ops import broadcast_to as broadcast_to
from gpunn.ops import equal as equal
from gpunn.ops import exp as exp
from gpunn.ops import greater as greater
from gpunn.ops import greater_equal as greater_equal
from gpunn.ops import less as less
from gpunn.ops import less_equal as less_equal
from gpunn.ops import log as log
from gpunn.ops import matmul as matmul
from gpunn.ops import max as max
from gpunn.ops import maximum as maximum
from gpunn.ops import mean as mean
from gpunn.ops import min as min
from gpunn.ops import minimum as minimum
from gpunn.ops import not_equal as not_equal
from gpunn.ops import pow as pow
from gpunn.ops import sqrt as sqrt
from gpunn.ops import stack as stack
from gpunn.ops import tanh as tanh
from gpunn.ops import where as where

__array_api_version__ = "2024.12"
divide, multiply, negative, subtract = _ops.div, _ops.mul, _ops.neg, _ops.sub
e, pi, inf, nan, newaxis = _math.e, _math.pi, _math.inf, _math.nan, None
bool = _np.dtype("bool")
int8, int16, int32, int64 = map(_np.dtype, ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = map(_np.dtype, ("uint8", "uint16", "uint32", "uint64"))
float32, float64 = map(_np.dtype, ("float32", "float64"))


def __array_namespace_info__() -> _Info:
    """What this namespace can do, on which devices, in which types."""
    return _Info()


def __getattr__(name: str) -> object:
    raise AttributeError(
        f"gpunn.array_api has no {name!r}{_suggestion(name, [*globals()])}; expected one of dir(gpunn.array_api): "
        f"compute it with NumPy, of x.detach().numpy(), where no gradient is needed"
    )
