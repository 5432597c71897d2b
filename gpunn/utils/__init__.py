"""PyTorch's torch.utils, as far as it is here: `gpunn.utils.data`."""

from gpunn import left_out as _left_out
from gpunn.utils import data as data

__getattr__ = _left_out.refusing(__name__, _left_out.OF_UTILS)
