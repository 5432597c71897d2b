"""Auto-encoders with more units than pixels, of which few are active at a time."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

from gpunn import nn, ops
from gpunn.checks import check_choice
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.models.autoencoder import AutoEncoder, as_latent, image_shape
from gpunn.scalars import as_number

NEAREST = 1e-6  # of a mean activation to 0 and 1: the divergence is infinite there, and so is its slope


class Coded(NamedTuple):
    """What a sparse auto-encoder gives in training: the images made again, and the activations of the code."""

    reconstruction: Tensor
    code: Tensor


class SparseAutoEncoder(AutoEncoder):
    """An AutoEncoder whose loss has a price for active units of the code: KL divergence or L1.

    Its forward gives a Coded in training, the images alone in evaluation.

    Args:
        encoder, decoder: as of AutoEncoder.
        penalty: "kl", the divergence of each unit's mean activation over the batch from `target`, for codes between 0
            and 1; or "l1", the sum of the codes' magnitudes.
        target: rho, of "kl".
        weight: beta, what the penalty is multiplied by.
    """

    loss_name: ClassVar[str] = "error and price of the code"

    def __init__(self, encoder: nn.Module, decoder: nn.Module, penalty: str, target: float, weight: float):
        super().__init__(encoder, decoder)
        check_choice("SparseAutoEncoder", "penalty", penalty, ("kl", "l1"))
        self.penalty = penalty
        self.target = as_number("SparseAutoEncoder", "target", target)
        self.weight = as_number("SparseAutoEncoder", "weight", weight)
        if not 0 < self.target < 1:
            raise ValueError(
                f"SparseAutoEncoder: target is {self.target}, expected between 0 and 1: a unit's mean activation, "
                "such as 0.05"
            )
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"SparseAutoEncoder: weight is {self.weight}, expected at least 0; 0 asks for no sparsity")

    def forward(self, x: Operand) -> Any:
        code = self.encode(x)
        reconstruction = self.decode(code)
        return Coded(reconstruction, code) if self.training else reconstruction

    def loss(self, output: Any, images: Operand) -> Tensor:
        """Half the squared error of an image, a mean over images, plus weight times the price of the code.

        With the divergence that is Ng's: 1/N sum |output - images|^2 / 2 + beta sum_j KL(rho || mean of a_j over N).

        Args:
            output: what forward gave. Of images alone, as in evaluation, the code is made anew.
            images: what it should have given, (N, C, H, W).
        """
        found = output if isinstance(output, Coded) else Coded(output, self.encode(images))
        pixels = math.prod(found.reconstruction.shape[1:])
        return ops.mse_loss(found.reconstruction, images) * (pixels / 2) + self.weight * self.price(found.code)

    def price(self, code: Tensor) -> Tensor:
        """What codes (N, latent) cost before they are weighed: the divergence of their means, or their mean L1 norm."""
        if self.penalty == "l1":
            return ops.mean(ops.sum(ops.abs(code), 1))
        rho, mean = self.target, ops.clip(ops.mean(code, 0), NEAREST, 1 - NEAREST)
        return ops.sum(rho * (math.log(rho) - ops.log(mean)) + (1 - rho) * (math.log(1 - rho) - ops.log(1 - mean)))

    def extra_repr(self) -> str:
        target = f", target {self.target}" if self.penalty == "kl" else ""
        return f"penalty {self.penalty}{target}, weight {self.weight}"


def sparse_autoencoder(
    in_channels: int = 1,
    image_size: int = 28,
    latent: int = 1024,
    penalty: str = "kl",
    target: float = 0.05,
    weight: float = 3.0,
) -> SparseAutoEncoder:
    """An over-complete auto-encoder 784-1024-784 with few active units: 1,607,440 parameters, pixels from 0 to 1.

    Units of "kl" start at the target: their biases are log(target / (1 - target)).

    Args:
        latent: units of the code, more than pixels.
        penalty: "kl" with sigmoid units: their mean activation over the batch is drawn to `target`; "l1" with rectified
            ones: the sum of their activations is drawn to 0. Shrink the weights, too (AdamW): else l1 makes small codes
            with a large decoder.
        target, weight: rho and beta; with "l1" a weight of about 0.1.

    Raises:
        ValueError: a latent of 0, a target outside 0 to 1, a weight below 0, a penalty that there is not.

    References:
        Ng, "Sparse autoencoder", CS294A lecture notes, 2011: the cost with KL, rho 0.05 and beta 3.

    Examples:
        >>> model = gpunn.models.sparse_autoencoder()
        >>> model(np.zeros((2, 1, 28, 28), np.float32)).code.shape
        (2, 1024)
    """
    name = "sparse_autoencoder"
    shape, latent = image_shape(name, in_channels, image_size), as_latent(name, latent)
    pixels = math.prod(shape)
    unit = nn.Sigmoid() if penalty == "kl" else nn.ReLU()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, latent), unit)
    if penalty == "kl" and 0 < target < 1:
        # Units that start at a mean of 0.5 cost so much that the first epochs would do nothing but silence them.
        nn.init.constant_(encoder[1].bias, math.log(target / (1 - target)))
    decoder = nn.Sequential(nn.Linear(latent, pixels), nn.Sigmoid(), nn.Unflatten(1, shape))
    return SparseAutoEncoder(encoder, decoder, penalty, target, weight)
