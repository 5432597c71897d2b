"""Tests on a real CUDA device, skipped where there is none, with the reason."""

import pytest

from gpunn import backend
from gpunn.errors import DeviceError


@pytest.fixture(scope="session", autouse=True)
def cuda():
    try:
        return backend.to_device(backend.asarray([0.0]), "cuda")
    except DeviceError as error:
        pytest.skip(str(error))
