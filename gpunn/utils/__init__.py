"""PyTorch's torch.utils, as far as it is here: `gpunn.utils.data`."""

from gpunn.utils import data as data
