"""Tensor's methods that give it another dtype, device or owner.

Tensor alone inherits from ConversionMethods.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

# The package, not its parts: those import Tensor, which stands on this class.
import gpunn
from gpunn.asked import dtype_of
from gpunn.backend import DEVICE_TYPES, Array, Device, to_device, to_numpy
from gpunn.engine.autograd import Gradients, Needs

Int: TypeAlias = int  # Tensor has methods of those names
Bool: TypeAlias = bool
Target: TypeAlias = "gpunn.Tensor | str | Device | DTypeLike"
Sizes: TypeAlias = int | tuple[int, ...] | list[int]


class ConversionMethods:
    """Copies and views of one Tensor in another form; gradients flow back through them."""

    __slots__ = ()
    array: Array

    def to(
        self: gpunn.Tensor,
        *target: Target,
        device: str | Device | Int | None = None,
        dtype: DTypeLike | None = None,
        non_blocking: Bool = False,
        copy: Bool = False,
        memory_format: object = None,
    ) -> gpunn.Tensor:
        """On another device (a name or Device), in another dtype, or both; gradients flow back through the move.

        Args:
            target: a device, a dtype, both in this order, or a Tensor whose device and dtype are taken.
            copy: give a copy also where nothing changes.
            non_blocking, memory_format: taken, and ask nothing: copies are ordered by streams, and ops choose layouts.

        Examples:
            >>> gpunn.tensor([1, 2]).to("float32")
            Tensor([1., 2.])
        """
        for one in target:
            if isinstance(one, gpunn.Tensor):
                device, dtype = one.device, one.dtype
            elif isinstance(one, bool) or one is None:
                continue  # non_blocking and copy by place
            elif (named := dtype_or_none(one)) is not None:
                dtype = named
            else:
                device = one  # pyright: ignore[reportAssignmentType]: what names no dtype names one
        wanted = None if dtype is None else dtype_or_none(dtype)
        y = self.array.astype(wanted) if wanted is not None and wanted != self.dtype else self.array
        y = y if device is None else to_device(y, f"cuda:{device}" if isinstance(device, int) else device)
        if y is self.array:
            return self.clone() if copy else self
        before, home = self.dtype, self.device

        def backward(gy: Array, needs: Needs) -> Gradients:
            return (to_device(gy.astype(before) if gy.dtype != before else gy, home),)

        return gpunn.engine.record.remember("to", y, (self,), backward)

    def cpu(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to("cpu")

    def cuda(self: gpunn.Tensor, device: str | Device | Int | None = None, non_blocking: Bool = False) -> gpunn.Tensor:
        return self.to(device="cuda" if device is None else device)

    def clone(self: gpunn.Tensor, memory_format: object = None) -> gpunn.Tensor:
        """A copy in memory of its own, through which gradients flow."""
        return gpunn.engine.record.record("clone", self.array.copy(order="K"), (self,), lambda gy, needs: (gy,))

    def detach_(self: gpunn.Tensor) -> gpunn.Tensor:
        """x itself, cut off from its history."""
        self._node, self._requires_grad = None, False
        return self

    def retain_grad(self: gpunn.Tensor) -> None:
        """Let backward fill .grad of this Tensor, too, which is no leaf."""
        if not self.is_leaf:
            self.register_hook(self._take)

    def type(self: gpunn.Tensor, dtype: DTypeLike | None = None) -> Any:
        """In another dtype; without one the dtype's name."""
        return str(self.dtype) if dtype is None else self.to(dtype=dtype)

    def type_as(self: gpunn.Tensor, other: gpunn.Tensor) -> gpunn.Tensor:
        """In the dtype, and on the device, of another Tensor."""
        return self.to(other)

    def astype(self: gpunn.Tensor, dtype: DTypeLike) -> gpunn.Tensor:
        """NumPy's name of to(dtype=...)."""
        return self.to(dtype=dtype)

    def float(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.float32)

    def double(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.float64)

    def half(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.float16)

    def bfloat16(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype="bfloat16")

    def long(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.int64)

    def int(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.int32)

    def short(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.int16)

    def byte(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.uint8)

    def bool(self: gpunn.Tensor) -> gpunn.Tensor:
        return self.to(dtype=np.bool_)

    def is_floating_point(self) -> Bool:
        return self.array.dtype.kind in "fV"

    def is_complex(self) -> Bool:
        return False

    @property
    def is_cuda(self) -> Bool:
        return gpunn.backend.device_of(self.array).type == "cuda"

    def numpy(self, *, force: Bool = False) -> np.ndarray:
        """The values as a NumPy array, sharing memory where they are on the CPU."""
        return to_numpy(self.array)

    def tolist(self) -> Any:
        return to_numpy(self.array).tolist()

    # New ones, of this dtype and on this device unless told otherwise

    def new_tensor(self: gpunn.Tensor, data: object, dtype: DTypeLike | None = None, **options: Any) -> gpunn.Tensor:
        return gpunn.tensor(data, dtype or self.dtype, options.pop("device", None) or self.device, **options)

    def new_zeros(self: gpunn.Tensor, *size: Sizes, **options: Any) -> gpunn.Tensor:
        return self.new_full(_sizes(size), 0, **options)

    def new_ones(self: gpunn.Tensor, *size: Sizes, **options: Any) -> gpunn.Tensor:
        return self.new_full(_sizes(size), 1, **options)

    def new_empty(self: gpunn.Tensor, *size: Sizes, **options: Any) -> gpunn.Tensor:
        return self.new_full(_sizes(size), 0, **options)

    def new_full(
        self: gpunn.Tensor, size: Sizes, fill_value: float, dtype: DTypeLike | None = None, **options: Any
    ) -> gpunn.Tensor:
        return self.new_tensor(np.full(size, fill_value), dtype, **options)


def _sizes(given: tuple) -> tuple[int, ...]:
    return given[0] if len(given) == 1 and not isinstance(given[0], int) else given


def dtype_or_none(target: Any) -> np.dtype | None:
    """The dtype that ``target`` names, or None where it names a device."""
    if isinstance(target, Device | int) or (isinstance(target, str) and target.split(":")[0] in DEVICE_TYPES):
        return None
    if target == "bfloat16":  # which NumPy knows once ml_dtypes is there
        return dtype_of("bf16")
    try:
        return np.dtype(target)
    except TypeError as error:
        raise TypeError(
            f"to: {target!r} is neither a device nor a dtype; expected for example 'cuda' or 'float64'"
        ) from error
