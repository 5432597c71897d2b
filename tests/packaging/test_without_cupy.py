"""gpunn imports and trains whatever is wrong with CuPy: in a process of its own, with a CuPy that fails by design."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.test_wheel import TRAIN_A_STEP
from tests.thinned import one_in

ROOT = Path(__file__).parents[2]
BROKEN = {
    "absent": ("raise ModuleNotFoundError(\"No module named 'cupy'\", name='cupy')", "CuPy is not installed"),
    "lacks a library": ("raise ImportError('libcudart.so.12: cannot open shared object file')", "ImportError: libcud"),
    "breaks": ("raise RuntimeError('driver mismatch')", "RuntimeError: driver mismatch"),
    "is another module": ("", ""),
}
ASK_FOR_CUDA = """
import gpunn
assert not gpunn.is_available("cuda")
try:
    with gpunn.device("cuda"):
        pass
except gpunn.DeviceError as error:
    print(error)
"""


def run(code, folder):
    path = os.pathsep.join([str(folder), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *code], env=env, capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=one_in(2, BROKEN))
def stub(request, tmp_path):
    code, words = BROKEN[request.param]
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").write_text(code + "\n")
    return tmp_path, words


def test_trains_a_step(stub):
    folder, _ = stub
    assert "gpunn" in run(["-W", "error", "-c", TRAIN_A_STEP], folder)


def test_asking_for_cuda_says_what_is_wrong(stub):
    folder, words = stub
    out = run(["-c", ASK_FOR_CUDA], folder)
    assert words in out and "device 'c" in out


def test_doctor(stub):
    folder, words = stub
    out = run(["-m", "gpunn", "doctor"], folder)
    assert "--  device" in out and words in out and "Traceback" not in out


def test_parts_are_there_once_asked_for(tmp_path):
    code = """
import sys, gpunn
assert not {"gpunn.optim", "gpunn.train", "gpunn.data"} & sys.modules.keys()
assert gpunn.optim.SGD and gpunn.train.Trainer and {"optim", "Tensor"} <= set(dir(gpunn))
try:
    gpunn.optin
except AttributeError as error:
    assert str(error) == "module 'gpunn' has no attribute 'optin'; did you mean 'optim'?", error
else:
    raise AssertionError
"""
    run(["-c", code], tmp_path)


def test_import_leaves_cupy_alone(tmp_path):
    code = "import sys, gpunn, gpunn.models, gpunn.train, gpunn.cli; assert 'cupy' not in sys.modules"
    run(["-c", code], tmp_path)
