"""gpunn: neural-network primitives, layers and training on plain NumPy and CuPy arrays."""

from gpunn import starting as _starting  # noqa: F401  # isort: skip - first: Ctrl-C now ends a command in a line
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType

from gpunn import random as random
from gpunn.asked import current_precision as current_precision
from gpunn.asked import precision as precision
from gpunn.asked import set_default_precision as set_default_precision
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
from gpunn.errors import suggestion as _suggestion
from gpunn.random import manual_seed as manual_seed
from gpunn.window import Pooling as Pooling
from gpunn.window import Window as Window

# After Tensor, which the ops and everything above them stand on.
from gpunn import ops as ops  # isort: skip
from gpunn import nn as nn  # isort: skip
from gpunn.nn import summary as summary  # isort: skip
from gpunn.cuda.variants import use_variant as use_variant  # isort: skip
from gpunn.gradcheck import gradcheck as gradcheck  # isort: skip

__version__ = "0.1.0"
# Loaded when first asked for, so that `import gpunn` alone stays quick: `gpunn.optim` needs no import of its own.
_LATER = (
    "array_api", "data", "emulator", "models", "optim", "pictures", "recipes", "reference", "report", "train", "verify",
)  # fmt: skip


def __getattr__(name: str) -> _ModuleType:
    if name in _LATER:
        return _import_module(f"gpunn.{name}")
    raise AttributeError(f"module 'gpunn' has no attribute {name!r}{_suggestion(name, __dir__())}")


def __dir__() -> list[str]:
    return sorted(name for name in {*globals(), *_LATER} if name[0] != "_" or name[:2] == "__")
