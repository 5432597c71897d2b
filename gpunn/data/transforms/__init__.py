"""Transforms of single images in torchvision's manner: Pillow's images, or Tensors and arrays (C, H, W) on the cpu.

A transform is called with one image and returns one; the `transform` of a data set of `gpunn.data.datasets` takes it.
The steps of the same names in `gpunn.data` (`data.RandomCrop`, `data.ColorJitter`) are others: they take whole batches,
as `transform` of a DataLoader, and are many times as fast.

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    loader = DataLoader(datasets.MNIST("data", transform=transform), 64, shuffle=True)

All random numbers come from gpunn's global stream: `gpunn.manual_seed` decides them, and in a DataLoader's worker
processes the (seed, epoch, batch), by however many workers; its threads share the stream, and take turns as they come.
"""

from gpunn import left_out as _left_out
from gpunn.data.transforms import functional as functional
from gpunn.data.transforms.automatic import RandAugment as RandAugment
from gpunn.data.transforms.colour import ColorJitter as ColorJitter
from gpunn.data.transforms.colour import Grayscale as Grayscale
from gpunn.data.transforms.colour import RandomGrayscale as RandomGrayscale
from gpunn.data.transforms.composed import Compose as Compose
from gpunn.data.transforms.composed import Lambda as Lambda
from gpunn.data.transforms.composed import RandomApply as RandomApply
from gpunn.data.transforms.composed import RandomChoice as RandomChoice
from gpunn.data.transforms.conversion import ConvertImageDtype as ConvertImageDtype
from gpunn.data.transforms.conversion import Normalize as Normalize
from gpunn.data.transforms.conversion import PILToTensor as PILToTensor
from gpunn.data.transforms.conversion import RandomErasing as RandomErasing
from gpunn.data.transforms.conversion import ToPILImage as ToPILImage
from gpunn.data.transforms.conversion import ToTensor as ToTensor
from gpunn.data.transforms.crop import CenterCrop as CenterCrop
from gpunn.data.transforms.crop import Pad as Pad
from gpunn.data.transforms.crop import RandomCrop as RandomCrop
from gpunn.data.transforms.crop import RandomResizedCrop as RandomResizedCrop
from gpunn.data.transforms.crop import Resize as Resize
from gpunn.data.transforms.functional import InterpolationMode as InterpolationMode
from gpunn.data.transforms.turn import RandomAffine as RandomAffine
from gpunn.data.transforms.turn import RandomHorizontalFlip as RandomHorizontalFlip
from gpunn.data.transforms.turn import RandomRotation as RandomRotation
from gpunn.data.transforms.turn import RandomVerticalFlip as RandomVerticalFlip

__getattr__ = _left_out.refusing(__name__)
