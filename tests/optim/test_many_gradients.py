"""Clipping, accumulating and averaging on devices: few launches, no read, the CPU's numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, backend, nn, optim
from gpunn.errors import TrainingError
from gpunn.optim.accumulate import Accumulation
from gpunn.train import EMA
from tests import counting

pytestmark = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")
SHAPES = [(), (0, 3), (5, 3), (4100,), (4, 3, 2, 2)]
DEVICES = ["emulator", "cuda"]


@pytest.fixture(autouse=True)
def cuda(look_alike):
    return "cuda"


def parameters(device, dtypes=("float32",), shapes=SHAPES, scale=1.0):
    rng = np.random.default_rng(0)
    params = []
    for i, shape in enumerate(shapes):
        array = np.asarray(scale * rng.standard_normal(shape), dtypes[i % len(dtypes)])
        params.append(Tensor(gpunn.to_device(np.zeros_like(array), device), requires_grad=True))
        params[-1].gradient = gpunn.to_device(array, device)
    return params


def numbers(params):
    return [gpunn.to_numpy(p.gradient) for p in params]


@pytest.mark.parametrize("dtypes", [("float32",), ("float64",), ("float32", "float64")], ids=str)
@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("device", DEVICES)
def test_clipping_by_norm_is_that_of_the_cpu(device, order, dtypes):
    shapes = [shape for shape in SHAPES if 0 not in shape]  # NumPy has no largest of nothing
    for limit in (0.5, 1e6):
        here, there = parameters(device, dtypes, shapes), parameters("cpu", dtypes, shapes)
        found, want = (optim.clip_grad_norm_(params, limit, order) for params in (here, there))
        assert found.shape == () and backend.device_of(found).type == device
        assert float(found) == pytest.approx(float(want), rel=2e-6)
        for a, b in zip(numbers(here), numbers(there), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=3e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_the_norm_of_nothing_is_zero(device):
    for shapes in ([(0, 3)], [(0,), (2, 0)]):
        assert float(optim.clip_grad_norm_(parameters(device, shapes=shapes), 1.0)) == 0.0


@pytest.mark.parametrize("order", [2.0, math.inf])
@pytest.mark.parametrize("device", DEVICES)
def test_what_is_not_finite_becomes_nan_and_zeros_as_on_the_cpu(device, order):
    for wrong in (math.nan, math.inf):
        found = []
        for where in (device, "cpu"):
            params = parameters(where, shapes=[(5,), (300,)])
            params[0].gradient[2] = wrong
            with np.errstate(invalid="ignore"):
                total = optim.clip_grad_norm_(params, 1.0, order)
            found.append([float(total), *numbers(params)])
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b)
        params = parameters(device, shapes=[(5,)])
        params[0].gradient[2] = wrong
        with pytest.raises(TrainingError, match="expected a finite number"):
            optim.clip_grad_norm_(params, 1.0, order, error_if_nonfinite=True)


@pytest.mark.parametrize("device", DEVICES)
def test_other_norms_are_numpys(device):
    here, there = parameters(device, shapes=[(5,), (4,)]), parameters("cpu", shapes=[(5,), (4,)])
    for order in (0, -1.0, -math.inf):
        assert float(optim.grad_norm(here, order)) == pytest.approx(float(optim.grad_norm(there, order)), rel=1e-6)


def test_clipping_takes_three_launches_and_no_read(cuda):
    params = parameters(cuda, shapes=[(3,)] * 161)
    with counting.device_work() as work:
        optim.clip_grad_norm_(params, 0.5)
    assert dict(work.launches) == {"norm_parts": 1, "norm_total": 1, "scale": 1}, str(work)
    assert not work.reads and not work.copies, str(work)
    with counting.device_work() as work:
        optim.clip_grad_value_(params, 0.5)
    assert dict(work.launches) == {"clamp": 1} and not work.reads, str(work)


def test_a_norm_of_more_tensors_than_a_table_holds(cuda):
    shapes = [(n % 7 + 1,) for n in range(2100)]
    found, want = (float(optim.grad_norm(parameters(device, shapes=shapes))) for device in (cuda, "cpu"))
    assert found == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_clipping_by_value_keeps_nan(device):
    (p,) = parameters(device, shapes=[(9,)])
    p.gradient[...] = 4.0
    p.gradient[0], p.gradient[1], p.gradient[2] = math.nan, -math.inf, 0.25
    optim.clip_grad_value_([p], 0.5)
    np.testing.assert_array_equal(gpunn.to_numpy(p.gradient), [math.nan, -0.5, 0.25] + [0.5] * 6)


@pytest.mark.parametrize("device", DEVICES)
def test_clipping_changes_gradients_with_gaps_in_place(device):
    memory = gpunn.to_device(np.ones((4, 6), np.float32), device)
    p = Tensor(gpunn.to_device(np.zeros((4, 3), np.float32), device), requires_grad=True)
    p.gradient = memory[:, ::2]
    optim.clip_grad_value_([p], 0.5)
    assert gpunn.to_numpy(memory).tolist() == [[0.5, 1.0] * 3] * 4


@pytest.mark.parametrize("device", DEVICES)
def test_accumulated_gradients_have_the_bits_of_the_cpu(device):
    def run(where):
        params, parts = parameters(where), Accumulation(3)
        for batch, samples in enumerate((4, 5, 3)):
            for i, (p, new) in enumerate(zip(params, parameters(where, scale=1 + batch), strict=True)):
                p.gradient = None if i == 2 and batch == 0 else new.gradient
            with counting.device_work() as work:
                parts.add(params, samples)
            assert where != "cuda" or dict(work.launches) == {"accumulate": 1}, str(work)
            saved = parts.state_dict()
            parts = Accumulation(3)
            parts.load_state_dict(saved, params)
        with counting.device_work() as work:
            parts.release(params)
        assert where != "cuda" or dict(work.launches) == {"accumulate": 1}, str(work)
        return numbers(params)

    for got, want in zip(run(device), run("cpu"), strict=True):
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("device", DEVICES)
def test_a_mean_of_nothing_is_nan_and_adds_nothing(device):
    params, parts = parameters(device, shapes=[(2,)]), Accumulation(2)
    for value, weight in ((math.nan, 0), (3.0, 5)):
        params[0].gradient[...] = value
        parts.add(params, weight)
    assert parts.release(params)
    assert gpunn.to_numpy(params[0].gradient).tolist() == [3.0, 3.0]


@pytest.mark.parametrize("use_buffers", [True, False])
@pytest.mark.parametrize("device", DEVICES)
def test_averaged_weights_have_the_bits_of_the_cpu(device, use_buffers):
    def run(where):
        gpunn.manual_seed(0)
        model, ema = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).to(where), EMA(0.75, use_buffers)
        rng = np.random.default_rng(0)
        for step in range(4):
            for array in model.named_arrays().values():
                array[...] = gpunn.to_device(np.asarray(4 * rng.standard_normal(array.shape), array.dtype.name), where)
            with counting.device_work() as work:
                ema.update(model)
            copied = 1 if use_buffers else 3  # the count of batches, and statistics that are not averaged
            assert where != "cuda" or step == 0 or dict(work.launches) == {"average": 1, "setitem": copied}, str(work)
            other = EMA()
            other.load_state_dict(ema.state_dict(), model)
            ema = other
        return {name: gpunn.to_numpy(array) for name, array in ema.state_of(model).items()}

    found, want = run(device), run("cpu")
    assert found.keys() == want.keys()
    for name in want:
        assert found[name].tobytes() == want[name].tobytes(), name
