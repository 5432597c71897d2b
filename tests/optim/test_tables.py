"""The table of a multi-tensor launch: how many tensors it holds, how wide it reads, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, backend, emulator, optim
from gpunn.cuda import table
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.variants import tracing
from gpunn.emulator import EmulatedArray, KernelError
from gpunn.reference.optim import OPTIMISERS
from tests.optim.test_multi_tensor import cuda as cuda  # the look-alike of CuPy
from tests.optim.test_multi_tensor import steps, tensors

pytestmark = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")


def test_more_tensors_than_a_table_holds_take_several_launches(cuda):
    shapes = [(n % 5,) for n in range(300)]
    found, want = (steps(OPTIMISERS[6], device, count=2, shapes=shapes) for device in (cuda, "cpu"))
    assert all(np.array_equal(a, b) for a, b in zip(found, want, strict=True))
    params = tensors("emulator", shapes=[(2,)] * 300)
    for p in params:
        p.gradient = p.array
    with tracing() as calls:
        optim.Adam(params).step()
    assert [(call.operation, call.variant, str(call.problem)) for call in calls] == [
        ("optim.adam", "table", "M256 L512 float32"),
        ("optim.adam", "table", "M44 L88 float32"),
    ]


def test_an_old_driver_gets_small_tables(cuda, monkeypatch):
    assert table.parameter_bytes(0) == table.parameter_bytes(EMULATOR) == 32764
    stand_in = backend.require_cupy()
    monkeypatch.setattr(stand_in.cuda.runtime, "driverGetVersion", lambda: 12000)
    assert table.parameter_bytes(0) == 4096
    table.most_rows.cache_clear()
    assert table.most_rows("optim/adam", "float32", 0) == 32
    table.most_rows.cache_clear()


def test_sixteen_bytes_a_lane_where_memory_allows():
    for offset, width in ((0, 16), (1, 4)):
        memory = EmulatedArray.of(np.zeros(4097, np.float32))
        p = Tensor(memory[offset : offset + 4096], requires_grad=True)
        p.gradient = EmulatedArray.of(np.ones(4096, np.float32))
        with emulator.counting() as counts:
            optim.SGD([p], lr=1).step()
        sites = [site for site in counts["sgd"].sites if site.space == "global"]
        assert sites and {site.bytes_a_lane for site in sites} == {width}
        assert counts["sgd"].sector_excess <= 1.15
        assert (memory[offset : offset + 4096] == -1).all()


def test_a_gradient_of_another_shape_or_device_is_refused(cuda):
    p, q = tensors(cuda, shapes=[(2,), (2,)])
    optimizer = optim.SGD([p, q], lr=1)
    before = p.array.tolist()
    p.gradient = q.gradient = p.array.copy()
    optimizer.step()
    after = p.array.tolist()
    assert after != before
    for wrong in (gpunn.to_device(np.ones(3, np.float32), cuda), np.ones(2, np.float32), 1.0):
        p.gradient, q.gradient = p.array.copy(), wrong
        with pytest.raises(ValueError, match=r"SGD: a gradient is a .*, expected a ndarray of shape \(2,\) like"):
            optimizer.step()
        assert p.array.tolist() == after
    q.gradient = gpunn.to_device(np.ones(2, np.float32), "cuda:1")
    with pytest.raises(ValueError, match=r"optim/sgd.cu: an array of g is not on cuda:0, where the others are; move"):
        optimizer.step()
    assert p.array.tolist() == after


def test_a_dtype_that_no_kernel_takes():
    p = Tensor(EmulatedArray.of(np.ones(2, np.longdouble)), requires_grad=True)
    p.gradient = p.array * 1
    with pytest.raises(TypeError, match=r"optim.sgd: arrays are float128, expected float32, .*; convert with astype"):
        optim.SGD([p], lr=1).step()


def test_an_access_past_a_tensor_is_caught_through_the_table():
    (p,) = tensors("emulator", shapes=[(5,)])
    p.gradient = p.array * 1
    optimizer = optim.SGD([p], lr=1)
    optimizer.step()
    first = optimizer._batches[0].kept["optim.sgd"].tables[0]
    first.table["size"][0] = 6
    with pytest.raises(KernelError, match=r"sgd: reads table\.p\[0\]\[5\] past the end .* has 5 elements"):
        optimizer.step()
