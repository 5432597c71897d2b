"""CUDA kernels on the host: builds a ``.cu`` source with the host's C++ compiler and runs it on NumPy memory.

``load`` compiles (cached), a ``Function`` launches; README.md beside this file explains how it works.
"""

from gpunn.emulator.array import EmulatedArray as EmulatedArray
from gpunn.emulator.array import empty as empty
from gpunn.emulator.array import empty_like as empty_like
from gpunn.emulator.build import require as require
from gpunn.emulator.counters import Counters as Counters
from gpunn.emulator.counters import counting as counting
from gpunn.emulator.function import Function as Function
from gpunn.emulator.function import load as load
from gpunn.emulator.launch import KernelError as KernelError
from gpunn.emulator.launch import launch as launch
from gpunn.emulator.launch import schedules as schedules
from gpunn.emulator.launch import strict as strict
from gpunn.emulator.loader import Parameter as Parameter
from gpunn.emulator.pointers import Struct as Struct
from gpunn.emulator.reserve import last_blocks as last_blocks
from gpunn.emulator.reserve import reserved as reserved
