"""A Module's parameters and buffers all at once: moved, converted, frozen, their gradients forgotten; and its modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import DTypeLike

from gpunn.backend import Array, Device
from gpunn.engine.tensor import Tensor
from gpunn.nn.contents import Contents, M
from gpunn.nn.parameter import Uninitialized
from gpunn.nn.state import mover
from gpunn.text import brief

S = TypeVar("S", bound="Conversions")


class Conversions(Contents[M]):
    """The part of a Module that changes all that it holds, in place, and gives the Module itself."""

    training: bool

    def train(self: S, mode: bool = True) -> S:
        """Training mode, here and in all Modules inside: dropout drops, batch norm uses the batch's statistics."""
        if mode not in (True, False):
            raise ValueError(f"train: mode is {brief(mode)}, expected True or False; write eval() for evaluation")
        self.training = bool(mode)
        child: Any
        for child in self.children():
            child.train(mode)  # not its attribute: a layer may override train, to stay frozen
        return self

    def eval(self: S) -> S:
        """Evaluation mode: train(False)."""
        return self.train(False)

    def apply(self: S, fn: Callable[[Any], object]) -> S:
        """Call fn on each Module inside and then on this one."""
        child: Any
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(
        self: S,
        *target: Any,
        device: str | Device | int | None = None,
        dtype: DTypeLike | None = None,
        non_blocking: bool = False,
        memory_format: object = None,
    ) -> S:
        """Move parameters, gradients and buffers to a device, convert those of floats to a floating dtype, or both.

        Args:
            target: a device, a dtype, both, or a Tensor whose device and dtype are taken.
            non_blocking, memory_format: taken, and ask nothing: copies are ordered by streams, and weights lie as
                kernels read them.

        >>> layer = nn.Linear(2, 1).to("cpu", "float64")
        >>> layer.weight.dtype
        dtype('float64')
        """
        changes = []
        for one in (*target, dtype, device):
            if one is None or isinstance(one, bool):  # non_blocking by place
                continue
            parts = (one.dtype, one.device) if isinstance(one, Tensor) else (one,)
            changes += [mover(f"cuda:{part}" if isinstance(part, int) else part) for part in parts]

        def change(array: Array) -> Array:
            for step in changes:
                array = step(array)
            return array

        for parameter in self.parameters():
            parameter.change(change)
        module: Any
        for module in self.modules():
            for name, buffer in list(module._own_buffers()):
                if isinstance(buffer, Uninitialized):
                    buffer.change(change)
                elif (array := change(buffer.array)) is not buffer.array:
                    setattr(module, name, array)
        return self

    def cpu(self: S) -> S:
        """To the cpu."""
        return self.to("cpu")

    def cuda(self: S, device: str | Device | int | None = None) -> S:
        """To a GPU: the first, or that of this number."""
        return self.to("cuda" if device is None else device)

    def float(self: S) -> S:
        """To float32."""
        return self.to("float32")

    def double(self: S) -> S:
        """To float64."""
        return self.to("float64")

    def half(self: S) -> S:
        """To float16."""
        return self.to("float16")

    def bfloat16(self: S) -> S:
        """To bfloat16."""
        return self.to("bfloat16")

    def type(self: S, dst_type: DTypeLike) -> S:
        """To a floating dtype: PyTorch's other name of to(dtype)."""
        return self.to(dtype=dst_type)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; with set_to_none=False they become zeros in the memory that they have."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.gradient = None
            elif parameter.gradient is not None:
                parameter.gradient[...] = 0

    def requires_grad_(self: S, requires_grad: bool = True) -> S:
        """Whether all parameters ask for gradients: False freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self
