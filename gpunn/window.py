"""Window: the geometry of every convolution and pooling, as one value; Pooling: what follows a convolution."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Ints: TypeAlias = int | Sequence[int]  # one for all dimensions, or one each


def tuple_of(value: Ints, rank: int) -> tuple[int, ...]:
    """An int, or a sequence of ``rank`` ints, as a tuple of ``rank`` ints."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * rank


def size_text(sizes: Iterable[object]) -> str:
    """(3, 5) as "3x5"."""
    return "x".join(map(str, sizes))


def short_text(values: Sequence[object]) -> str:
    """(3, 5) as "3x5", (2, 2) as "2"; a word as it is."""
    if isinstance(values, str):
        return values
    return str(values[0]) if len(set(values)) == 1 else size_text(values)


class Window(NamedTuple):  # which is hashed in C, at every call of a plan
    """A sliding window: per spatial dimension its size, stride, padding (on both sides) and dilation."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, size: Ints, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1, rank: int = 2) -> Window:
        """A window from ints or tuples; an int counts for every dimension."""
        return cls(*(tuple_of(value, rank) for value in (size, stride, padding, dilation)))

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def positions(self) -> int:
        """Elements under the window, R*S in two dimensions."""
        return math.prod(self.size)

    @property
    def extent(self) -> tuple[int, ...]:
        """Input elements from the window's first to its last, dilation included."""
        return tuple([(k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True)])

    def out(self, in_size: tuple[int, ...], ceil_mode: bool = False) -> tuple[int, ...]:
        """Output size for an input size; may be <= 0 where the window does not fit.

        With ``ceil_mode`` a last window may hang over the right edge, but must start inside the input or its left
        padding, as in PyTorch.
        """
        out = []
        for n, extent, step, pad in zip(in_size, self.extent, self.stride, self.padding, strict=True):
            room = n + 2 * pad - extent
            p = (-(-room // step) if ceil_mode else room // step) + 1
            out.append(p - 1 if ceil_mode and (p - 1) * step >= n + pad else p)
        return tuple(out)

    def transposed_out(self, in_size: tuple[int, ...], output_padding: tuple[int, ...]) -> tuple[int, ...]:
        """Output size of the transposed convolution: the input size that ``out`` maps to ``in_size``."""
        return tuple(
            (n - 1) * s - 2 * p + e + o
            for n, s, p, e, o in zip(in_size, self.stride, self.padding, self.extent, output_padding, strict=True)
        )

    def __str__(self) -> str:
        text = f"{size_text(self.size)}, stride {short_text(self.stride)}, padding {short_text(self.padding)}"
        return text if set(self.dilation) == {1} else f"{text}, dilation {short_text(self.dilation)}"


@dataclass(frozen=True)
class Pooling:
    """What ops.conv2d pools its result with: ``kind`` "max" or "avg", and the options of max_pool2d or avg_pool2d.

    ``flat``: the result is (N, K*P*Q), as ops.flatten(y, 1) gives it, and as the kernel may write it at once.

    >>> gpunn.Pooling.max(3, stride=2)
    Pooling(max 3x3, stride 2, padding 0)
    """

    kind: str
    win: Window
    ceil_mode: bool = False
    count_include_pad: bool = True
    flat: bool = False

    @classmethod
    def max(
        cls, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1,
        ceil_mode: bool = False, flat: bool = False,
    ) -> Pooling:  # fmt: skip
        """The largest element of each window, as ops.max_pool2d has it."""
        win = Window.of(kernel_size, kernel_size if stride is None else stride, padding, dilation)
        return cls("max", win, ceil_mode, flat=flat)

    @classmethod
    def avg(
        cls, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, flat: bool = False,
    ) -> Pooling:  # fmt: skip
        """The mean of each window, as ops.avg_pool2d has it."""
        win = Window.of(kernel_size, kernel_size if stride is None else stride, padding)
        return cls("avg", win, ceil_mode, count_include_pad, flat)

    def out(self, in_size: tuple[int, ...]) -> tuple[int, ...]:
        """Output size for an input size."""
        return self.win.out(in_size, self.ceil_mode)

    def __repr__(self) -> str:
        text = f"{self.kind} {self.win}" + ", ceil_mode" * self.ceil_mode
        return f"Pooling({text}{', padding not counted' * (not self.count_include_pad)}{', flat' * self.flat})"
