"""Optimisers with PyTorch's update rules, learning-rate schedules, gradient clipping."""

from gpunn.optim import lr_scheduler as lr_scheduler
from gpunn.optim import schedules as schedules
from gpunn.optim.adam import Adam as Adam
from gpunn.optim.adam import AdamW as AdamW
from gpunn.optim.clip import clip_grad_norm_ as clip_grad_norm_
from gpunn.optim.clip import clip_grad_value_ as clip_grad_value_
from gpunn.optim.clip import grad_norm as grad_norm
from gpunn.optim.one_cycle import OneCycleLR as OneCycleLR
from gpunn.optim.optimizer import Optimizer as Optimizer
from gpunn.optim.rmsprop import RMSprop as RMSprop
from gpunn.optim.schedules import CosineAnnealingLR as CosineAnnealingLR
from gpunn.optim.schedules import LinearLR as LinearLR
from gpunn.optim.schedules import MultiStepLR as MultiStepLR
from gpunn.optim.schedules import Schedule as Schedule
from gpunn.optim.schedules import StepLR as StepLR
from gpunn.optim.sgd import SGD as SGD
