"""What is measured: operations on cases, family by family."""

from collections.abc import Callable, Iterator

from bench.kernels.subjects.base import PRECISIONS, Subject, operations, size_in_memory
from bench.kernels.subjects.conv import conv2d
from bench.kernels.subjects.gemm import gemm
from bench.kernels.subjects.norm import batchnorm
from bench.kernels.subjects.pool import pool2d

FAMILIES: dict[str, Callable[..., Iterator[Subject]]] = {
    "conv2d": conv2d,
    "pool2d": pool2d,
    "batchnorm": batchnorm,
    "gemm": gemm,
}

__all__ = ["FAMILIES", "PRECISIONS", "Subject", "operations", "size_in_memory"]
