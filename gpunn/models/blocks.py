"""The blocks of residual networks (He et al. 2015): two 3x3 convolutions, or 1x1, 3x3, 1x1, beside a shortcut."""

from __future__ import annotations

from gpunn import nn, ops
from gpunn.backend.contract import Shape
from gpunn.engine.tensor import Tensor
from gpunn.nn.fusion import conv_norm
from gpunn.nn.receptive import Reach


def conv3x3(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the image's size at stride 1; no bias, since batch norm follows."""
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)


def conv1x1(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without a bias."""
    return nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)


class PadShortcut(nn.Module):
    """Option A of He et al. 2015, section 3.3: every second pixel, new channels zero; no parameters."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        if channels < in_channels:
            raise ValueError(f"PadShortcut: channels is {channels}, expected at least the in_channels {in_channels}")
        self.stride = stride
        self.before = (channels - in_channels) // 2
        self.after = channels - in_channels - self.before

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return ops.pad(x, ((0, 0), (self.before, self.after), (0, 0), (0, 0)))

    def extra_repr(self) -> str:
        return f"stride {self.stride}, channels +{self.before + self.after}"

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return (1, 1), (self.stride, self.stride)


class BasicBlock(nn.Module):
    """conv-bn-relu-conv-bn, plus the shortcut, relu; (N, in_channels, H, W) to (N, channels, H/stride, W/stride).

    ``shortcut`` "B" is torchvision's 1x1 projection, "A" the parameter-free one of the CIFAR networks.
    """

    expansion = 1
    conv_norms = (("conv1", "bn1", "relu"), ("conv2", "bn2", "residual, relu"))  # what nn.fuse is told

    def __init__(self, in_channels: int, channels: int, stride: int = 1, shortcut: str = "B"):
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut("BasicBlock", in_channels, channels, stride, shortcut)

    @property
    def out_channels(self) -> int:
        return self.conv2.out_channels

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        return self.bn2

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        # ReLU, and the addition of the shortcut, are fused into batch norm: one pass over memory in place of three.
        x = conv_norm(x, self.conv1, self.bn1, relu=True)
        return conv_norm(x, self.conv2, self.bn2, relu=True, residual=shortcut)


class Bottleneck(nn.Module):
    """1x1 to ``channels``, 3x3, 1x1 to 4 ``channels``, each with bn and relu, plus the shortcut before the last relu.

    (N, in_channels, H, W) to (N, 4 channels, H/stride, W/stride). ``version`` "1" has the stride in the first 1x1 (He
    et al. 2015), "1.5" in the 3x3, which sees every pixel: torchvision's, some 12 % more work. Keys are the same.
    """

    expansion = 4
    conv_norms = (("conv1", "bn1", "relu"), ("conv2", "bn2", "relu"), ("conv3", "bn3", "residual, relu"))

    def __init__(self, in_channels: int, channels: int, stride: int = 1, shortcut: str = "B", version: str = "1.5"):
        super().__init__()
        if version not in ("1", "1.5"):
            raise ValueError(
                f"Bottleneck: version is {version!r}; expected '1' (stride in the 1x1) or '1.5' (in the 3x3)"
            )
        first, middle = (stride, 1) if version == "1" else (1, stride)
        self.conv1 = conv1x1(in_channels, channels, first)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, middle)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = conv1x1(channels, 4 * channels)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = _shortcut("Bottleneck", in_channels, 4 * channels, stride, shortcut)

    @property
    def out_channels(self) -> int:
        return self.conv3.out_channels

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        return self.bn3

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = conv_norm(x, self.conv1, self.bn1, relu=True)
        x = conv_norm(x, self.conv2, self.bn2, relu=True)
        return conv_norm(x, self.conv3, self.bn3, relu=True, residual=shortcut)


def _shortcut(block: str, in_channels: int, channels: int, stride: int, option: str) -> nn.Module | None:
    """What brings x to the block's output shape; None where it has it."""
    if option not in ("A", "B"):
        raise ValueError(f"{block}: shortcut is {option!r}; expected 'A' (padded identity) or 'B' (1x1 projection)")
    if stride == 1 and in_channels == channels:
        return None
    if option == "A":
        return PadShortcut(in_channels, channels, stride)
    return nn.Sequential(conv1x1(in_channels, channels, stride), nn.BatchNorm2d(channels))
