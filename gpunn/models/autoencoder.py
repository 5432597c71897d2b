"""Auto-encoders: networks that make their input again from a short code of it, and so learn what such inputs share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

from gpunn import nn, ops
from gpunn.checks import as_count, as_ints, check_choice
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.models.noise import GaussianNoise, Masking
from gpunn.text import brief

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}
NOISES = {"masking": Masking, "gaussian": GaussianNoise}


class AutoEncoder(nn.Module):
    """An encoder from images to codes (N, latent), and a decoder from codes to images.

    Args:
        encoder: takes the images.
        decoder: takes what the encoder gives, and gives images.
        noise: changes the images in training alone, such as Masking: what comes out is then to be the image without it
            (Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders").

    Examples:
        >>> model = gpunn.models.autoencoder(hidden=(64,), latent=8)
        >>> images = np.random.default_rng(0).random((5, 1, 28, 28), np.float32)
        >>> model.encode(images).shape, model(images).shape
        ((5, 8), (5, 1, 28, 28))
        >>> model.loss(model(images), images).shape
        ()
    """

    loss_name: ClassVar[str] = "mean squared error"

    def __init__(self, encoder: nn.Module, decoder: nn.Module, noise: nn.Module | None = None):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.noise = nn.Identity() if noise is None else noise

    def encode(self, x: Operand) -> Tensor:
        """The codes (N, latent) of images (N, C, H, W)."""
        return self.encoder(x)

    def decode(self, z: Operand) -> Tensor:
        """The images (N, C, H, W) that codes (N, latent) stand for."""
        return self.decoder(z)

    def forward(self, x: Operand) -> Any:
        return self.decode(self.encode(self.noise(x)))

    def loss(self, output: Any, images: Operand) -> Tensor:
        """What training makes small: the mean over all pixels of (output - images)^2.

        Args:
            output: what forward gave.
            images: what it should have given, (N, C, H, W): without noise.
        """
        return ops.mse_loss(output, images)


def dense(name: str, widths: Sequence[int], activation: str) -> list[nn.Module]:
    """Linear layers of these widths, the activation behind each but the last. Errors name the network `name`."""
    check_choice(name, "activation", activation, tuple(ACTIVATIONS))
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), ACTIVATIONS[activation]()]
    return layers[:-1]


def as_widths(name: str, option: str, values: object) -> tuple[int, ...]:
    """The widths of hidden layers, perhaps none. TypeError, ValueError for others than whole numbers from 1 on."""
    if not isinstance(values, (tuple, list)):
        raise TypeError(f"{name}: {option} is {brief(values)}, expected a list of widths, such as (128,)")
    return as_ints(name, option, tuple(values), len(values), 1) if values else ()


def image_shape(name: str, in_channels: int, image_size: int) -> tuple[int, int, int]:
    """(C, H, W) of square images."""
    side = as_count(name, "image_size", image_size)
    return as_count(name, "in_channels", in_channels), side, side


def as_latent(name: str, latent: int) -> int:
    """The number of numbers in a code. ValueError for none: a decoder would have nothing to tell images apart by."""
    try:
        return as_count(name, "latent", latent)
    except ValueError as error:
        raise ValueError(f"{error}: the numbers in a code, such as 32") from None


def autoencoder(
    in_channels: int = 1,
    image_size: int = 28,
    hidden: Sequence[int] = (128,),
    latent: int = 32,
    activation: str = "relu",
    output: str = "sigmoid",
) -> AutoEncoder:
    """A fully connected auto-encoder: 784-128-32-128-784, 209,968 parameters, for pixels from 0 to 1.

    Args:
        hidden: widths between image and code; the decoder has them the other way round.
        latent: numbers in a code, which is linear.
        activation: of the hidden layers: relu, tanh, sigmoid, linear.
        output: of the image: sigmoid, for pixels from 0 to 1, or one of the others.

    Raises:
        ValueError: a width or a latent of 0; an activation that there is not.

    References:
        Hinton, Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.

    Examples:
        >>> gpunn.models.autoencoder(latent=2).encode(np.zeros((3, 1, 28, 28), np.float32)).shape
        (3, 2)
    """
    encoder, decoder = _halves("autoencoder", in_channels, image_size, hidden, latent, activation, output)
    return AutoEncoder(encoder, decoder)


def _halves(
    name: str, in_channels: int, image_size: int, hidden: Sequence[int], latent: int, activation: str, output: str
) -> tuple[nn.Sequential, nn.Sequential]:
    """A fully connected encoder and its mirror image."""
    shape = image_shape(name, in_channels, image_size)
    pixels = shape[0] * shape[1] * shape[2]
    widths = (pixels, *as_widths(name, "hidden", hidden), as_latent(name, latent))
    check_choice(name, "output", output, tuple(ACTIVATIONS))
    encoder = nn.Sequential(nn.Flatten(), *dense(name, widths, activation))
    last = [] if output == "linear" else [ACTIVATIONS[output]()]
    return encoder, nn.Sequential(*dense(name, widths[::-1], activation), *last, nn.Unflatten(1, shape))


def linear_autoencoder(in_channels: int = 1, image_size: int = 28, latent: int = 32) -> AutoEncoder:
    """One linear layer to the code and one back, which at its best is principal component analysis.

    The decoder's weights then span the space of the first `latent` principal components, in a basis of their own, and
    its bias holds the mean (Baldi, Hornik 1989, "Neural networks and principal component analysis").

    Examples:
        >>> gpunn.models.linear_autoencoder(latent=4)(np.zeros((3, 1, 28, 28), np.float32)).shape
        (3, 1, 28, 28)
    """
    return AutoEncoder(*_halves("linear_autoencoder", in_channels, image_size, (), latent, "linear", "linear"))


def denoising_autoencoder(
    in_channels: int = 1,
    image_size: int = 28,
    hidden: Sequence[int] = (500,),
    latent: int = 100,
    activation: str = "relu",
    noise: str = "masking",
    level: float = 0.3,
) -> AutoEncoder:
    """A fully connected auto-encoder that sees images with noise, in training alone, and is to make them without.

    Args:
        noise: "masking", which makes pixels 0, or "gaussian", which adds normal numbers (Vincent et al. 2010).
        level: the share of pixels that become 0; the standard deviation of what is added.
        hidden, latent, activation: as of autoencoder.

    Raises:
        ValueError: a level outside 0 to 1, of "gaussian" below 0; a noise that there is not.

    Examples:
        >>> gpunn.models.denoising_autoencoder(level=0.5).noise
        Masking(p 0.5)
    """
    name = "denoising_autoencoder"
    check_choice(name, "noise", noise, tuple(NOISES))
    encoder, decoder = _halves(name, in_channels, image_size, hidden, latent, activation, "sigmoid")
    return AutoEncoder(encoder, decoder, NOISES[noise](level))


def size_for(side: int, channels: Sequence[int] = (16, 32), **options: object) -> int:
    """The smallest side of an image, this one or larger, that conv_autoencoder takes with these options."""
    return -(-side // 2 ** len(channels)) * 2 ** len(channels)


def conv_autoencoder(
    in_channels: int = 1,
    image_size: int = 28,
    channels: Sequence[int] = (16, 32),
    latent: int = 32,
    activation: str = "relu",
) -> AutoEncoder:
    """A convolutional auto-encoder: strided convolutions to a code, and transposed ones back; pixels from 0 to 1.

    Args:
        channels: maps of each 3x3 convolution of stride 2, which halves the image; the way back is of 4x4 transposed
            convolutions, each of whose outputs has as many terms.
        latent, activation: as of autoencoder.

    Raises:
        ValueError: an image_size that cannot be halved so often, a latent of 0, no channels.

    Examples:
        >>> gpunn.models.conv_autoencoder(in_channels=3, image_size=32, latent=64).encoder[0]
        Conv2d(3->16, 3x3, stride 2, padding 1)
    """
    name = "conv_autoencoder"
    shape = image_shape(name, in_channels, image_size)
    maps = (shape[0], *as_widths(name, "channels", channels))
    halvings = len(maps) - 1
    if not halvings or image_size % 2**halvings:
        raise ValueError(
            f"{name}: image_size is {image_size} and channels {maps[1:]}, expected at least one convolution and a size "
            f"that is a multiple of {2**halvings}: each halves it"
        )
    check_choice(name, "activation", activation, tuple(ACTIVATIONS))
    small = maps[-1], image_size // 2**halvings, image_size // 2**halvings
    features, latent = small[0] * small[1] * small[2], as_latent(name, latent)
    down: list[nn.Module] = []
    up: list[nn.Module] = []
    for fewer, more in pairwise(maps):
        down += [nn.Conv2d(fewer, more, 3, stride=2, padding=1), ACTIVATIONS[activation]()]
    for more, fewer in pairwise(maps[::-1]):
        up += [ACTIVATIONS[activation](), nn.ConvTranspose2d(more, fewer, 4, stride=2, padding=1)]
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(features, latent))
    return AutoEncoder(encoder, nn.Sequential(nn.Linear(latent, features), nn.Unflatten(1, small), *up, nn.Sigmoid()))
