"""gpunn: neural-network primitives, layers and training on plain NumPy and CuPy arrays."""

from gpunn import starting as _starting  # noqa: F401  # isort: skip - first: Ctrl-C now ends a command in a line
from importlib import import_module as _import_module
from typing import Any as _Any

from gpunn import dtypes as _dtypes
from gpunn import left_out as _left_out
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
from gpunn.constants import Size as Size
from gpunn.constants import channels_last as channels_last
from gpunn.constants import channels_last_3d as channels_last_3d
from gpunn.constants import contiguous_format as contiguous_format
from gpunn.constants import dtype as dtype
from gpunn.constants import e as e
from gpunn.constants import inf as inf
from gpunn.constants import nan as nan
from gpunn.constants import newaxis as newaxis
from gpunn.constants import pi as pi
from gpunn.constants import preserve_format as preserve_format
from gpunn.constants import strided as strided
from gpunn.dtypes import get_default_dtype as get_default_dtype
from gpunn.dtypes import set_default_dtype as set_default_dtype
from gpunn.engine.creation import as_tensor as as_tensor
from gpunn.engine.creation import asarray as asarray
from gpunn.engine.creation import from_numpy as from_numpy
from gpunn.engine.creation import tensor as tensor
from gpunn.engine.grad_mode import enable_grad as enable_grad
from gpunn.engine.grad_mode import inference_mode as inference_mode
from gpunn.engine.grad_mode import is_grad_enabled as is_grad_enabled
from gpunn.engine.grad_mode import no_grad as no_grad
from gpunn.engine.grad_mode import set_grad_enabled as set_grad_enabled
from gpunn.engine.tensor import Tensor as Tensor
from gpunn.engine.tensor import grad as grad
from gpunn.errors import CheckpointError as CheckpointError
from gpunn.errors import DataError as DataError
from gpunn.errors import DeviceError as DeviceError
from gpunn.errors import DistError as DistError
from gpunn.errors import GpunnError as GpunnError
from gpunn.errors import TrainingError as TrainingError
from gpunn.errors import UsageError as UsageError
from gpunn.random import Generator as Generator
from gpunn.random import get_rng_state as get_rng_state
from gpunn.random import initial_seed as initial_seed
from gpunn.random import manual_seed as manual_seed
from gpunn.random import seed as seed
from gpunn.random import set_rng_state as set_rng_state
from gpunn.settings import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from gpunn.settings import get_default_device as get_default_device
from gpunn.settings import get_float32_matmul_precision as get_float32_matmul_precision
from gpunn.settings import set_float32_matmul_precision as set_float32_matmul_precision
from gpunn.settings import use_deterministic_algorithms as use_deterministic_algorithms
from gpunn.window import Pooling as Pooling
from gpunn.window import Window as Window

# After Tensor, which the ops and everything above them stand on.
from gpunn import ops as ops  # isort: skip
from gpunn import nn as nn  # isort: skip
from gpunn.creation import arange as arange  # isort: skip
from gpunn.creation import bernoulli as bernoulli  # isort: skip
from gpunn.creation import empty as empty  # isort: skip
from gpunn.creation import empty_like as empty_like  # isort: skip
from gpunn.creation import eye as eye  # isort: skip
from gpunn.creation import full as full  # isort: skip
from gpunn.creation import full_like as full_like  # isort: skip
from gpunn.creation import linspace as linspace  # isort: skip
from gpunn.creation import logspace as logspace  # isort: skip
from gpunn.creation import multinomial as multinomial  # isort: skip
from gpunn.creation import normal as normal  # isort: skip
from gpunn.creation import ones as ones  # isort: skip
from gpunn.creation import ones_like as ones_like  # isort: skip
from gpunn.creation import rand as rand  # isort: skip
from gpunn.creation import rand_like as rand_like  # isort: skip
from gpunn.creation import randint as randint  # isort: skip
from gpunn.creation import randint_like as randint_like  # isort: skip
from gpunn.creation import randn as randn  # isort: skip
from gpunn.creation import randn_like as randn_like  # isort: skip
from gpunn.creation import randperm as randperm  # isort: skip
from gpunn.creation import tril_indices as tril_indices  # isort: skip
from gpunn.creation import triu_indices as triu_indices  # isort: skip
from gpunn.creation import zeros as zeros  # isort: skip
from gpunn.creation import zeros_like as zeros_like  # isort: skip
from gpunn.creation import BoolTensor as BoolTensor  # isort: skip
from gpunn.creation import ByteTensor as ByteTensor  # isort: skip
from gpunn.creation import CharTensor as CharTensor  # isort: skip
from gpunn.creation import DoubleTensor as DoubleTensor  # isort: skip
from gpunn.creation import FloatTensor as FloatTensor  # isort: skip
from gpunn.creation import HalfTensor as HalfTensor  # isort: skip
from gpunn.creation import IntTensor as IntTensor  # isort: skip
from gpunn.creation import LongTensor as LongTensor  # isort: skip
from gpunn.creation import ShortTensor as ShortTensor  # isort: skip
from gpunn.nn import summary as summary  # isort: skip
from gpunn import functions as _functions  # isort: skip
from gpunn.cuda.variants import use_variant as use_variant  # isort: skip
from gpunn.gradcheck import gradcheck as gradcheck  # isort: skip

__version__ = "0.1.0"
# Loaded when first asked for, so that `import gpunn` alone stays quick: `gpunn.optim` needs no import of its own.
_LATER = (
    "accelerator", "array_api", "autograd", "backends", "data", "dist", "emulator", "linalg", "models", "optim",
    "pictures", "recipes", "reference", "report", "serialization", "train", "utils", "verify",
)  # fmt: skip
_FILES = ("load", "save")


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        return _import_module(f"gpunn.{name}")
    if name in _FILES:
        return getattr(_import_module("gpunn.serialization"), name)
    if name in _dtypes.NAMES:  # here: `float` or `sum` among the package's own names would hide Python's
        return _dtypes.named(name)
    if (function := _functions.function(name)) is not None:
        return function
    _left_out.refuse("gpunn", _left_out.NAMES, name)


def __dir__() -> list[str]:
    found = {*globals(), *_LATER, *_FILES, *_dtypes.NAMES, *_functions.names()}
    return sorted(name for name in found if name[0] != "_" or name[:2] == "__")
