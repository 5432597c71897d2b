"""What is measured: operations on cases, family by family."""

from collections.abc import Callable, Iterator

from bench.subjects.base import PRECISIONS, Subject, operations, size_in_memory
from bench.subjects.conv import conv2d
from bench.subjects.gemm import gemm
from bench.subjects.norm import batchnorm
from bench.subjects.pool import pool2d

FAMILIES: dict[str, Callable[..., Iterator[Subject]]] = {
    "conv2d": conv2d,
    "pool2d": pool2d,
    "batchnorm": batchnorm,
    "gemm": gemm,
}

__all__ = ["FAMILIES", "PRECISIONS", "Subject", "operations", "size_in_memory"]
