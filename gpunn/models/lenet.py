"""The LeNets: LeCun's LeNet-5 and the wider 20-50-500 network that Caffe's tutorial made common."""

from __future__ import annotations

from gpunn import nn
from gpunn.engine.tensor import Tensor
from gpunn.models.table_conv import TableConv2d
from gpunn.nn import fusion

# LeCun et al. 1998, table I: which of S2's six maps each of C3's sixteen reads.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


class LeNet5(nn.Module):
    """LeNet-5 with tanh and average pooling; (N, in_channels, 28, 28) to (N, num_classes).

    LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B, with a linear last layer
    and padding 2 in place of a 32x32 input. Full connections between the two convolutions make 61,706 parameters;
    ``partial`` takes the paper's table I, 60,806. (The paper's 60,000 count 44 of its trainable pooling more, and not
    the 850 of the last layer, whose codes it fixed.)
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, partial: bool = False):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.pool1 = nn.AvgPool2d(2)
        self.conv2 = TableConv2d(C3_TABLE, 5) if partial else nn.Conv2d(6, 16, 5)
        self.pool2 = nn.AvgPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = fusion.conv_pool(x, self.conv1, "tanh", self.pool1)
        x = fusion.conv_pool(x, self.conv2, "tanh", self.pool2, flat=True)
        x = fusion.linear(x, self.fc1, "tanh")
        x = fusion.linear(x, self.fc2, "tanh")
        return self.fc3(x)


class LeNet20_50_500(nn.Module):
    """Two 5x5 convolutions (20 and 50 filters) with max pooling and ReLU, then 500 units; (N, in_channels, 28, 28).

    The layer sizes of Caffe's LeNet (Jia et al. 2014), with ReLU after the convolutions too. 431,080 parameters.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 20, 5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(50 * 4 * 4, 500)
        self.fc2 = nn.Linear(500, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = fusion.conv_pool(x, self.conv1, "relu", self.pool1)
        x = fusion.conv_pool(x, self.conv2, "relu", self.pool2, flat=True)
        x = fusion.linear(x, self.fc1, "relu")
        return self.fc2(x)


def lenet5(num_classes: int = 10, in_channels: int = 1, partial: bool = False) -> LeNet5:
    """LeNet-5 (LeCun 1998) for 28x28 images; 61,706 parameters, or 60,806 with the paper's ``partial`` connections."""
    return LeNet5(num_classes, in_channels, partial)


def lenet_20_50_500(num_classes: int = 10, in_channels: int = 1) -> LeNet20_50_500:
    """The 20-50-500 LeNet for 28x28 images; 431,080 parameters."""
    return LeNet20_50_500(num_classes, in_channels)
