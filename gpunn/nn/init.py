"""Initialisers: each fills a Tensor, Parameter or array in place from gpunn.random, and returns it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from gpunn import random
from gpunn.backend import Array, device_of, is_array, to_device
from gpunn.engine import written
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn.truncated import truncated
from gpunn.random import Generator
from gpunn.restored import Setting

T = TypeVar("T", bound=Tensor | Array)

_CHUNK = 1 << 20  # numbers drawn at once: the words behind a normal one take 50 bytes for a while
_skipping: ContextVar[bool] = ContextVar("gpunn initialisers draw nothing", default=False)


def skip() -> Setting[bool]:
    """Inside, uniform_, normal_ and all that stand on them draw nothing and leave the values as they are.

    For a network whose weights are loaded or set at once: its layers' memory stays untouched until then. Constants,
    such as batch norm's ones, are still set.
    """
    return Setting(_skipping, lambda before: True)


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> T:
    """From the uniform distribution over [a, b)."""
    if not a <= b:
        raise ValueError(f"uniform_: a is {a} and b is {b}, expected a <= b")
    source = generator or random
    return _draw(tensor, lambda count: source.uniform(count, a, b))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> T:
    """From the normal distribution."""
    if std < 0:
        raise ValueError(f"normal_: std is {std}, expected at least 0")
    source = generator or random
    return _draw(tensor, lambda count: source.normal(count, mean, std))


def trunc_normal_(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> T:
    """From the normal distribution, of which only what lies in [a, b] is taken.

    >>> x = nn.init.trunc_normal_(gpunn.empty(1000), std=0.02, a=-0.04, b=0.04)
    >>> float(abs(x).numpy().max()) <= 0.04
    True
    """
    if std <= 0 or not a < b:
        raise ValueError(f"trunc_normal_: std is {std}, a {a} and b {b}, expected std > 0 and a < b")
    low, high, source = (a - mean) / std, (b - mean) / std, generator or random
    return _draw(tensor, lambda count: np.clip(mean + std * truncated(count, low, high, source), a, b))


def constant_(tensor: T, val: float) -> T:
    """All elements val."""
    _memory(tensor)[...] = val
    return tensor


def zeros_(tensor: T) -> T:
    """All elements 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """All elements 1."""
    return constant_(tensor, 1.0)


def eye_(tensor: T) -> T:
    """The identity: ones on the diagonal of a matrix, zeros elsewhere."""
    shape = data_of(tensor).shape
    if len(shape) != 2:
        raise ValueError(f"eye_: tensor is {shape}, expected 2 dimensions")
    return _fill(tensor, np.eye(*shape))


def dirac_(tensor: T, groups: int = 1) -> T:
    """Filters (K, C, *) that pass channel c of each group on as channel c, as long as there are some."""
    shape = data_of(tensor).shape
    if len(shape) not in (3, 4, 5) or groups < 1 or shape[0] % groups:
        raise ValueError(
            f"dirac_: tensor is {shape}, expected 3 to 5 dimensions, the first a multiple of {groups} groups"
        )
    values, each = np.zeros(shape), shape[0] // groups
    centre = tuple([n // 2 for n in shape[2:]])
    for k in range(shape[0]):
        if k % each < shape[1]:
            values[(k, k % each, *centre)] = 1
    return _fill(tensor, values)


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Uniform with std gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = math.sqrt(3) * _xavier_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Normal with std gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain), generator)


