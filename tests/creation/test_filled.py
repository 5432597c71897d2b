"""Tensors from nothing: PyTorch's values and dtypes for the same call, on each device, and what is refused."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor
from tests.parity import torch

DEVICES = [name for name in ("cpu", "emulator", "cuda") if gpunn.is_available(name)]
SAME = {  # of values that PyTorch has, too
    "zeros of lengths": lambda t: t.zeros(2, 3),
    "zeros of a tuple": lambda t: t.zeros((2, 0)),
    "ones by name": lambda t: t.ones(size=(2, 3), dtype=t.int64),
    "no dimension": lambda t: t.ones(()),
    "bools": lambda t: t.full((2,), True),
    "ints": lambda t: t.full((2,), 3),
    "floats": lambda t: t.full([2], 0.5),
    "halves": lambda t: t.full((2,), 1 / 3, dtype=t.float16),
    "one element": lambda t: t.full((2,), t.tensor(2.5)),
    "a range": lambda t: t.arange(5),
    "a range of floats": lambda t: t.arange(1, 2, 0.1),
    "a range of a dtype": lambda t: t.arange(2, 9, 2, dtype=t.float64),
    "a range backwards": lambda t: t.arange(5, 0, -2),
    "an empty range": lambda t: t.arange(3, 3),
    "linspace": lambda t: t.linspace(-3, 10, steps=7),
    "linspace of one": lambda t: t.linspace(2, 5, 1),
    "linspace of ints": lambda t: t.linspace(0, 10, 4, dtype=t.int32),
    "logspace": lambda t: t.logspace(0, 3, 4, base=2),
    "eye": lambda t: t.eye(2, 3),
    "places below": lambda t: t.tril_indices(3, 4, -1),
    "places above": lambda t: t.triu_indices(3, 2, offset=1, dtype=t.int32),
    "the like": lambda t: t.ones_like(t.zeros(2, 3, dtype=t.int16)),
    "the like in another dtype": lambda t: t.zeros_like(t.ones(2), dtype=t.float64),
    "full like": lambda t: t.full_like(t.ones(2), 7),
    "a copy of data": lambda t: t.tensor([[1, 2.5]], dtype=t.float64),
    "of numpy": lambda t: t.from_numpy(np.arange(3, dtype=np.uint8)),
    "as a tensor": lambda t: t.as_tensor(np.ones(2), dtype=t.float32),
}


@pytest.mark.parametrize("call", SAME.values(), ids=SAME)
def test_values_and_dtypes_are_pytorchs(call):
    got, want = call(gpunn), call(torch())
    assert tuple(got.shape) == tuple(want.shape) and got.dtype == str(want.dtype).removeprefix("torch.")
    np.testing.assert_allclose(np.asarray(got).astype(float), want.numpy().astype(float), rtol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_devices_and_gradients_are_asked_for(device):
    for x in (gpunn.zeros(2, device=device), gpunn.arange(3, device=device), gpunn.rand(2, device=device)):
        assert str(x.device) == device
    assert str(gpunn.zeros_like(gpunn.zeros(2, device=device)).device) == device
    assert str(gpunn.randn_like(gpunn.zeros(2, device=device)).device) == device
    assert str(gpunn.ones_like(gpunn.zeros(2, device=device), device="cpu").device) == "cpu"
    assert gpunn.ones(2, device=device, requires_grad=True).requires_grad


def test_out_gets_the_values_and_is_given_back():
    y, a = gpunn.zeros(3, dtype="float64"), np.empty(3, np.float32)
    assert gpunn.arange(3, out=y) is y and y.tolist() == [0, 1, 2] and y.dtype == np.float64
    gpunn.ones(3, out=a)
    assert a.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"ones: out is \(3,\), expected \(2,\); make it with empty\(2,\)"):
        gpunn.ones(2, out=a)


def test_the_default_dtype_is_heeded_by_floats_and_layers():
    gpunn.set_default_dtype("float64")
    try:
        made = gpunn.zeros(1), gpunn.tensor(0.5), gpunn.full((1,), 0.5), gpunn.rand(1), gpunn.nn.Linear(1, 1).weight
        assert {x.dtype.name for x in made} == {"float64"}
        assert gpunn.arange(3).dtype == np.int64
    finally:
        gpunn.set_default_dtype(np.float32)
    with pytest.raises(TypeError, match="set_default_dtype: d is int64, expected one of float32, float64"):
        gpunn.set_default_dtype("int64")


def test_memory_is_laid_out_as_asked_for():
    x = gpunn.zeros(2, 3, 4, 5, dtype="float32")
    last = gpunn.zeros_like(x, memory_format="channels_last")
    assert np.asarray(last).transpose(0, 2, 3, 1).flags.c_contiguous
    assert np.asarray(gpunn.zeros_like(last)).transpose(0, 2, 3, 1).flags.c_contiguous
    assert np.asarray(gpunn.rand_like(last, memory_format="contiguous_format")).flags.c_contiguous
    with pytest.raises(ValueError, match=r"zeros_like: memory_format is channels_last, which is of 4 dimensions"):
        gpunn.zeros_like(gpunn.zeros(3), memory_format="channels_last")
    with pytest.raises(ValueError, match=r"zeros_like: memory_format is 'NHWC', expected one of preserve_format"):
        gpunn.zeros_like(x, memory_format="NHWC")


def test_memory_is_shared_where_pytorchs_is():
    a = np.zeros(2, np.float32)
    for x in (gpunn.from_numpy(a), gpunn.as_tensor(a)):
        assert np.shares_memory(np.asarray(x), a)
    x = gpunn.ones(1, requires_grad=True)
    assert gpunn.as_tensor(x) is x and gpunn.as_tensor(x * 2, dtype="float64").requires_grad


@pytest.mark.parametrize("name", ["cpu:0", "emulator:0"])
def test_the_first_of_each_device_has_a_number(name):
    assert gpunn.device(name) == gpunn.device(name[:-2]) == gpunn.device(name[:-2], 0)


REFUSED = {
    "complex": (
        lambda: gpunn.zeros(2, dtype="complex64"),
        TypeError,
        "zeros: dtype is complex64, expected one of",
    ),
    "no dtype": (lambda: gpunn.ones(2, dtype="flaot"), TypeError, "ones: dtype is 'flaot', expected one of numbers"),
    "below 0": (lambda: gpunn.zeros(-1), ValueError, r"zeros: size is \(-1,\), expected lengths of at least 0"),
    "half": (lambda: gpunn.zeros(1.5), TypeError, "zeros: size is 1.5, expected ints"),
    "away": (lambda: gpunn.arange(0, 5, -1), ValueError, "arange: start is 0, end 5 and step -1, expected finite ones"),
    "no step": (lambda: gpunn.arange(0, 5, 0), ValueError, "arange: start is 0, end 5 and step 0"),
    "endless": (lambda: gpunn.arange(float("inf")), ValueError, "arange: start is 0, end inf"),
    "steps": (lambda: gpunn.linspace(0, 1, -1), ValueError, "linspace: steps is -1, expected at least 0"),
    "value": (lambda: gpunn.full((2,), "1"), TypeError, "full: fill_value is '1', expected a number"),
    "ints": (lambda: gpunn.ones(2, dtype=int, requires_grad=True), TypeError, "cannot require a gradient"),
    "a list": (lambda: gpunn.from_numpy([1]), TypeError, "from_numpy: got a list, expected a NumPy array"),
    "backwards": (lambda: gpunn.from_numpy(np.ones(3)[::-1]), ValueError, "from_numpy: the array runs backwards"),
    "device": (lambda: gpunn.zeros(1, device="gpu"), ValueError, "did you mean cuda"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_tensor_of_another_kind_is_no_shape():
    with pytest.raises(TypeError, match="size is"):
        gpunn.zeros(Tensor([1.0, 2.0]))


def test_each_is_made_on_a_gpu(look_alike):
    """By functions that CuPy has, too."""
    cuda = {"device": "cuda"}
    made = [
        gpunn.zeros(2, **cuda), gpunn.ones(2, **cuda), gpunn.empty(2, **cuda), gpunn.full((2,), 3, **cuda),
        gpunn.arange(3, **cuda), gpunn.linspace(0, 1, 3, **cuda), gpunn.logspace(0, 1, 3, **cuda), gpunn.eye(2, **cuda),
        gpunn.rand(2, **cuda), gpunn.randint(5, (2,), **cuda), gpunn.randperm(3, **cuda), gpunn.tensor([1], **cuda),
        gpunn.zeros(1, 2, 3, 4, **cuda),
    ]  # fmt: skip
    x = made[-1]
    made += [gpunn.zeros_like(x), gpunn.ones_like(x), gpunn.full_like(x, 2), gpunn.empty_like(x), gpunn.rand_like(x)]
    made += [gpunn.zeros_like(x, memory_format="channels_last"), gpunn.bernoulli(x), gpunn.normal(x, 1.0)]
    made += [gpunn.multinomial(gpunn.ones(3, **cuda), 2), gpunn.randint_like(x, 2), gpunn.randn_like(x)]
    assert {str(y.device) for y in made} == {"cuda"}
    assert gpunn.arange(3, out=gpunn.zeros(3, **cuda)).tolist() == [0, 1, 2]
    assert gpunn.max(gpunn.arange(3.0, **cuda), 0)[1].item() == 2
