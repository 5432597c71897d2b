"""PyTorch's torch.optim.lr_scheduler: the learning-rate schedules of gpunn.optim under that name."""

from gpunn.optim.one_cycle import OneCycleLR as OneCycleLR
from gpunn.optim.schedules import CosineAnnealingLR as CosineAnnealingLR
from gpunn.optim.schedules import LinearLR as LinearLR
from gpunn.optim.schedules import MultiStepLR as MultiStepLR
from gpunn.optim.schedules import Schedule as LRScheduler  # noqa: F401
from gpunn.optim.schedules import StepLR as StepLR
