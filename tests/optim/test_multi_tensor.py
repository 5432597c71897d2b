"""One launch for all parameters: the bits of the NumPy lines, every size and memory, and what the table refuses."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, backend, emulator, nn, optim
from gpunn.cuda.variants import tracing
from gpunn.emulator import EmulatedArray
from gpunn.reference.optim import OPTIMISERS, STATES, OptimCase
from tests import counting

pytestmark = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")
SHAPES = [(), (0, 4), (7,), (5, 3), (9001,), (6, 2, 3, 3)]


@pytest.fixture
def cuda(look_alike):
    return "cuda"


def tensors(device, dtype="float32", shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Tensor(gpunn.to_device(np.asarray(rng.standard_normal(s), dtype), device), requires_grad=True) for s in shapes
    ]


def steps(case: OptimCase, device, dtype="float32", count=3, shapes=SHAPES):
    """The parameters and the state after some steps, as NumPy arrays; two groups."""
    params = tensors(device, dtype, shapes)
    groups = [{"params": params[:3]}, {"params": params[3:], **case.second}]
    optimizer = getattr(optim, case.rule)(groups, **case.options)
    for step in range(count):
        for p, given in zip(params, tensors(device, dtype, shapes, seed=1 + step), strict=True):
            p.gradient = given.array
        optimizer.step()
    state = optimizer.state_dict()["state"]
    arrays = [v for i in state for v in state[i].values() if backend.is_array(v)]
    return [gpunn.to_numpy(a) for a in [*(p.array for p in params), *arrays]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", OPTIMISERS, ids=str)
def test_the_emulator_gives_the_bits_of_numpy(case, dtype):
    with emulator.strict():
        found = steps(case, "emulator", dtype)
    for got, want in zip(found, steps(case, "cpu", dtype), strict=True):
        assert got.dtype == dtype and got.tobytes() == want.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", [OPTIMISERS[4], OPTIMISERS[6], OPTIMISERS[13]], ids=str)
def test_16_bits_are_rounded_once_a_step_on_both(case, dtype):
    info = pytest.importorskip("ml_dtypes").finfo(dtype)
    for got, want in zip(steps(case, "emulator", dtype), steps(case, "cpu", dtype), strict=True):
        assert got.dtype == want.dtype == dtype
        np.testing.assert_allclose(got.astype("d"), want.astype("d"), rtol=float(info.eps), atol=float(info.tiny))


@pytest.mark.parametrize("case", [OPTIMISERS[4], OPTIMISERS[6], OPTIMISERS[13]], ids=str)
def test_addresses_in_the_table_give_the_same_bits(case, cuda):
    for got, want in zip(steps(case, cuda), steps(case, "cpu"), strict=True):
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("case", [OPTIMISERS[0], OPTIMISERS[3], OPTIMISERS[8], OPTIMISERS[13]], ids=str)
def test_a_step_is_one_launch_and_no_read(case, cuda):
    params = tensors(cuda, shapes=[(3,)] * 161)
    optimizer = getattr(optim, case.rule)(params, **case.options)
    for count in range(3):
        for p in params:
            p.gradient = p.array.copy()
        with counting.device_work() as work:
            optimizer.step()
        new = len(case.used) * len(params) if count == 0 else 0  # zeros of the states
        assert work.launches.total() == 1 + new and not work.reads and not work.copies, str(work)


def test_the_python_of_a_step_does_not_grow_with_its_parameters(cuda):
    found = []
    for count in (10, 161):
        params = tensors(cuda, shapes=[(3,)] * count)
        optimizer = optim.AdamW(params)
        for _ in range(2):
            for p in params:
                p.gradient = p.array.copy()
            calls = counting.python_calls(optimizer.step)
        found.append(calls.total)
    assert found[0] == found[1] <= 70, str(calls)


# ---------------------------------------------------------------- memory of every kind
@pytest.mark.parametrize("rule", STATES)
@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_memory_orders_gaps_and_dtypes_of_gradients(rule, device, cuda):
    def run(device):
        rng = np.random.default_rng(0)
        base = gpunn.to_device(rng.standard_normal((6, 5, 8)).astype(np.float32), device)
        views = [base[:, :, ::2], base[:, :, 1].transpose(1, 0), base[:3, :, 3]]  # gaps in all of them
        params = [Tensor(view, requires_grad=True) for view in views]
        params.append(Tensor(gpunn.to_device(np.ones((4, 3, 2), np.float32), device).transpose(2, 0, 1), True))
        optimizer = getattr(optim, rule)(params, lr=0.1)
        for _ in range(3):
            for i, p in enumerate(params):
                dtype = np.float64 if i == 2 else np.float32
                p.gradient = gpunn.to_device(rng.standard_normal(p.shape).astype(dtype), device)
            optimizer.step()
        return gpunn.to_numpy(base), gpunn.to_numpy(params[3].array)

    for got, want in zip(run(device), run("cpu"), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)


def test_axes_of_length_one_have_any_stride_without_a_copy(cuda):
    p = Tensor(gpunn.to_device(np.ones((4, 3, 1, 1), np.float32), cuda), requires_grad=True)
    optimizer = optim.SGD([p], lr=1)
    for _ in range(2):
        p.gradient = gpunn.to_device(np.ones((4, 1, 1, 3), np.float32), cuda).transpose(0, 3, 1, 2)
        with counting.device_work() as work:
            optimizer.step()
        assert dict(work.launches) == {"sgd": 1}, str(work)
    assert (gpunn.to_numpy(p.array) == -1).all()


def test_parameters_without_an_element_launch_nothing(cuda):
    p = tensors(cuda, shapes=[(0, 3)])[0]
    p.gradient = p.array.copy()
    with counting.device_work() as work:
        optim.SGD([p], lr=1).step()
    assert not work.launches


# ---------------------------------------------------------------- what changes between steps
def test_the_table_follows_its_parameters():
    """Other arrays, another device, another dtype, other states: as on the CPU."""

    def run(device):
        model = nn.Linear(3, 2, bias=False)
        model.weight.array[...] = 1
        model.to(device)
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        def step():
            model.weight.gradient = model.weight.array * 0 + 2
            optimizer.step()

        step()
        model.weight.array = model.weight.array.copy()
        step()
        model.to("cpu")
        step()
        model.to(device)
        step()
        optimizer.load_state_dict(optimizer.state_dict())
        step()
        model.to("float64")
        step()
        optimizer.state.clear()
        step()
        optimizer.param_groups[0]["lr"] = 1.0
        step()
        return gpunn.to_numpy(model.weight.array)

    assert run("emulator").tobytes() == run("cpu").tobytes()


def test_parameters_of_two_dtypes_and_devices_are_updated_apart():
    params = [*tensors("emulator"), *tensors("emulator", "float64"), *tensors("cpu")]
    before = [gpunn.to_numpy(p.array).copy() for p in params]
    for p in params:
        p.gradient = p.array.copy()
        p.gradient[...] = 1
    with tracing() as calls:
        optim.SGD(params, lr=0.5).step()
    assert [str(call.problem).split()[-1] for call in calls] == ["float32", "float64"]
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(gpunn.to_numpy(p.array), old - p.array.dtype.type(0.5))


def test_a_state_of_another_memory_order_is_laid_like_its_parameter():
    array = EmulatedArray.of(np.arange(24, dtype=np.float32).reshape(2, 3, 4)).transpose(2, 0, 1)
    p = Tensor(array, requires_grad=True)
    optimizer = optim.SGD([p], lr=1, momentum=0.5)
    saved = optimizer.state_dict()
    saved["state"] = {0: {"momentum_buffer": np.ones(p.shape, np.float32)}}
    optimizer.load_state_dict(saved)
    assert optimizer.state[p]["momentum_buffer"].strides == p.array.strides


def test_a_subclass_may_still_update_one_by_one():
    seen = []

    class Halved(optim.SGD):
        def update(self, param, grad, state, group):
            seen.append(param.shape)
            super().update(param, grad / 2, state, group)

    for device in ("cpu", "emulator"):
        p, q = tensors(device, shapes=[(2,), (3,)])
        p.array[...] = q.array[...] = 0
        p.gradient, q.gradient = p.array + 1, q.array + 1
        Halved([p, q], lr=1, momentum=0.5).step()
        assert p.array.tolist() == [-0.5] * 2 and q.array.tolist() == [-0.5] * 3
    assert seen == [(2,), (3,)] * 2
