"""What PyTorch has and gpunn leaves out is answered with what to do instead; what scripts set has no effect."""

import importlib.util

import numpy as np
import pytest

import gpunn
from gpunn import autograd, backends, cuda, dist, left_out, nn, optim
from gpunn.errors import DeviceError
from tests.parity import torch

TABLES = {
    "gpunn": (gpunn, left_out.NAMES),
    "gpunn.nn": (nn, left_out.OF_NN),
    "gpunn.nn.utils": (nn.utils, left_out.OF_NN_UTILS),
    "gpunn.utils": (gpunn.utils, left_out.OF_UTILS),
    "gpunn.optim": (optim, left_out.OF_OPTIM),
    "gpunn.cuda": (cuda, left_out.OF_CUDA),
    "gpunn.autograd": (autograd, left_out.OF_AUTOGRAD),
    "gpunn.nn.functional": (nn.functional, left_out.OF_FUNCTIONAL),
    "gpunn.dist": (dist, left_out.OF_DIST),
    "gpunn.utils.data": (gpunn.utils.data, left_out.OF_DATA),
    "Tensor": (gpunn.zeros(1), left_out.OF_TENSOR),
    "Module": (nn.Module(), left_out.OF_MODULE),
}
PLACES = [(module, name) for module, (_, names) in TABLES.items() for name in names]


@pytest.mark.parametrize(("module", "name"), PLACES)
def test_a_name_that_is_left_out_says_what_to_do(module, name):
    with pytest.raises(AttributeError) as caught:
        getattr(TABLES[module][0], name)
    words = str(caught.value)
    assert words.startswith(f"{module} has no {name!r}, which PyTorch has: ") and "\n" not in words


@pytest.mark.parametrize(("module", "name"), PLACES)
def test_it_is_a_name_of_pytorchs(module, name):
    theirs = {"Tensor": torch().Tensor, "Module": torch().nn.Module}
    if module in theirs:
        assert hasattr(theirs[module], name)
        return
    place = module.replace("gpunn.dist", "gpunn.distributed").replace("gpunn", torch().__name__)
    assert hasattr(importlib.import_module(place), name) or importlib.util.find_spec(f"{place}.{name}")


def test_a_name_that_nobody_has_is_another_matter():
    with pytest.raises(AttributeError, match="module 'gpunn' has no attribute 'zeroes'; did you mean 'zeros'"):
        gpunn.zeroes  # noqa: B018
    with pytest.raises(AttributeError, match=r"module 'gpunn.optim' has no attribute 'AdamX'; did you mean 'Adam"):
        optim.AdamX  # noqa: B018


def test_switches_are_taken_and_change_nothing():
    backends.cudnn.benchmark, before = True, backends.cudnn.benchmark
    backends.cudnn.benchmark = before
    gpunn.use_deterministic_algorithms(False)
    assert gpunn.are_deterministic_algorithms_enabled() and not backends.mps.is_available()
    assert not backends.cudnn.is_available() and backends.cuda.is_built() and backends.cudnn.version() is None


def test_precision_by_pytorchs_words():
    try:
        gpunn.set_float32_matmul_precision("high")
        assert gpunn.current_precision() == "tf32" and gpunn.get_float32_matmul_precision() == "high"
    finally:
        gpunn.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="set_float32_matmul_precision: got 'low', expected one of highest, high"):
        gpunn.set_float32_matmul_precision("low")


@pytest.mark.skipif(gpunn.is_available("cuda"), reason="there is a GPU")
def test_without_a_gpu_there_are_none():
    assert not cuda.is_available() and cuda.device_count() == cuda.memory_allocated() == cuda.memory_reserved() == 0
    cuda.empty_cache()
    assert gpunn.accelerator.current_accelerator() is None and not gpunn.accelerator.is_available()
    for call in (cuda.synchronize, cuda.current_device, cuda.get_device_name):
        with pytest.raises(DeviceError, match="cuda'"):
            call()


def test_with_one_there_is_one(look_alike):
    assert cuda.is_available() and cuda.device_count() >= 1 and cuda.current_device() == 0
    x = gpunn.zeros(1000, device="cuda")
    assert cuda.memory_reserved() >= cuda.memory_allocated() >= 0 and str(x.device) == "cuda"
    cuda.synchronize()
    cuda.empty_cache()
    with pytest.raises(DeviceError, match="cuda: device is 'cpu', expected a GPU, such as 'cuda:0'; leave it out"):
        cuda.synchronize("cpu")


def test_seeds_are_the_one_stream():
    cuda.manual_seed_all(5)
    first = gpunn.rand(3).tolist()
    gpunn.manual_seed(5)
    assert gpunn.rand(3).tolist() == first


def test_constants_and_types():
    assert gpunn.Size is tuple and isinstance(gpunn.zeros(2).shape, gpunn.Size) and gpunn.nan != gpunn.nan
    assert isinstance(gpunn.zeros(2).dtype, gpunn.dtype) and gpunn.get_default_device() == gpunn.device("cpu")
    assert np.isclose(gpunn.pi, np.pi) and gpunn.channels_last == "channels_last"
