"""Networks by name: ``models.create("lenet5")``, or call the function of that name."""

from gpunn.models.alexnet import AlexNetLite, alexnet_lite
from gpunn.models.lenet import LeNet5, LeNet20_50_500, lenet5, lenet_20_50_500
from gpunn.models.mlp import mlp
from gpunn.models.registry import create, input_shape, names, takes_size
from gpunn.models.resnet import BasicBlock, CifarResNet, PadShortcut, ResNet, resnet18, resnet20
from gpunn.models.weights import load_safetensors, save_safetensors

__all__ = [
    "AlexNetLite",
    "BasicBlock",
    "CifarResNet",
    "LeNet5",
    "LeNet20_50_500",
    "PadShortcut",
    "ResNet",
    "alexnet_lite",
    "create",
    "input_shape",
    "lenet5",
    "lenet_20_50_500",
    "load_safetensors",
    "mlp",
    "names",
    "resnet18",
    "resnet20",
    "save_safetensors",
    "takes_size",
]
