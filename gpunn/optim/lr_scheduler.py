"""PyTorch's torch.optim.lr_scheduler: the learning-rate schedules of gpunn.optim under that name."""

from gpunn import left_out as _left_out
from gpunn.optim.cyclic import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from gpunn.optim.cyclic import CyclicLR as CyclicLR
from gpunn.optim.one_cycle import OneCycleLR as OneCycleLR
from gpunn.optim.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from gpunn.optim.schedule import LRScheduler as LRScheduler
from gpunn.optim.schedules import ConstantLR as ConstantLR
from gpunn.optim.schedules import CosineAnnealingLR as CosineAnnealingLR
from gpunn.optim.schedules import ExponentialLR as ExponentialLR
from gpunn.optim.schedules import LambdaLR as LambdaLR
from gpunn.optim.schedules import LinearLR as LinearLR
from gpunn.optim.schedules import MultiplicativeLR as MultiplicativeLR
from gpunn.optim.schedules import MultiStepLR as MultiStepLR
from gpunn.optim.schedules import PolynomialLR as PolynomialLR
from gpunn.optim.schedules import StepLR as StepLR
from gpunn.optim.sequential import ChainedScheduler as ChainedScheduler
from gpunn.optim.sequential import SequentialLR as SequentialLR

__getattr__ = _left_out.refusing(__name__)
