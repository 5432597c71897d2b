"""Every test starts from the same random stream, the CPU and gradients switched on."""

import builtins
import signal

import pytest

import gpunn

# A shell starts a background job with Ctrl-C ignored, and gpunn leaves that so; the tests of Ctrl-C need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def without_matplotlib(monkeypatch):
    """Importing matplotlib fails, as where it is not installed."""
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.fixture(autouse=True)
def _no_curves(request, monkeypatch):
    """Runs draw no curves.png, which takes longer than most of them, but where a test is marked `curves`."""
    if request.node.get_closest_marker("curves") is None:
        monkeypatch.setattr("gpunn.train.callbacks.draw_curves", lambda history, path: None)


@pytest.fixture(autouse=True)
def _same_start():
    gpunn.manual_seed(0)
    yield
    assert gpunn.is_grad_enabled(), "the test left gradients switched off"
    assert str(gpunn.default_device()) == "cpu", "the test left another default device"
