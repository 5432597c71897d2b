"""Every test starts from the same random stream, the CPU and gradients switched on."""

import pytest

import gpunn


@pytest.fixture(autouse=True)
def _same_start():
    gpunn.manual_seed(0)
    yield
    assert gpunn.is_grad_enabled(), "the test left gradients switched off"
    assert str(gpunn.default_device()) == "cpu", "the test left another default device"
