"""PyTorch's older constructors, one for each dtype: FloatTensor, LongTensor and the rest."""

from __future__ import annotations

import numpy as np

from gpunn.creation.filled import zeros
from gpunn.engine.creation import tensor
from gpunn.engine.tensor import Tensor


class TensorType:
    """A dtype that makes Tensors when it is called: of data, or of sizes, whose values are to be filled in.

    It stands for its dtype, too: `x.type(gpunn.LongTensor)`.

    Examples:
        >>> gpunn.FloatTensor([1, 2]), gpunn.LongTensor(2, 3).shape
        (Tensor([1., 2.]), (2, 3))
    """

    def __init__(self, name: str, dtype: str):
        self.name, self.dtype = name, np.dtype(dtype)

    def __call__(self, *data: object) -> Tensor:
        """Raises what `tensor` and `zeros` raise."""
        if len(data) == 1 and type(data[0]) is not int:
            return tensor(data[0], dtype=self.dtype)
        if any([type(size) is not int for size in data]):
            raise TypeError(f"{self.name}: got {len(data)} values, expected one list, array or Tensor, or sizes")
        return zeros(*(data or (0,)), dtype=self.dtype)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"gpunn.{self.name}"


FloatTensor, DoubleTensor = TensorType("FloatTensor", "float32"), TensorType("DoubleTensor", "float64")
HalfTensor, BoolTensor = TensorType("HalfTensor", "float16"), TensorType("BoolTensor", "bool")
LongTensor, IntTensor = TensorType("LongTensor", "int64"), TensorType("IntTensor", "int32")
ShortTensor, CharTensor = TensorType("ShortTensor", "int16"), TensorType("CharTensor", "int8")
ByteTensor = TensorType("ByteTensor", "uint8")
