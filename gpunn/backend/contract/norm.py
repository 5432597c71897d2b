"""Normalisations."""

from __future__ import annotations

from typing import Any, Protocol

from gpunn.backend.contract.terms import Array, Join, Running


class BatchNorm(Protocol):
    """Batch normalisation of x (N, C, *), with an addend and a ReLU fused in; parameters and statistics are (C,)."""

    def train_forward(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
        running: Running | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """y = relu?(gamma (x - mean) rstd + beta + residual?), mean, rstd = 1 / sqrt(var + eps) of the batch.

        And what train_backward is to be told of ReLU: y, its signs, or None, where there is none or x tells it.
        """
        ...

    def eval_forward(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        mean: Array,
        var: Array,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
    ) -> Array:
        """y with the running mean and var."""
        ...

    def fold(
        self, w: Array, b: Array | None, gamma: Array | None, beta: Array | None, mean: Array, var: Array, eps: float
    ) -> tuple[Array, Array]:
        """Weights (K, ...) and bias (K,) of the convolution that also normalises, with the running mean and var."""
        ...

    def train_backward(
        self,
        gy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        passed: Array | None = None,
        residual: bool = True,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """gx, ggamma, gbeta and the masked gy, or None without ``residual``.

        passed: y, or what train_forward gave; without it a fused ReLU is looked for in x and beta.
        """
        ...

    def eval_backward(
        self,
        gy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        passed: Array | None = None,
        residual: bool = True,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """The same four where mean and rstd were constants."""
        ...


class SyncBatchNorm(Protocol):
    """Batch normalisation of x (N, C, *) by the statistics of more than x, which other ranks hold; N may be 0."""

    def forward(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        join: Join,
        residual: Array | None = None,
        relu: bool = False,
    ) -> tuple[Array, Array, Array, Array | None]:
        """y = relu?(gamma (x - mean) rstd + beta + residual?), mean, rstd and what backward is told of ReLU.

        mean and rstd are join(mean, var), var the biased variance, of x's own, both 0 where it is empty.
        """
        ...

    def backward(
        self,
        gy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        join: Join,
        passed: Array | None = None,
        residual: bool = True,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """BatchNorm.train_backward, with x's ggamma and gbeta; join gives the means over all that gx is to heed."""
        ...


class GroupNorm(Protocol):
    """Normalisation of each sample by its own statistics: of groups of channels, or of whole rows."""

    def group_forward(
        self, x: Array, groups: int, gamma: Array | None, beta: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        """y of x (N, C, *), and mean and 1 / sqrt(variance + eps) (N, groups); gamma and beta are (C,)."""
        ...

    def group_backward(
        self, gy: Array, x: Array, groups: int, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
    ) -> tuple[Array, Array | None, Array | None]:
        """gx, ggamma, gbeta; the last two are None unless ``affine``."""
        ...

    def layer_forward(
        self, x: Array, gamma: Array | None, beta: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        """y of x (rows, L), each row a group; mean and 1 / sqrt(variance + eps) (rows,); gamma and beta are (L,)."""
        ...

    def layer_backward(
        self, gy: Array, x: Array, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
    ) -> tuple[Array, Array | None, Array | None]:
        """gx, ggamma, gbeta; the last two are None unless ``affine``."""
        ...

    def rms_forward(self, x: Array, gamma: Array | None, eps: float) -> tuple[Array, Array]:
        """y of x (rows, L), each row over its root mean square; 1 / sqrt(mean square + eps) (rows,)."""
        ...

    def rms_backward(
        self, gy: Array, x: Array, gamma: Array | None, rstd: Array, affine: bool = True
    ) -> tuple[Array, Any]:
        """gx, ggamma; the last is None unless ``affine``."""
        ...


class LocalResponseNorm(Protocol):
    """Local response normalisation of x (N, C, *) over `size` neighbouring channels."""

    def forward(self, x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
        """y = x / divisor^beta, divisor = k + alpha / size * sum of x^2 over the window; and what backward takes."""
        ...

    def backward(self, gy: Array, x: Array, kept: Array, size: int, alpha: float, beta: float, k: float) -> Array:
        """gx, from what forward kept."""
        ...
