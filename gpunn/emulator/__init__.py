"""CUDA kernels on the host: builds a ``.cu`` source with the host's C++ compiler and runs it on NumPy memory.

``load`` compiles (cached), a ``Function`` launches; README.md beside this file explains how it works.
"""

from gpunn.emulator.array import EmulatedArray, empty, empty_like
from gpunn.emulator.build import require
from gpunn.emulator.counters import Counters, counting
from gpunn.emulator.launch import KernelError, launch, schedules, strict
from gpunn.emulator.loader import Function, Parameter, load

__all__ = [
    "Counters",
    "EmulatedArray",
    "Function",
    "KernelError",
    "Parameter",
    "counting",
    "empty",
    "empty_like",
    "launch",
    "load",
    "require",
    "schedules",
    "strict",
]
