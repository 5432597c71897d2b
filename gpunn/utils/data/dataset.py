"""PyTorch's torch.utils.data.dataset: the data sets of gpunn.data under that name."""

from gpunn.data import ChainDataset as ChainDataset
from gpunn.data import ConcatDataset as ConcatDataset
from gpunn.data import Dataset as Dataset
from gpunn.data import IterableDataset as IterableDataset
from gpunn.data import StackDataset as StackDataset
from gpunn.data import Subset as Subset
from gpunn.data import TensorDataset as TensorDataset
from gpunn.data import random_split as random_split
