"""Data: MNIST, Fashion-MNIST, CIFAR, image folders, generated digits, data sets of arrays, batches, augmentation."""

from gpunn.data.augment import (
    ColorJitter,
    Compose,
    Cutout,
    Mixup,
    Normalise,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
)
from gpunn.data.catalogue import Dataset, load, names
from gpunn.data.cifar import load_cifar10, load_cifar100
from gpunn.data.dataset import ArrayDataset, Subset, split
from gpunn.data.digits import ImageSet, load_digits, make_digits
from gpunn.data.download import DownloadError
from gpunn.data.folder import load_image_folder, read_image_folder
from gpunn.data.idx import read_idx
from gpunn.data.images import normalise
from gpunn.data.loader import DataLoader
from gpunn.data.mnist import load_fashion_mnist, load_mnist

__all__ = [
    "ArrayDataset",
    "ColorJitter",
    "Compose",
    "Cutout",
    "DataLoader",
    "Dataset",
    "DownloadError",
    "ImageSet",
    "Mixup",
    "Normalise",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Subset",
    "load",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_fashion_mnist",
    "load_image_folder",
    "load_mnist",
    "make_digits",
    "names",
    "normalise",
    "read_idx",
    "read_image_folder",
    "split",
]
