"""CUDA twins of the kernels: the same functions and signatures as `gpunn.cpu`, on CuPy and emulated arrays."""

from gpunn.cuda import batchnorm, conv2d, conv3d, matmul, pool2d, relu

__all__ = ["batchnorm", "conv2d", "conv3d", "matmul", "pool2d", "relu"]
