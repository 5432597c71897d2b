"""Data sets of single images in torchvision's manner: `dataset[i]` is an image and its label, after the transforms.

Pillow's images come where Pillow is installed, else arrays uint8 (H, W) or (H, W, 3).
"""

from gpunn import left_out as _left_out
from gpunn.data.datasets.cifar import CIFAR10 as CIFAR10
from gpunn.data.datasets.cifar import CIFAR100 as CIFAR100
from gpunn.data.datasets.fake import FakeData as FakeData
from gpunn.data.datasets.folder import DatasetFolder as DatasetFolder
from gpunn.data.datasets.folder import ImageFolder as ImageFolder
from gpunn.data.datasets.mnist import MNIST as MNIST
from gpunn.data.datasets.mnist import FashionMNIST as FashionMNIST
from gpunn.data.datasets.vision import VisionDataset as VisionDataset

__getattr__ = _left_out.refusing(__name__)
