"""Kernel tests run on the emulator device, which needs a C++ compiler."""

import pytest

from gpunn import backend
from gpunn.errors import DeviceError


@pytest.fixture(scope="session")
def emulator():
    try:
        return backend.to_device(backend.asarray([0.0]), "emulator") is not None
    except DeviceError as error:
        pytest.skip(str(error))
