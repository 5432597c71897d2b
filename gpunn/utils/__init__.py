"""PyTorch's torch.utils, as far as it is here: `gpunn.utils.data`."""

from gpunn import left_out as _left_out
from gpunn.utils import data as data


def __getattr__(name: str) -> object:
    words = _left_out.answer("gpunn.utils", name, _left_out.OF_UTILS)
    raise AttributeError(words or f"module 'gpunn.utils' has no attribute {name!r}")
