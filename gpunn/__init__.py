"""gpunn: neural-network primitives, layers and training on plain NumPy and CuPy arrays."""

from gpunn import random
from gpunn.autograd import is_grad_enabled, no_grad
from gpunn.backend import Device, default_device, device, is_available, set_default_device, to_device, to_numpy
from gpunn.errors import CheckpointError, DataError, DeviceError, GpunnError, TrainingError, UsageError
from gpunn.random import manual_seed
from gpunn.tensor import Tensor, grad
from gpunn.window import Window

# After Tensor, which the ops and everything above them stand on.
from gpunn import ops  # isort: skip
from gpunn import nn  # isort: skip
from gpunn.cuda.variants import use_variant  # isort: skip
from gpunn.gradcheck import gradcheck  # isort: skip

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "DataError",
    "Device",
    "DeviceError",
    "GpunnError",
    "Tensor",
    "TrainingError",
    "UsageError",
    "Window",
    "default_device",
    "device",
    "grad",
    "gradcheck",
    "is_available",
    "is_grad_enabled",
    "manual_seed",
    "nn",
    "no_grad",
    "ops",
    "random",
    "set_default_device",
    "to_device",
    "to_numpy",
    "use_variant",
]
