"""U-Net (Ronneberger, Fischer, Brox 2015, "U-Net: convolutional networks for biomedical image segmentation").

A contracting path of convolutions and pooling that says what there is, an expanding path that says where: at each of
its steps the image of the contracting path of the same size comes in beside it. Scores for each pixel come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunn import nn, ops
from gpunn.checks import as_ints, check_choice
from gpunn.engine.tensor import Tensor
from gpunn.nn.fusion import conv_norm

PADDINGS = ("same", "valid")
UPS = ("transpose", "nearest", "bilinear")
HALVINGS = 30  # beyond so many no image is large enough


class TwoConvs(nn.Module):
    """Two 3x3 convolutions, each with ReLU and, where asked for, batch norm in between."""

    conv_norms = (("conv1", "bn1", "relu"), ("conv2", "bn2", "relu"))  # what nn.fuse is told

    def __init__(self, in_channels: int, channels: int, padding: int, batch_norm: bool):
        super().__init__()
        options = {"padding": padding, "bias": not batch_norm}
        self.conv1 = nn.Conv2d(in_channels, channels, 3, **options)
        self.conv2 = nn.Conv2d(channels, channels, 3, **options)
        if batch_norm:
            self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.batch_norm = batch_norm

    def forward(self, x: Tensor) -> Tensor:
        if self.batch_norm:
            x = conv_norm(x, self.conv1, self.bn1, relu=True)
            return conv_norm(x, self.conv2, self.bn2, relu=True)
        return self.conv2(self.conv1(x, "relu"), "relu")


class UNet(nn.Module):
    """Scores (N, num_classes, P, Q) of images (N, in_channels, H, W); with padding "same" P, Q = H, W.

    Args:
        depth: how often the image is halved, and how many channels there are, `width` at first, doubled each time.
        padding: "same", zeros around the image, or "valid", as in the paper: no pixel is made up at the border, and the
            scores are those of the middle (see `output_size`).
        batch_norm: between each 3x3 convolution, which then has no bias, and its ReLU.
        up: how the expanding path doubles an image and halves its channels: "transpose", a transposed 2x2 convolution
            of stride 2 as in the paper; "nearest" or "bilinear", interpolation behind a 1x1 convolution (the two
            commute, and the image is a quarter as large before).

    Weights start from a normal distribution of variance 2 / fan_in (section 3 of the paper). ValueError, with the size
    that it needs, where an image does not halve evenly `depth` times, or is smaller than what one score sees.

    Examples:
        >>> model = gpunn.models.unet(num_classes=3, in_channels=1, depth=2, width=4)
        >>> images, masks = np.zeros((5, 1, 32, 32), np.float32), np.ones((5, 32, 32), np.int64)
        >>> scores = model(images)
        >>> loss = ops.cross_entropy(scores, masks) + ops.dice_loss(scores, masks)
        >>> scores.shape, 0 <= gpunn.train.mean_iou(scores, masks) <= 1
        ((5, 3, 32, 32), True)
    """

    def __init__(
        self,
        num_classes: int = 2,
        in_channels: int = 1,
        depth: int = 4,
        width: int = 64,
        padding: str = "same",
        batch_norm: bool = False,
        up: str = "transpose",
    ):
        super().__init__()
        (self.depth,), (width,) = as_ints("UNet", "depth", depth, 1, 1), as_ints("UNet", "width", width, 1, 1)
        check_choice("UNet", "padding", padding, PADDINGS)
        check_choice("UNet", "up", up, UPS)
        self.padding = padding
        widths = [width << level for level in range(self.depth + 1)]
        options = int(padding == "same"), batch_norm
        before = [in_channels, *widths]
        self.down = nn.ModuleList(TwoConvs(a, b, *options) for a, b in zip(before, widths, strict=False))
        self.pool = nn.MaxPool2d(2)
        steps = [(widths[level + 1], widths[level]) for level in reversed(range(self.depth))]
        self.up = nn.ModuleList(_doubling(a, b, up) for a, b in steps)
        self.expand = nn.ModuleList(TwoConvs(2 * b, b, *options) for _, b in steps)
        self.head = nn.Conv2d(width, num_classes, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"UNet: x is {tuple(x.shape)}, expected (N, C, H, W); add a batch of one with x[None]")
        for side, name in zip(x.shape[2:], ("high", "wide"), strict=True):
            self._check(side, name)
        x, skips = self.down[0](x), []
        for block in self.down[1:]:
            skips.append(x)
            x = block(self.pool(x))
        for up, block in zip(self.up, self.expand, strict=True):
            x = up(x)
            x = block(ops.concatenate([middle(skips.pop(), x.shape[2:]), x], axis=1))
        return self.head(x)

    def output_size(self, side: int) -> int:
        """Pixels of the scores' side, of an image's; ValueError where it takes no image of that side.

        >>> models.unet(depth=1, width=1, padding="valid").output_size(32)
        16
        """
        self._check(side, "wide")
        return side - _lost(self.depth, self.padding)

    def size_for(self, side: int) -> int:
        """The smallest side of an image, `side` or larger, that it takes.

        >>> models.unet(depth=3, width=1).size_for(50), models.unet(depth=2, width=1, padding="valid").size_for(50)
        (56, 52)
        """
        return size_for(side, self.depth, self.padding)

    def _check(self, side: int, name: str) -> None:
        """Refuses a side that the network cannot halve, or is too small for one score."""
        need = self.size_for(side)
        if side != need:
            lost = ", each after a loss of 4" if self.padding == "valid" else ""
            raise ValueError(
                f"UNet: x is {side} pixels {name}, expected a side that leaves a score and halves evenly "
                f"{self.depth} {'time' if self.depth == 1 else 'times'}{lost}; pad or scale the image to {need}"
            )


def unet(
    num_classes: int = 2,
    in_channels: int = 1,
    depth: int = 4,
    width: int = 64,
    padding: str = "same",
    batch_norm: bool = False,
    up: str = "transpose",
) -> UNet:
    """U-Net, 31,030,658 parameters with 2 classes; in the paper 572 x 572 pixels give 388 x 388 scores ("valid")."""
    return UNet(num_classes, in_channels, depth, width, padding, batch_norm, up)


def size_for(side: int, depth: int = 4, padding: str = "same", **options: object) -> int:
    """`UNet.size_for`, of what `unet` takes.

    Examples:
        >>> from gpunn.models.unet import size_for
        >>> size_for(500), size_for(500, padding="valid")
        (512, 508)
    """
    step, least = _step(depth), max(side, _lost(depth, padding) + 1)
    # A side n loses 4 pixels before each halving, so that n + 4 (2^depth - 1) is what has to halve evenly.
    return least + (-least - (4 if padding == "valid" else 0)) % step


def _lost(depth: int, padding: str) -> int:
    """Pixels by which the scores' side is smaller than the image's."""
    return 12 * _step(depth) - 8 if padding == "valid" else 0


def _step(depth: int) -> int:
    """Pixels from one place of the smallest image to the next."""
    return 1 << min(max(depth, 0), HALVINGS)


def _doubling(in_channels: int, channels: int, up: str) -> nn.Module:
    """Twice the side, `channels` channels."""
    if up == "transpose":
        return nn.ConvTranspose2d(in_channels, channels, 2, stride=2)
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1), nn.Upsample(scale_factor=2, mode=up))


def middle(x: Any, sides: Sequence[int]) -> Any:
    """The middle of x (..., H, W), maps, images or masks, of this height and width; x itself where it has them."""
    if tuple(x.shape[-2:]) == tuple(sides):
        return x
    top, left = ((n - m) // 2 for n, m in zip(x.shape[-2:], sides, strict=True))
    return x[..., top : top + sides[0], left : left + sides[1]]
