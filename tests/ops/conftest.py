"""A fixture for ops that compute by array functions, which differ from device to device."""

import pytest

import gpunn


@pytest.fixture(params=["cpu", "emulator", "cuda"])
def place(request):
    """Every device; cuda is CuPy's look-alike."""
    if request.param != "cpu" and not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    if request.param == "cuda":
        request.getfixturevalue("look_alike")
    return request.param
