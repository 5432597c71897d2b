"""Optimisers with PyTorch's update rules, learning-rate schedules, gradient clipping."""

from gpunn import left_out as _left_out
from gpunn.optim import lr_scheduler as lr_scheduler
from gpunn.optim import schedules as schedules
from gpunn.optim import swa_utils as swa_utils
from gpunn.optim.adagrad import Adadelta as Adadelta
from gpunn.optim.adagrad import Adagrad as Adagrad
from gpunn.optim.adam import Adam as Adam
from gpunn.optim.adam import Adamax as Adamax
from gpunn.optim.adam import AdamW as AdamW
from gpunn.optim.adam import NAdam as NAdam
from gpunn.optim.adam import RAdam as RAdam
from gpunn.optim.asgd import ASGD as ASGD
from gpunn.optim.clip import clip_grad_norm_ as clip_grad_norm_
from gpunn.optim.clip import clip_grad_value_ as clip_grad_value_
from gpunn.optim.clip import grad_norm as grad_norm
from gpunn.optim.cyclic import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from gpunn.optim.cyclic import CyclicLR as CyclicLR
from gpunn.optim.lbfgs import LBFGS as LBFGS
from gpunn.optim.muon import Muon as Muon
from gpunn.optim.one_cycle import OneCycleLR as OneCycleLR
from gpunn.optim.optimizer import Optimizer as Optimizer
from gpunn.optim.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from gpunn.optim.rmsprop import RMSprop as RMSprop
from gpunn.optim.rprop import Rprop as Rprop
from gpunn.optim.schedule import LRScheduler as LRScheduler
from gpunn.optim.schedule import Schedule as Schedule
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
from gpunn.optim.sgd import SGD as SGD

__getattr__ = _left_out.refusing(__name__, _left_out.OF_OPTIM)
