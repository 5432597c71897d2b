"""2-d convolution on CUDA and emulated arrays: the twin of gpunn.cpu.conv2d."""

from __future__ import annotations

from typing import Any

from gpunn.cuda import conv
from gpunn.cuda.conv2d_tiled import rows
from gpunn.cuda.variants import Operation, Variant


def _naive(pass_: str) -> Variant:
    takes = "every geometry, dtype and group count"
    return Variant("naive", (f"conv2d/naive_{pass_}",), takes, lambda job: "", conv.naive("conv2d", pass_))


FORWARD = Operation("conv2d.forward", *rows("forward"), _naive("forward"))
GRAD_INPUT = Operation("conv2d.grad_input", *rows("grad_input"), _naive("grad_input"))
GRAD_WEIGHT = Operation("conv2d.grad_weight", *rows("grad_weight"), _naive("grad_weight"))
GRAD_BIAS = conv.bias_operation("conv2d.grad_bias")


def forward(x: Any, w: Any, b: Any, win: Any, groups: int) -> Any:
    """y (N, K, P, Q), channels-last memory, of x (N, C, H, W), w (K, C/groups, R, S), b (K,) or None."""
    return conv.forward(FORWARD, "conv2d.forward", x, w, b, win, groups)


def grad_input(gy: Any, w: Any, x_shape: tuple[int, ...], win: Any, groups: int) -> Any:
    """gx of x_shape, channels-last memory."""
    return conv.grad_input(GRAD_INPUT, "conv2d.grad_input", gy, w, x_shape, win, groups)


def grad_weight(gy: Any, x: Any, w_shape: tuple[int, ...], win: Any, groups: int) -> Any:
    """gw of w_shape."""
    return conv.grad_weight(GRAD_WEIGHT, "conv2d.grad_weight", gy, x, w_shape, win, groups)


def grad_bias(gy: Any) -> Any:
    """gb (K,)."""
    return conv.grad_bias(GRAD_BIAS, gy)
