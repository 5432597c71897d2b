"""NumPy twins of the kernels: the same functions and signatures as `gpunn.cuda`, on plain arrays."""

from gpunn.cpu import batchnorm, conv2d, conv3d, matmul, pool2d

__all__ = ["batchnorm", "conv2d", "conv3d", "matmul", "pool2d"]
