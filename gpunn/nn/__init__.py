"""Module, Parameter and the layers: they hold parameters and call gpunn.ops. Names and keys are PyTorch's."""

from gpunn.nn import init
from gpunn.nn.activation import LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Softplus, Tanh
from gpunn.nn.containers import ModuleList, Sequential
from gpunn.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose2d
from gpunn.nn.linear import Dropout, Flatten, Identity, Linear
from gpunn.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from gpunn.nn.module import Module
from gpunn.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from gpunn.nn.parameter import Parameter
from gpunn.nn.pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d

__all__ = [
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "init",
]
