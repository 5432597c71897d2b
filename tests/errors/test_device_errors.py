"""Devices that are not there, and arrays on two of them: one error that names the device and the remedy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpunn
from gpunn import DeviceError, Tensor, ops

ROOT = Path(__file__).parents[2]


def run(program):
    """A fresh interpreter's output, since an import cannot be undone in this one."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


WITHOUT_CUPY = """
import sys
sys.modules["cupy"] = None  # importing it raises ImportError
"""

# A package that is there but cannot be loaded, as with a missing or foreign shared library.
BROKEN_CUPY = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "cupy":
            raise OSError("libcudart.so.12: cannot open shared object file")
sys.meta_path.insert(0, Broken())
"""

USE = """
import numpy as np, gpunn
from gpunn import Tensor, ops
x = Tensor(np.ones((2, 1, 6, 6), np.float32), requires_grad=True)
w = Tensor(np.ones((3, 1, 3, 3), np.float32), requires_grad=True)
ops.cross_entropy(ops.flatten(ops.max_pool2d(ops.conv2d(x, w), 4), 1), np.array([0, 2])).backward()
assert w.gradient.shape == (3, 1, 3, 3)
assert not gpunn.is_available("cuda") and gpunn.is_available("cpu")
try:
    x.to("cuda")
except gpunn.DeviceError as error:
    print(error)
"""


def test_everything_works_without_cupy_and_cuda_names_the_pip_line():
    text = run(WITHOUT_CUPY + USE)
    assert "cuda" in text and "pip install" in text and "gpunn[cuda12]" in text
    assert len(text.strip().splitlines()) == 1


def test_everything_works_with_a_broken_cupy_and_the_cause_is_named():
    text = run(BROKEN_CUPY + USE)
    assert "cuda" in text and "libcudart.so.12" in text
    assert "gpunn doctor" in text or "pip install" in text


def test_importing_gpunn_does_not_import_cupy():
    assert run("import sys, gpunn, gpunn.ops\nprint('cupy' in sys.modules)").strip() == "False"


@pytest.mark.skipif(gpunn.is_available("cuda"), reason="a GPU is here, so cuda is not refused")
@pytest.mark.parametrize(
    "use",
    [
        lambda: Tensor(np.ones(2)).to("cuda"),
        lambda: gpunn.set_default_device("cuda"),
        lambda: gpunn.device("cuda").__enter__(),
        lambda: gpunn.to_device(np.ones(2), "cuda:1"),
    ],
    ids=["Tensor.to", "set_default_device", "with device", "to_device"],
)
def test_cuda_without_a_gpu_is_refused_with_a_remedy(use):
    with pytest.raises(DeviceError) as caught:
        use()
    text = str(caught.value)
    assert "cuda" in text and "'cpu'" in text
    assert "gpunn doctor" in text or "pip install" in text
    assert str(gpunn.default_device()) == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "CUDA:0 ", "cuda:-1"])
def test_names_that_are_no_device(name):
    with pytest.raises(ValueError, match="device") as caught:
        gpunn.device(name)
    assert repr(name) in str(caught.value) and "'cpu'" in str(caught.value)


def emulated(a):
    if not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available: it needs a C++ compiler")
    return gpunn.to_device(a, "emulator")


@pytest.mark.parametrize("name", ["conv2d", "linear", "add", "matmul"])
def test_two_devices_in_one_call(name):
    a, b = {
        "conv2d": (np.zeros((1, 3, 5, 5), np.float32), np.zeros((4, 3, 3, 3), np.float32)),
        "linear": (np.zeros((2, 3), np.float32), np.zeros((4, 3), np.float32)),
    }.get(name, (np.zeros((3, 3), np.float32), np.zeros((3, 3), np.float32)))
    with pytest.raises(ValueError, match=name) as caught:
        getattr(ops, name)(a, emulated(b))
    text = str(caught.value)
    assert "cpu" in text and "emulator" in text and "gpunn.to_device(x, " in text


BAD = [
    (lambda: Tensor("abc"), TypeError, ["Tensor", "dtype", "floating point"]),
    (lambda: Tensor(None), TypeError, ["Tensor", "object", "floating point"]),
    (lambda: Tensor(np.zeros(2, complex)), TypeError, ["Tensor", "complex128", "floating point"]),
    (lambda: Tensor([[1, 2], [3]]), ValueError, ["array", "list", "equally long"]),
    (lambda: Tensor(np.zeros(2)).item(), ValueError, ["item", "(2,)", "one element"]),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD, ids=["text", "None", "complex", "ragged", "item"])
def test_what_cannot_be_a_tensor(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
