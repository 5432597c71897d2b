"""Every test starts from the same random stream, the CPU and gradients switched on."""

import builtins
import itertools
import os
import signal
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy comes: workers share the cores, their BLAS threads would fight
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import gpunn
from tests import thinned

os.environ["GPUNN_TUNE"] = "0"  # what was measured on this machine is no matter of the tests'

os.fsync = lambda handle: None  # no power fails while tests run, and a disk takes milliseconds for each file

# A shell starts a background job with Ctrl-C ignored, and gpunn leaves that so; the tests of Ctrl-C need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser, pluginmanager):
    """Without pytest-xdist (`-p no:xdist`) or pytest-timeout what pyproject.toml says to them means nothing."""
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption("--numprocesses", help="not heeded: pytest-xdist is not loaded")
        parser.addoption("--dist", help="not heeded: pytest-xdist is not loaded")
    if not pluginmanager.hasplugin("timeout"):
        parser.addini("timeout", help="not heeded: pytest-timeout is not loaded")


def pytest_configure(config):
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout: not heeded, pytest-timeout is not loaded")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Single files run in this process, sooner than workers start; debuggers and prints work there."""
    return 0 if any(Path(argument.split("::")[0]).is_file() for argument in config.args) else None


def _is_whole(config):
    """Nothing was named on the command line. xdist's workers are told: to them all files are named."""
    if hasattr(config, "workerinput"):
        return config.workerinput["is_whole"]
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS or config.option.keyword or config.option.markexpr
    return not (chosen or os.environ.get("CI"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["is_whole"] = _is_whole(node.config)


def pytest_collection_modifyitems(config, items):
    """Of a function with hundreds of cases the whole suite runs a few; where CI is set, or it is named, all."""
    if _is_whole(config):
        items[:], left_out = thinned.few_of_each(items)
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def without_matplotlib(monkeypatch):
    """Importing matplotlib fails, as where it is not installed."""
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.fixture
def look_alike(monkeypatch):
    """The look-alike of CuPy in its place: no plan and no note of a wrong label goes from it to other tests."""
    from gpunn.backend import faults, loading, streams
    from tests import cupy_stand_in

    stand_in = cupy_stand_in.module()
    # Like the real one's cache no Python function, which tests/counting.py would count.
    monkeypatch.setattr(loading, "_load_cupy", itertools.repeat((stand_in, "")).__next__)
    monkeypatch.setattr(faults, "_records", {})
    monkeypatch.setattr(streams, "_tickets", {})
    monkeypatch.setattr(streams, "_ones", {})
    cupy_stand_in.forget_plans()
    yield stand_in
    cupy_stand_in.forget_plans()


@pytest.fixture
def device_there(request):
    """Whatever `device` a test has as its parameter is there, cuda as CuPy's look-alike; else the test skips."""
    device = request.node.callspec.params.get("device") if hasattr(request.node, "callspec") else None
    if device == "cuda":
        request.getfixturevalue("look_alike")
    elif device and not gpunn.is_available(device):
        pytest.skip(f"{device} is not available here (gpunn doctor says why)")


@pytest.fixture(autouse=True)
def _no_curves(request, monkeypatch):
    """Runs draw no curves.png, which takes longer than most of them, but where a test is marked `curves`."""
    if request.node.get_closest_marker("curves") is None:
        monkeypatch.setattr("gpunn.train.callbacks.draw_curves", lambda history, path, metric: None)


@pytest.fixture(autouse=True)
def _same_start():
    gpunn.manual_seed(0)
    yield
    assert gpunn.is_grad_enabled(), "the test left gradients switched off"
    assert str(gpunn.default_device()) == "cpu", "the test left another default device"
