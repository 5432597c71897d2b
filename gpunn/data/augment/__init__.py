"""Augmentation of whole batches, for DataLoader's `transform`.

Each step is called as step(*batch, rng) and returns the batch: images (N, C, H, W), uint8 (0 to 255) or floating (0 to
1 where colours matter), then the other arrays. All random numbers come from `rng`, so that the loader's (seed, epoch,
batch) decides every pixel. No step writes to what it is given.

    transform = Compose(RandomCrop(padding=4), RandomHorizontalFlip(), Normalise(data.mean, data.std))
    loader = DataLoader(ArrayDataset(data.train, data.train_labels), 128, shuffle=True, transform=transform)

On one core that one makes 370,000 CIFAR images/s of batches of 128, and 310,000/s with the loader's gathering from the
memory-mapped set; training ResNet-20 on two cores consumes 300 to 400. RandomAffine makes some 20,000. Of a Resident
data set a device makes the batches itself, to the same bits, where it has a kernel of all steps; `why_not` names what
it lacks.
"""

from gpunn.data.augment.affine import RandomAffine as RandomAffine
from gpunn.data.augment.colour import ColorJitter as ColorJitter
from gpunn.data.augment.crop import Cutout as Cutout
from gpunn.data.augment.crop import RandomCrop as RandomCrop
from gpunn.data.augment.crop import RandomHorizontalFlip as RandomHorizontalFlip
from gpunn.data.augment.masks import WithMasks as WithMasks
from gpunn.data.augment.mixup import Mixup as Mixup
from gpunn.data.augment.program import why_not as why_not
from gpunn.data.augment.step import Compose as Compose
from gpunn.data.augment.step import ImageStep as ImageStep
from gpunn.data.augment.step import Normalise as Normalise
