"""Devices, arrays, and the dispatch from an array to the kernels that take it."""

from gpunn.backend.contract import Array as Array
from gpunn.backend.contract import Running as Running
from gpunn.backend.device import DEVICE_TYPES as DEVICE_TYPES
from gpunn.backend.device import Device as Device
from gpunn.backend.device import default_device as default_device
from gpunn.backend.device import device as device
from gpunn.backend.device import free_bytes as free_bytes
from gpunn.backend.device import is_available as is_available
from gpunn.backend.device import set_default_device as set_default_device
from gpunn.backend.device import synchronize as synchronize
from gpunn.backend.dispatch import array_module as array_module
from gpunn.backend.dispatch import asarray as asarray
from gpunn.backend.dispatch import device_of as device_of
from gpunn.backend.dispatch import is_array as is_array
from gpunn.backend.dispatch import is_whole as is_whole
from gpunn.backend.dispatch import plain as plain
from gpunn.backend.dispatch import same_device as same_device
from gpunn.backend.dispatch import to_device as to_device
from gpunn.backend.dispatch import to_numpy as to_numpy
from gpunn.backend.dispatch import twins as twins
from gpunn.backend.loading import require_cupy as require_cupy
from gpunn.backend.loading import require_emulator as require_emulator
from gpunn.backend.loading import require_nccl as require_nccl