def kaiming_uniform_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Uniform with std gain / sqrt(fan) (He et al., 2015); a is the slope of a leaky ReLU."""
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Normal with std gain / sqrt(fan) (He et al., 2015); a is the slope of a leaky ReLU."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """As a matrix (first axis x the rest) with orthonormal rows or columns, whichever are fewer, times gain.

    Q of a normal matrix, its signs set by R's diagonal, is uniform over such matrices (Saxe et al., 2014;
    Mezzadri, 2007).
    """
    shape = data_of(tensor).shape
    if len(shape) < 2:
        raise ValueError(f"orthogonal_: tensor is {shape}, expected at least 2 dimensions")
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr((generator or random).normal((max(rows, columns), min(rows, columns)), dtype=np.float64))
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(shape))


def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> T:
    """Normal, with the fraction `sparsity` of each column, rounded up, set to 0 (Martens, 2010). Matrices only."""
    shape = data_of(tensor).shape
    if len(shape) != 2:
        raise ValueError(f"sparse_: tensor is {shape}, expected 2 dimensions")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is {sparsity}, expected 0 to 1: the fraction of zeros in a column")
    source = generator or random
    values, zeros = source.normal(shape, 0.0, std), math.ceil(sparsity * shape[0])
    # The smallest of independent draws are a uniform choice without replacement, for all columns at once.
    np.put_along_axis(values, source.uniform(shape).argsort(axis=0)[:zeros], 0, axis=0)
    return _fill(tensor, values)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain that keeps a signal's variance through a nonlinearity, as in PyTorch; param is a leaky ReLU's slope."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    gains |= {f"conv{transposed}{n}d": 1.0 for n in (1, 2, 3) for transposed in ("", "_transpose")}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: nonlinearity is {nonlinearity!r}, expected leaky_relu, {', '.join(gains)}")
    return gains[nonlinearity]


def fans(name: str, tensor: Tensor | Array) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (K, C, *): C and K times the window's positions."""
    shape = data_of(tensor).shape
    if len(shape) < 2:
        raise ValueError(f"{name}: tensor is {shape}, expected at least 2 dimensions (out, in, ...): fans need both")
    positions = math.prod(shape[2:])
    return shape[1] * positions, shape[0] * positions


def default_(weight: Tensor | Array, bias: Tensor | Array | None = None) -> None:
    """PyTorch's default for convolutions and Linear: both uniform over +-1 / sqrt(fan_in of weight)."""
    fan_in, _ = fans("default_", weight)
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)


def reset_affine(weight: Tensor | None, bias: Tensor | None) -> None:
    """The first values of a norm's weight and bias, where it has them: ones and zeros."""
    for tensor, value in ((weight, 1.0), (bias, 0.0)):
        if tensor is not None:
            constant_(tensor, value)


def reset_statistics(layer: Any) -> None:
    """The running statistics of a norm that has seen nothing, where it has them: mean 0, variance 1, no batches."""
    for name, value in (("running_mean", 0.0), ("running_var", 1.0), ("num_batches_tracked", 0)):
        if (buffer := getattr(layer, name)) is not None:
            constant_(buffer, value)


def _xavier_std(name: str, tensor: Tensor | Array, gain: float) -> float:
    return gain * math.sqrt(2 / sum(fans(name, tensor)))


def _kaiming_std(name: str, tensor: Tensor | Array, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(name, tensor)[mode == "fan_out"])


def _draw(tensor: T, draw: Callable[[int], np.ndarray]) -> T:
    """Fill with what draw(count) gives, in parts: chunks of whole blocks of four continue one stream of numbers."""
    array = _memory(tensor)
    if _skipping.get():
        return tensor
    if not array.flags.c_contiguous:
        counts = [min(_CHUNK, array.size - start) for start in range(0, array.size, _CHUNK)] or [0]
        return _fill(tensor, np.concatenate([draw(count) for count in counts]).reshape(array.shape))
    flat = array.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        _fill(part, draw(part.size))
    return tensor


def _memory(tensor: Tensor | Array) -> Array:
    """The very array to fill. `data_of` would copy one in another byte order, and make one of a list."""
    array = tensor.array if isinstance(tensor, Tensor) else tensor
    if not is_array(array):
        raise TypeError(f"init: tensor is a {type(tensor).__name__}, expected a Tensor or an array to fill")
    if not getattr(array.flags, "writeable", True):
        raise ValueError(f"init: tensor {array.shape} is read-only, expected memory to fill; pass a copy of it")
    if isinstance(tensor, Tensor) and tensor._read:
        written.note(written.blocks([array]))
    return array


def _fill(tensor: T, values: np.ndarray) -> T:
    array = _memory(tensor)
    array[...] = to_device(values.astype(array.dtype), device_of(array))
    return tensor
