"""PackedSequence: sequences of different lengths without padding, step by step, longest first."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from gpunn.backend import array_module, device_of
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of

Place: TypeAlias = "int | str | None"  # PackedSequence has a method `int`


class _Parts(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Parts):
    """What pack_padded_sequence and pack_sequence give, and recurrent layers take and give.

    Attributes:
        data: (sum of the lengths, *): step 0 of all sequences, longest first, then step 1 of those that have one, ...
        batch_sizes: (L,) int64 on the cpu: how many sequences each step has.
        sorted_indices, unsorted_indices: (N,) int64, which sequence comes first, second, ..., and the way back; None
            where they were sorted.

    Tensors, or of plain arrays arrays. Raises ValueError where batch_sizes is on another device.

    >>> nn.utils.rnn.pack_sequence([gpunn.tensor([1.0, 2.0, 3.0]), gpunn.tensor([4.0, 5.0])]).data
    Tensor([1., 4., 2., 5., 3.])
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Operand | None = None,
        sorted_indices: Operand | None = None,
        unsorted_indices: Operand | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:  # PackedSequence((data, batch_sizes)), as PyTorch's older scripts write
            if not isinstance(data, tuple | list) or len(data) != 2:
                raise TypeError("PackedSequence: batch_sizes is missing; call pack_padded_sequence or pack_sequence")
            data, batch_sizes = data
        if (place := device_of(data_of(batch_sizes))).type != "cpu":
            raise ValueError(f"PackedSequence: batch_sizes is on {place}, expected the cpu; move it with .cpu()")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *target: Any, **options: Any) -> PackedSequence:
        """On another device or in another dtype, as Tensor.to; indices go along to the device."""
        data = (self.data if isinstance(self.data, Tensor) else Tensor(self.data)).to(*target, **options)
        if data is self.data:
            return self
        moved = [None if i is None else Tensor(data_of(i)).to(data.device) for i in self[2:]]
        return PackedSequence(data, self.batch_sizes, *moved)

    def cpu(self) -> PackedSequence:
        """To the cpu."""
        return self.to("cpu")

    def cuda(self, device: Place = None) -> PackedSequence:
        """To a GPU: the first, or that of this number."""
        return self.to("cuda" if device is None else device)

    def double(self) -> PackedSequence:
        """To float64."""
        return self.to("float64")

    def float(self) -> PackedSequence:
        """To float32."""
        return self.to("float32")

    def half(self) -> PackedSequence:
        """To float16."""
        return self.to("float16")

    def long(self) -> PackedSequence:
        """To int64."""
        return self.to("int64")

    def int(self) -> PackedSequence:
        """To int32."""
        return self.to("int32")

    def short(self) -> PackedSequence:
        """To int16."""
        return self.to("int16")

    def char(self) -> PackedSequence:
        """To int8."""
        return self.to("int8")

    def byte(self) -> PackedSequence:
        """To uint8."""
        return self.to("uint8")

    @property
    def is_cuda(self) -> bool:
        """Whether data is on a GPU."""
        return device_of(data_of(self.data)).type == "cuda"

    def is_pinned(self) -> bool:
        """False: DataLoader(pin_memory=True) stages batches in pinned memory itself."""
        return False

    def pin_memory(self) -> PackedSequence:
        """Itself: DataLoader(pin_memory=True) stages batches in pinned memory itself."""
        return self


def invert_permutation(permutation: Operand | None) -> Any:
    """The permutation that undoes one, of the same kind and device; None of None.

    >>> nn.utils.rnn.invert_permutation(np.array([2, 0, 1]))
    array([1, 2, 0])
    """
    if permutation is None:
        return None
    i = data_of(permutation)
    inverse = array_module(i).empty_like(i)
    inverse[i] = array_module(i).arange(i.size, dtype=i.dtype)
    return Tensor(inverse) if isinstance(permutation, Tensor) else inverse
