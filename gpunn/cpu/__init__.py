"""NumPy twins of the kernels: the same functions and signatures as `gpunn.cuda`, on plain arrays."""

from gpunn.cpu import batchnorm, conv2d, conv3d, matmul, pool2d, relu
from gpunn.cpu.layout import keep_freed_memory

__all__ = ["batchnorm", "conv2d", "conv3d", "matmul", "pool2d", "relu"]

keep_freed_memory()
