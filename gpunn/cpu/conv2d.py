"""2-d convolution on NumPy arrays (N, C, H, W); see convnd for how."""

from gpunn.cpu.convnd import forward, grad_bias, grad_input, grad_weight

__all__ = ["forward", "grad_bias", "grad_input", "grad_weight"]
