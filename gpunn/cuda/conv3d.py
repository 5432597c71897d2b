"""3-d convolution on CUDA and emulated arrays: the twin of gpunn.cpu.conv3d."""

from __future__ import annotations

from typing import Any

from gpunn.cuda import conv
from gpunn.cuda.variants import Operation, Variant


def _naive(pass_: str) -> Variant:
    takes = "every geometry, dtype and group count"
    return Variant("naive", (f"conv3d/naive_{pass_}",), takes, lambda job: "", conv.naive("conv3d", pass_))


FORWARD = Operation("conv3d.forward", _naive("forward"))
GRAD_INPUT = Operation("conv3d.grad_input", _naive("grad_input"))
GRAD_WEIGHT = Operation("conv3d.grad_weight", _naive("grad_weight"))
GRAD_BIAS = conv.bias_operation("conv3d.grad_bias")


def forward(x: Any, w: Any, b: Any, win: Any, groups: int) -> Any:
    """y (N, K, *out), channels-last memory, of x (N, C, D, H, W), w (K, C/groups, T, R, S), b (K,) or None."""
    return conv.forward(FORWARD, "conv3d.forward", x, w, b, win, groups)


def grad_input(gy: Any, w: Any, x_shape: tuple[int, ...], win: Any, groups: int) -> Any:
    """gx of x_shape, channels-last memory."""
    return conv.grad_input(GRAD_INPUT, "conv3d.grad_input", gy, w, x_shape, win, groups)


def grad_weight(gy: Any, x: Any, w_shape: tuple[int, ...], win: Any, groups: int) -> Any:
    """gw of w_shape."""
    return conv.grad_weight(GRAD_WEIGHT, "conv3d.grad_weight", gy, x, w_shape, win, groups)


def grad_bias(gy: Any) -> Any:
    """gb (K,)."""
    return conv.grad_bias(GRAD_BIAS, gy)
