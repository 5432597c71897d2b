"""PyTorch's torch.utils.data.distributed: the sampler of gpunn.data under that name."""

from gpunn.data import DistributedSampler as DistributedSampler
