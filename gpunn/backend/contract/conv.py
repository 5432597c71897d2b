"""Convolutions, alone and with what follows them."""

from __future__ import annotations

from typing import Any, Protocol

from gpunn.backend.contract.terms import Array, Running, Shape
from gpunn.window import Pooling, Window


class Conv(Protocol):
    """Convolution of two or three dimensions: x (N, C, *spatial), w (K, C/groups, *size), y (N, K, *out)."""

    def in_memory_order(self, x: Array) -> Array:
        """x as the passes read it, so that several of them share one copy."""
        ...

    def forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        win: Window,
        groups: int,
        activation: str | None = None,
        residual: Array | None = None,
    ) -> Array:
        """y = x correlated with w, plus b (K,), plus a residual like y; of that the activation, "relu" or "tanh"."""
        ...

    def grad_input(self, gy: Array, w: Array, x_shape: Shape, win: Window, groups: int) -> Array:
        """gx: each gy spread over its window, weighted by w."""
        ...

    def grad_weight(
        self, gy: Array, x: Array, w_shape: Shape, win: Window, groups: int, bias: bool = False
    ) -> tuple[Array, Any]:
        """gw: the sum over images and positions of gy times its window; with ``bias`` also gb, else None."""
        ...

    def grad_bias(self, gy: Array) -> Array:
        """gb (K,): gy summed over all but the channels, where the weight has no gradient."""
        ...


class ConvPool(Protocol):
    """A 2-d convolution in the letters of Conv, its activation ("relu", "tanh" or None), and its pooling."""

    def forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        win: Window,
        groups: int,
        activation: str | None,
        pool: Pooling,
        wanted: bool,
    ) -> tuple[Array, tuple[Array, ...]]:
        """pool(activation(conv + b)), and what backward takes; ``wanted`` says whether there will be a backward."""
        ...

    def backward(
        self, gy: Array, kept: tuple[Array, ...], z_shape: Shape, activation: str | None, pool: Pooling
    ) -> Array:
        """The gradient at the convolution's own output, of z_shape, from what forward kept."""
        ...


class ConvNorm(Protocol):
    """A 2-d convolution in the letters of Conv, and the normalisation of its result z by the batch's statistics."""

    def train_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        win: Window,
        groups: int,
        gamma: Array | None,
        beta: Array | None,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
        running: Running | None = None,
    ) -> tuple[Array, Array, Array, Array, Array | None]:
        """y, z, mean, rstd and what backward is told: z = conv(x) and what BatchNorm.train_forward makes of it."""
        ...

    def grad_input(
        self,
        gy: Array,
        w: Array,
        x_shape: Shape,
        win: Window,
        groups: int,
        z: Array,
        mean: Array,
        rstd: Array,
        y: Array | None,
    ) -> tuple[Array, tuple[Array, Array] | None]:
        """Conv.grad_input of x that a normalisation of z made, y with ReLU; its ggamma and gbeta, or None."""
        ...

    def train_backward(
        self,
        gy: Array,
        z: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        passed: Array | None = None,
        residual: bool = True,
        sums: tuple[Array, ...] | None = None,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """BatchNorm.train_backward, its ggamma and gbeta as grad_input found them, where it did."""
        ...
