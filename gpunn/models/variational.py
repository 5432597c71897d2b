"""The variational auto-encoder: a code that is a distribution, and a bound on the images' likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gpunn import creation, nn, ops
from gpunn.checks import as_count, check_choice
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.models.autoencoder import ACTIVATIONS, as_latent, as_widths, dense, image_shape
from gpunn.ops.precision import widened


class Variational(NamedTuple):
    """What a variational auto-encoder gives in training; `reconstruction` and `kl` follow from it.

    Attributes:
        logits: of the pixels, (N, C, H, W), made from a sample of the code.
        mean: of the code's normal distribution, (N, latent).
        log_variance: of the same.
    """

    logits: Tensor
    mean: Tensor
    log_variance: Tensor

    @property
    def reconstruction(self) -> Tensor:
        """The images, from 0 to 1."""
        return ops.sigmoid(self.logits)

    @property
    def kl(self) -> Tensor:
        """KL(q(z | x) || N(0, 1)) of each number of each code in nats, (N, latent): Kingma and Welling, appendix B."""
        mean, log_variance = widened(self.mean, self.log_variance)
        return 0.5 * (mean * mean + ops.exp(log_variance) - 1 - log_variance)


class VariationalAutoEncoder(nn.Module):
    """Images from codes that are normally distributed; the encoder gives each image's mean and variance.

    In training forward draws a code from them, z = mean + standard deviation * noise, so that gradients flow to both
    (the noise is of gpunn.random), and gives a Variational. In evaluation it gives the images made from the mean.

    Args:
        encoder: from images to features.
        features: how many of them.
        decoder: from codes (N, latent) to logits of pixels.
        latent: numbers in a code.

    References:
        Kingma, Welling, "Auto-encoding variational Bayes", ICLR 2014.
    """

    loss_name: ClassVar[str] = "nats an image"

    def __init__(self, encoder: nn.Module, features: int, decoder: nn.Module, latent: int):
        super().__init__()
        self.latent = as_latent("VariationalAutoEncoder", latent)
        self.encoder = encoder
        self.mean = nn.Linear(features, latent)
        self.log_variance = nn.Linear(features, latent)
        self.decoder = decoder

    def encode(self, x: Operand) -> Tensor:
        """The means (N, latent) of the codes of images (N, C, H, W)."""
        return self.mean(self.encoder(x))

    def decode(self, z: Operand) -> Tensor:
        """The images (N, C, H, W), from 0 to 1, that codes (N, latent) stand for."""
        return ops.sigmoid(self.decoder(z))

    def drawn(self, x: Operand) -> Variational:
        """What forward gives in training: a code drawn for each image, and the pixels' logits made from it."""
        features = self.encoder(x)
        mean, log_variance = self.mean(features), self.log_variance(features)
        z = mean + ops.exp(0.5 * log_variance) * creation.randn_like(mean)
        return Variational(self.decoder(z), mean, log_variance)

    def forward(self, x: Operand) -> Any:
        return self.drawn(x) if self.training else self.decode(self.encode(x))

    def loss(self, output: Any, images: Operand) -> Tensor:
        """The bound on -log p(images) in nats an image: the pixels' cross-entropy plus the divergence, summed.

        Both are of one code drawn for each image. The cross-entropy is that of Bernoulli pixels, whose chance of being
        white is the image's grey.

        Args:
            output: what forward gave. Of images alone, as in evaluation, a code is drawn anew.
            images: what it should have given, (N, C, H, W).

        Raises:
            ValueError: on `cpu`, images with numbers outside 0 to 1, for which there is no bound.
        """
        _check_pixels(images)
        found = output if isinstance(output, Variational) else self.drawn(images)
        pixels = math.prod(found.logits.shape[1:])
        wrong = ops.binary_cross_entropy_with_logits(found.logits, images) * pixels
        return wrong + ops.mean(ops.sum(found.kl, 1))

    def sample(self, n: int) -> Tensor:
        """Images (n, C, H, W) of codes drawn from N(0, 1)."""
        weight = self.mean.weight
        z = creation.randn(as_count("sample", "n", n), self.latent, dtype=weight.dtype, device=weight.device)
        return self.decode(z)


def _check_pixels(images: Operand) -> None:
    a = data_of(images)
    if type(a) is np.ndarray and a.size and not (a.min() >= 0 and a.max() <= 1):  # NaN, too
        raise ValueError(
            f"vae: images reach from {a.min():g} to {a.max():g}, expected 0 to 1, a pixel's chance of being white; "
            "divide bytes by 255, and do not normalise"
        )


def vae(
    in_channels: int = 1,
    image_size: int = 28,
    hidden: Sequence[int] = (500,),
    latent: int = 20,
    activation: str = "relu",
) -> VariationalAutoEncoder:
    """A fully connected variational auto-encoder 784-500-20-500-784, 815,824 parameters, for pixels from 0 to 1.

    Args:
        hidden: widths between image and code; the decoder has them the other way round. At least one.
        latent: numbers in a code.
        activation: of the hidden layers: relu, tanh (the paper's), sigmoid, linear.

    Raises:
        ValueError: a width or a latent of 0, no width; an activation that there is not.

    Examples:
        >>> model = gpunn.models.vae(hidden=(64,), latent=2)
        >>> images = np.random.default_rng(0).random((5, 1, 28, 28), np.float32)
        >>> 500 < float(model.loss(model(images), images)) < 600  # 784 log(2) where nothing is learnt
        True
        >>> model.sample(3).shape
        (3, 1, 28, 28)
    """
    shape, latent = image_shape("vae", in_channels, image_size), as_latent("vae", latent)
    widths = (math.prod(shape), *as_widths("vae", "hidden", hidden))
    if len(widths) == 1:
        raise ValueError(
            "vae: hidden is (), expected at least one width between the image and its code, such as (500,)"
        )
    check_choice("vae", "activation", activation, tuple(ACTIVATIONS))
    encoder = nn.Sequential(nn.Flatten(), *dense("vae", widths, activation), ACTIVATIONS[activation]())
    decoder = nn.Sequential(*dense("vae", (latent, *widths[::-1]), activation), nn.Unflatten(1, shape))
    return VariationalAutoEncoder(encoder, widths[-1], decoder, latent)
