"""Optimisers with PyTorch's update rules, learning-rate schedules, gradient clipping."""

from gpunn.optim import schedules
from gpunn.optim.adam import Adam, AdamW
from gpunn.optim.clip import clip_grad_norm_, clip_grad_value_, grad_norm
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.rmsprop import RMSprop
from gpunn.optim.schedules import CosineAnnealingLR, LinearLR, MultiStepLR, OneCycleLR, Schedule, StepLR
from gpunn.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
    "grad_norm",
    "schedules",
]
