"""gpunn: neural-network primitives, layers and training on plain NumPy and CuPy arrays."""

from gpunn import random as random
from gpunn.backend import Device as Device
from gpunn.backend import default_device as default_device
from gpunn.backend import device as device
from gpunn.backend import is_available as is_available
from gpunn.backend import set_default_device as set_default_device
from gpunn.backend import to_device as to_device
from gpunn.backend import to_numpy as to_numpy
from gpunn.engine.autograd import is_grad_enabled as is_grad_enabled
from gpunn.engine.autograd import no_grad as no_grad
from gpunn.engine.creation import tensor as tensor
from gpunn.engine.tensor import Tensor as Tensor
from gpunn.engine.tensor import grad as grad
from gpunn.errors import CheckpointError as CheckpointError
from gpunn.errors import DataError as DataError
from gpunn.errors import DeviceError as DeviceError
from gpunn.errors import GpunnError as GpunnError
from gpunn.errors import TrainingError as TrainingError
from gpunn.errors import UsageError as UsageError
from gpunn.random import manual_seed as manual_seed
from gpunn.window import Window as Window

# After Tensor, which the ops and everything above them stand on.
from gpunn import ops as ops  # isort: skip
from gpunn import nn as nn  # isort: skip
from gpunn.cuda.variants import use_variant as use_variant  # isort: skip
from gpunn.gradcheck import gradcheck as gradcheck  # isort: skip
__version__ = "0.1.0"
