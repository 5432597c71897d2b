"""The operators and methods of Tensor. Each is one call of the op of the same name in ``gpunn.ops``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# The package, not its ops: those import Tensor, which stands on this class.
import gpunn
from gpunn.backend import to_numpy


class Operators:
    """Python's operators, and ops as methods."""

    __slots__ = ()
    data: Any

    def item(self) -> Any:
        """The one element as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item: got shape {self.data.shape}, expected one element; index or reduce it first")
        return to_numpy(self.data).item()

    # Arithmetic

    def __add__(self, other):
        return gpunn.ops.add(self, other)

    def __radd__(self, other):
        return gpunn.ops.add(other, self)

    def __sub__(self, other):
        return gpunn.ops.sub(self, other)

    def __rsub__(self, other):
        return gpunn.ops.sub(other, self)

    def __mul__(self, other):
        return gpunn.ops.mul(self, other)

    def __rmul__(self, other):
        return gpunn.ops.mul(other, self)

    def __truediv__(self, other):
        return gpunn.ops.div(self, other)

    def __rtruediv__(self, other):
        return gpunn.ops.div(other, self)

    def __pow__(self, other):
        return gpunn.ops.pow(self, other)

    def __rpow__(self, other):
        return gpunn.ops.pow(other, self)

    def __matmul__(self, other):
        return gpunn.ops.matmul(self, other)

    def __rmatmul__(self, other):
        return gpunn.ops.matmul(other, self)

    def __neg__(self):
        return gpunn.ops.neg(self)

    def __abs__(self):
        return gpunn.ops.abs(self)

    # Comparison: elementwise, as a bool Tensor without a gradient

    def __eq__(self, other):
        return gpunn.ops.equal(self, other)

    def __ne__(self, other):
        return gpunn.ops.not_equal(self, other)

    def __lt__(self, other):
        return gpunn.ops.less(self, other)

    def __le__(self, other):
        return gpunn.ops.less_equal(self, other)

    def __gt__(self, other):
        return gpunn.ops.greater(self, other)

    def __ge__(self, other):
        return gpunn.ops.greater_equal(self, other)

    # By identity, so that parameters can be in sets and be keys.
    __hash__ = object.__hash__

    # As a Python object

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("len() of a Tensor without dimensions; use .item() for its value")
        return self.data.shape[0]

    def __iter__(self) -> Iterator:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return gpunn.ops.getitem(self, index)

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"the truth of a Tensor of shape {self.data.shape} is ambiguous; expected one element: "
                "reduce it first, for example with (a == b).numpy().all()"
            )
        return bool(to_numpy(self.data))

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    # Ops as methods

    def sum(self, axis=None, keepdims=False, **alias):
        return gpunn.ops.sum(self, axis, keepdims, **alias)

    def mean(self, axis=None, keepdims=False, **alias):
        return gpunn.ops.mean(self, axis, keepdims, **alias)

    def var(self, axis=None, correction=1, keepdims=False, **alias):
        return gpunn.ops.var(self, axis, correction, keepdims, **alias)

    def max(self, axis=None, keepdims=False, **alias):
        return gpunn.ops.max(self, axis, keepdims, **alias)

    def min(self, axis=None, keepdims=False, **alias):
        return gpunn.ops.min(self, axis, keepdims, **alias)

    def logsumexp(self, axis=None, keepdims=False, **alias):
        return gpunn.ops.logsumexp(self, axis, keepdims, **alias)

    def argmax(self, axis=None):
        return gpunn.ops.argmax(self, axis)

    def exp(self):
        return gpunn.ops.exp(self)

    def log(self):
        return gpunn.ops.log(self)

    def sqrt(self):
        return gpunn.ops.sqrt(self)

    def abs(self):
        return gpunn.ops.abs(self)

    def pow(self, exponent):
        return gpunn.ops.pow(self, exponent)

    def clip(self, min=None, max=None):
        return gpunn.ops.clip(self, min, max)

    def tanh(self):
        return gpunn.ops.tanh(self)

    def sigmoid(self):
        return gpunn.ops.sigmoid(self)

    def relu(self):
        return gpunn.ops.relu(self)

    def softmax(self, dim):
        return gpunn.ops.softmax(self, dim)

    def matmul(self, other):
        return gpunn.ops.matmul(self, other)

    def reshape(self, *shape):
        return gpunn.ops.reshape(self, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)

    def flatten(self, start_dim=0, end_dim=-1):
        return gpunn.ops.flatten(self, start_dim, end_dim)

    def transpose(self, *axes):
        return gpunn.ops.transpose(self, *axes)

    def permute(self, *dims):
        return gpunn.ops.permute(self, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)

    def squeeze(self, axis=None):
        return gpunn.ops.squeeze(self, axis)

    def unsqueeze(self, axis):
        return gpunn.ops.unsqueeze(self, axis)

    def broadcast_to(self, shape):
        return gpunn.ops.broadcast_to(self, shape)

    @property
    def T(self):
        return gpunn.ops.transpose(self)
