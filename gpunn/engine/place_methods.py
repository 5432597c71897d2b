"""Tensor's methods that change it in place, named with an underscore at the end; ops/in_place.py has their rules.

Tensor alone inherits from PlaceMethods.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# The package, not its ops: those import Tensor, which stands on this class.
import gpunn
from gpunn import random
from gpunn.engine.operators import Value


def _changed(name: str) -> Callable[..., gpunn.Tensor]:
    """The op `name` in place: x.exp_() is x with the values of ops.exp(x)."""

    def method(self: gpunn.Tensor, *args: object, **options: object) -> gpunn.Tensor:
        return gpunn.ops.in_place.into(self, getattr(gpunn.ops, name)(self, *args, **options), f"{name}_")

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"x itself, with the values of ops.{name}(x, ...)."
    return method


def _reshaped(name: str) -> Callable[..., gpunn.Tensor]:
    """The method `name` in place, of one that gives a view of another shape."""

    def method(self: gpunn.Tensor, *args: object, **options: object) -> gpunn.Tensor:
        return gpunn.ops.in_place.reshaped(self, getattr(self, name)(*args, **options), f"{name}_")

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"x itself, in the form of x.{name}(...)."
    return method


class PlaceMethods:
    """Python's augmented assignments, and PyTorch's methods with an underscore."""

    __slots__ = ()

    def __iadd__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.add, self, other)

    def __isub__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.sub, self, other)

    def __imul__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.mul, self, other)

    def __itruediv__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.div, self, other)

    def __ifloordiv__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.floor_divide, self, other)

    def __imod__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.remainder, self, other)

    def __iand__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.bitwise_and, self, other)

    def __ior__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.bitwise_or, self, other)

    def __ixor__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.bitwise_xor, self, other)

    def __ipow__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.in_place.update(gpunn.ops.pow, self, other)

    def __setitem__(self: gpunn.Tensor, index: Any, value: Value) -> None:
        gpunn.ops.in_place.assign(self, index, value)

    def add_(self: gpunn.Tensor, other: Value, *, alpha: float = 1) -> gpunn.Tensor:
        """x + alpha * other."""
        return gpunn.ops.in_place.update(gpunn.ops.add, self, other, alpha=alpha)

    def sub_(self: gpunn.Tensor, other: Value, *, alpha: float = 1) -> gpunn.Tensor:
        """x - alpha * other."""
        return gpunn.ops.in_place.update(gpunn.ops.sub, self, other, alpha=alpha)

    def fill_(self: gpunn.Tensor, value: float) -> gpunn.Tensor:
        """Every element one number."""
        number = value.item() if isinstance(value, gpunn.Tensor) else value
        return gpunn.ops.in_place.fill(self, number, "fill_")

    def zero_(self: gpunn.Tensor) -> gpunn.Tensor:
        """Every element 0."""
        return gpunn.ops.in_place.fill(self, 0, "zero_")

    def copy_(self: gpunn.Tensor, src: Value, non_blocking: bool = False) -> gpunn.Tensor:
        """The values of src, which broadcasts to x, in x's dtype and on its device; gradients flow to src."""
        source = src if isinstance(src, gpunn.Tensor) else gpunn.Tensor(src)
        values = source.to(self.device).to(self.dtype)
        if values is src and (values.requires_grad or not self.is_leaf):
            values = values.clone()  # which x may take for its own
        if values.shape != self.shape:
            values = gpunn.ops.broadcast_to(values, self.shape)
        return gpunn.ops.in_place.into(self, values, "copy_")

    def normal_(
        self: gpunn.Tensor, mean: float = 0, std: float = 1, *, generator: random.Generator | None = None
    ) -> gpunn.Tensor:
        """Normally distributed numbers of gpunn.random's stream, or the generator's."""
        return _filled(self, (generator or random).normal(self.shape, mean, std), "normal_")

    def uniform_(
        self: gpunn.Tensor,
        from_: float = 0,
        to: float = 1,
        *,
        generator: random.Generator | None = None,
        **names: float,
    ) -> gpunn.Tensor:
        """Uniform numbers on [from, to) of gpunn.random's stream, or the generator's."""
        low = names.pop("from", from_)
        if names:
            raise TypeError(f"uniform_: got {', '.join(names)}, expected from, to and generator; leave the others out")
        return _filled(self, (generator or random).uniform(self.shape, low, to), "uniform_")

    def bernoulli_(self: gpunn.Tensor, p: float = 0.5, *, generator: random.Generator | None = None) -> gpunn.Tensor:
        """1 with the probability p, a number or one an element, else 0."""
        chance = np.asarray(gpunn.to_numpy(p) if isinstance(p, gpunn.Tensor) else p)
        if not ((chance >= 0) & (chance <= 1)).all():
            raise ValueError(f"bernoulli_: p is {p}, expected probabilities from 0 to 1; clip it first")
        return _filled(self, (generator or random).uniform(self.shape) < chance, "bernoulli_")

    def random_(
        self: gpunn.Tensor, low: int = 0, high: int | None = None, *, generator: random.Generator | None = None
    ) -> gpunn.Tensor:
        """Whole numbers from low to high - 1, alike often; random_(n) takes 0 to n - 1."""
        low, high = (0, low) if high is None else (low, high)
        if high <= low:
            raise ValueError(
                f"random_: got {low} to {high}, expected a range that is not empty; pass random_(n), n >= 1"
            )
        values = np.floor((generator or random).uniform(self.shape, 0, 1, np.float64) * (high - low)) + low
        return _filled(self, values, "random_")

    def exponential_(
        self: gpunn.Tensor, lambd: float = 1, *, generator: random.Generator | None = None
    ) -> gpunn.Tensor:
        """Exponentially distributed numbers of the mean 1 / lambd."""
        if not lambd > 0:
            raise ValueError(f"exponential_: lambd is {lambd}, expected above 0: one over the mean")
        uniform = (generator or random).uniform(self.shape, 0, 1, np.float64)
        return _filled(self, -np.log1p(-uniform) / lambd, "exponential_")

    abs_, neg_, exp_, log_, sqrt_ = map(_changed, ("abs", "neg", "exp", "log", "sqrt"))
    pow_, mul_, div_, matmul_ = map(_changed, ("pow", "mul", "div", "matmul"))
    relu_, sigmoid_, tanh_, clip_ = map(_changed, ("relu", "sigmoid", "tanh", "clip"))
    clamp_, clamp_min_, clamp_max_, lerp_ = map(_changed, ("clamp", "clamp_min", "clamp_max", "lerp"))
    addcmul_, addcdiv_, remainder_, fmod_ = map(_changed, ("addcmul", "addcdiv", "remainder", "fmod"))
    sin_, cos_, tan_, erf_, sign_, square_ = map(_changed, ("sin", "cos", "tan", "erf", "sign", "square"))
    log1p_, log2_, log10_, expm1_, exp2_ = map(_changed, ("log1p", "log2", "log10", "expm1", "exp2"))
    rsqrt_, reciprocal_, nan_to_num_, cumsum_ = map(_changed, ("rsqrt", "reciprocal", "nan_to_num", "cumsum"))
    round_, floor_, ceil_, trunc_, frac_ = map(_changed, ("round", "floor", "ceil", "trunc", "frac"))
    scatter_, scatter_add_, index_add_, index_copy_ = map(
        _changed, ("scatter", "scatter_add", "index_add", "index_copy")
    )
    index_fill_, masked_fill_, tril_, triu_ = map(_changed, ("index_fill", "masked_fill", "tril", "triu"))
    addmm_, addmv_, baddbmm_ = map(_changed, ("addmm", "addmv", "baddbmm"))
    floor_divide_, cumprod_, hypot_, atan2_ = map(_changed, ("floor_divide", "cumprod", "hypot", "atan2"))
    asin_, acos_, atan_, sinh_, cosh_, erfc_ = map(_changed, ("asin", "acos", "atan", "sinh", "cosh", "erfc"))
    logical_and_, logical_or_, logical_xor_ = map(_changed, ("logical_and", "logical_or", "logical_xor"))
    logical_not_, bitwise_not_ = map(_changed, ("logical_not", "bitwise_not"))
    squeeze_, unsqueeze_, transpose_, t_ = map(_reshaped, ("squeeze", "unsqueeze", "transpose", "t"))
    swapaxes_, swapdims_ = map(_reshaped, ("swapaxes", "swapdims"))


def _filled(x: gpunn.Tensor, values: np.ndarray, name: str) -> gpunn.Tensor:
    """x with values that have no history, in its dtype."""
    made = gpunn.Tensor(gpunn.to_device(values.astype(x.dtype, copy=False), x.device))
    return gpunn.ops.in_place.into(x, made, name)
