"""Networks by name: ``models.create("lenet5")``, or call the function of that name."""

from gpunn.models.alexnet import AlexNet, AlexNetLite, alexnet, alexnet_lite
from gpunn.models.blocks import BasicBlock, Bottleneck, PadShortcut
from gpunn.models.inception import (
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionV4,
    ReductionA,
    ReductionB,
    StemEnd,
    StemPool,
    StemSplit,
    inception_stem,
    inception_v4,
)
from gpunn.models.lenet import LeNet5, LeNet20_50_500, lenet5, lenet_20_50_500
from gpunn.models.mlp import mlp
from gpunn.models.registry import create, input_shape, names, options_of, takes_size
from gpunn.models.resnet import (
    CifarResNet,
    ResNet,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
    resnet101,
    resnet110,
    resnet152,
)
from gpunn.models.table_conv import TableConv2d
from gpunn.models.vgg import VGG, vgg11, vgg11_bn, vgg16, vgg16_bn
from gpunn.models.weights import load_safetensors, save_safetensors

__all__ = [
    "VGG",
    "AlexNet",
    "AlexNetLite",
    "BasicBlock",
    "Bottleneck",
    "CifarResNet",
    "InceptionA",
    "InceptionB",
    "InceptionC",
    "InceptionV4",
    "LeNet5",
    "LeNet20_50_500",
    "PadShortcut",
    "ReductionA",
    "ReductionB",
    "ResNet",
    "StemEnd",
    "StemPool",
    "StemSplit",
    "TableConv2d",
    "alexnet",
    "alexnet_lite",
    "create",
    "inception_stem",
    "inception_v4",
    "input_shape",
    "lenet5",
    "lenet_20_50_500",
    "load_safetensors",
    "mlp",
    "names",
    "options_of",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "save_safetensors",
    "takes_size",
    "vgg11",
    "vgg11_bn",
    "vgg16",
    "vgg16_bn",
]
