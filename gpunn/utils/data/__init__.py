"""PyTorch's torch.utils.data: the data sets, samplers and loader of gpunn.data under that name."""

from gpunn import left_out as _left_out
from gpunn.data import BatchSampler as BatchSampler
from gpunn.data import ChainDataset as ChainDataset
from gpunn.data import ConcatDataset as ConcatDataset
from gpunn.data import DataLoader as DataLoader
from gpunn.data import Dataset as Dataset
from gpunn.data import DistributedSampler as DistributedSampler
from gpunn.data import IterableDataset as IterableDataset
from gpunn.data import RandomSampler as RandomSampler
from gpunn.data import Sampler as Sampler
from gpunn.data import SequentialSampler as SequentialSampler
from gpunn.data import StackDataset as StackDataset
from gpunn.data import Subset as Subset
from gpunn.data import SubsetRandomSampler as SubsetRandomSampler
from gpunn.data import TensorDataset as TensorDataset
from gpunn.data import WeightedRandomSampler as WeightedRandomSampler
from gpunn.data import default_collate as default_collate
from gpunn.data import default_convert as default_convert
from gpunn.data import get_worker_info as get_worker_info
from gpunn.data import random_split as random_split

__getattr__ = _left_out.refusing(__name__, _left_out.OF_DATA)
from gpunn.utils.data import dataloader as dataloader
from gpunn.utils.data import dataset as dataset
from gpunn.utils.data import distributed as distributed
from gpunn.utils.data import sampler as sampler
