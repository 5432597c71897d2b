"""Data: MNIST, generated digits, data sets of arrays, batches."""

from gpunn.data.catalogue import Dataset, load, names, normalise
from gpunn.data.dataset import ArrayDataset, Subset, split
from gpunn.data.digits import ImageSet, load_digits, make_digits
from gpunn.data.download import DownloadError
from gpunn.data.idx import read_idx
from gpunn.data.loader import DataLoader
from gpunn.data.mnist import load_mnist

__all__ = [
    "ArrayDataset",
    "DataLoader",
    "Dataset",
    "DownloadError",
    "ImageSet",
    "Subset",
    "load",
    "load_digits",
    "load_mnist",
    "make_digits",
    "names",
    "normalise",
    "read_idx",
    "split",
]
