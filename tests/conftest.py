"""Every test starts from the same random stream, the CPU and gradients switched on."""

import signal

import pytest

import gpunn

# A shell starts a background job with Ctrl-C ignored, and gpunn leaves that so; the tests of Ctrl-C need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _same_start():
    gpunn.manual_seed(0)
    yield
    assert gpunn.is_grad_enabled(), "the test left gradients switched off"
    assert str(gpunn.default_device()) == "cpu", "the test left another default device"
