"""Noise on a network's input in training: what a denoising auto-encoder learns to take away."""

from __future__ import annotations

import math

from gpunn import creation, nn, ops
from gpunn.engine.operators import A
from gpunn.scalars import as_number, as_probability


class Masking(nn.Module):
    """In training each element becomes 0 with probability p, the others stay; in evaluation x itself.

    Vincent et al. 2010, "Stacked denoising autoencoders", section 3.3. The mask is `ops.dropout`'s, of gpunn.random.

    Raises:
        ValueError: p outside 0 to 1.

    Examples:
        >>> gpunn.models.Masking(0.5)(np.full(6, 3.0))
        array([0., 3., 3., 3., 3., 0.])
    """

    def __init__(self, p: float = 0.25):
        super().__init__()
        self.p = as_probability("Masking", p, "an element")

    def forward(self, x: A) -> A:
        # Dropout lets what stays grow by 1 / (1 - p).
        return ops.mul(ops.dropout(x, self.p), 1 - self.p) if self.training else x

    def extra_repr(self) -> str:
        return f"p {self.p}"


class GaussianNoise(nn.Module):
    """In training x plus normal noise of mean 0 and this standard deviation, of gpunn.random; in evaluation x itself.

    Raises:
        ValueError: a standard deviation below 0, or one that is not finite.

    Examples:
        >>> layer = gpunn.models.GaussianNoise(0.5)
        >>> float(layer(np.zeros(10000)).std().round(2)), float(layer.eval()(np.zeros(10000)).std())
        (0.5, 0.0)
    """

    def __init__(self, std: float = 0.3):
        super().__init__()
        self.std = as_number("GaussianNoise", "std", std)
        if not 0 <= self.std < math.inf:
            raise ValueError(
                f"GaussianNoise: std is {self.std}, expected a number of at least 0: the noise's standard deviation; "
                "0.3 is much for pixels from 0 to 1"
            )

    def forward(self, x: A) -> A:
        return ops.add(x, self.std * creation.randn_like(x).array) if self.training else x

    def extra_repr(self) -> str:
        return f"std {self.std}"
