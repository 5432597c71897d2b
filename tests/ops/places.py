"""Arrays and Tensors on a device by name, and back."""

from __future__ import annotations

import numpy as np

import gpunn
from gpunn import Tensor


def on(device, values, dtype=np.float32):
    return gpunn.to_device(np.asarray(values).astype(dtype), device)


def leaf(device, values, dtype=np.float32):
    return Tensor(on(device, values, dtype), requires_grad=True)


def host(x, dtype=np.float64):
    return gpunn.to_numpy(x).astype(dtype)
