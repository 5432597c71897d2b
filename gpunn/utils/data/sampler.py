"""PyTorch's torch.utils.data.sampler: the samplers of gpunn.data under that name."""

from gpunn.data import BatchSampler as BatchSampler
from gpunn.data import RandomSampler as RandomSampler
from gpunn.data import Sampler as Sampler
from gpunn.data import SequentialSampler as SequentialSampler
from gpunn.data import SubsetRandomSampler as SubsetRandomSampler
from gpunn.data import WeightedRandomSampler as WeightedRandomSampler
