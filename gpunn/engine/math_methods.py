"""Tensor's methods that compute element by element, each one call of the op of its name in ``gpunn.ops``.

Tensor alone inherits from MathMethods, so that ``self`` is one.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

# The package, not its ops: those import Tensor, which stands on this class.
import gpunn
from gpunn.engine.operators import Value


class MathMethods:
    """Functions of numbers, comparisons, logic."""

    __slots__ = ()

    def sin(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.sin(self)

    def cos(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.cos(self)

    def tan(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.tan(self)

    def asin(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.asin(self)

    def acos(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.acos(self)

    def atan(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.atan(self)

    def sinh(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.sinh(self)

    def cosh(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.cosh(self)

    def asinh(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.asinh(self)

    def acosh(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.acosh(self)

    def atanh(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.atanh(self)

    def exp(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.exp(self)

    def exp2(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.exp2(self)

    def expm1(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.expm1(self)

    def log(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.log(self)

    def log1p(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.log1p(self)

    def log2(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.log2(self)

    def log10(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.log10(self)

    def sqrt(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.sqrt(self)

    def rsqrt(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.rsqrt(self)

    def reciprocal(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.reciprocal(self)

    def square(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.square(self)

    def erf(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.erf(self)

    def erfc(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.erfc(self)

    def abs(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.abs(self)

    def neg(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.neg(self)

    def sign(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.sign(self)

    def floor(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.floor(self)

    def ceil(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.ceil(self)

    def trunc(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.trunc(self)

    def frac(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.frac(self)

    def tanh(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.tanh(self)

    def sigmoid(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.sigmoid(self)

    def relu(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.relu(self)

    def isnan(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.isnan(self)

    def isinf(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.isinf(self)

    def isfinite(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.isfinite(self)

    def logical_not(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.logical_not(self)

    def bitwise_not(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.bitwise_not(self)

    def round(self: gpunn.Tensor, decimals: int = 0) -> gpunn.Tensor:
        return gpunn.ops.round(self, decimals)

    def nan_to_num(
        self: gpunn.Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> gpunn.Tensor:
        return gpunn.ops.nan_to_num(self, nan, posinf, neginf)

    def clip(self: gpunn.Tensor, min: Value | None = None, max: Value | None = None) -> gpunn.Tensor:
        return gpunn.ops.clip(self, min, max)

    def clamp(self: gpunn.Tensor, min: Value | None = None, max: Value | None = None) -> gpunn.Tensor:
        return gpunn.ops.clip(self, min, max)

    def clamp_min(self: gpunn.Tensor, min: Value) -> gpunn.Tensor:
        return gpunn.ops.clamp_min(self, min)

    def clamp_max(self: gpunn.Tensor, max: Value) -> gpunn.Tensor:
        return gpunn.ops.clamp_max(self, max)

    def add(self: gpunn.Tensor, other: Value, *, alpha: float = 1) -> gpunn.Tensor:
        return gpunn.ops.add(self, other, alpha=alpha)

    def sub(self: gpunn.Tensor, other: Value, *, alpha: float = 1) -> gpunn.Tensor:
        return gpunn.ops.sub(self, other, alpha=alpha)

    def mul(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.mul(self, other)

    def div(self: gpunn.Tensor, other: Value, *, rounding_mode: str | None = None) -> gpunn.Tensor:
        return gpunn.ops.div(self, other, rounding_mode=rounding_mode)

    def pow(self: gpunn.Tensor, exponent: Value) -> gpunn.Tensor:
        return gpunn.ops.pow(self, exponent)

    def floor_divide(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.floor_divide(self, other)

    def remainder(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.remainder(self, other)

    def fmod(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.fmod(self, other)

    def maximum(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.maximum(self, other)

    def minimum(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.minimum(self, other)

    def atan2(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.atan2(self, other)

    def hypot(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.hypot(self, other)

    def logaddexp(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.logaddexp(self, other)

    def logical_and(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.logical_and(self, other)

    def logical_or(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.logical_or(self, other)

    def logical_xor(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.logical_xor(self, other)

    def bitwise_and(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_and(self, other)

    def bitwise_or(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_or(self, other)

    def bitwise_xor(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_xor(self, other)

    def lerp(self: gpunn.Tensor, end: Value, weight: Value) -> gpunn.Tensor:
        return gpunn.ops.lerp(self, end, weight)

    def addcmul(self: gpunn.Tensor, tensor1: Value, tensor2: Value, *, value: float = 1) -> gpunn.Tensor:
        return gpunn.ops.addcmul(self, tensor1, tensor2, value=value)

    def addcdiv(self: gpunn.Tensor, tensor1: Value, tensor2: Value, *, value: float = 1) -> gpunn.Tensor:
        return gpunn.ops.addcdiv(self, tensor1, tensor2, value=value)

    # Comparison

    def eq(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.equal(self, other)

    def ne(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.not_equal(self, other)

    def lt(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.less(self, other)

    def le(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.less_equal(self, other)

    def gt(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.greater(self, other)

    def ge(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.greater_equal(self, other)

    # PyTorch's other names

    absolute, negative, subtract, multiply = abs, neg, sub, mul
    divide = true_divide = div
    arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh
    arctan2, fix = atan2, trunc
    not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
