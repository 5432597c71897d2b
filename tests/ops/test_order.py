"""Order and logic on every device: equal results, kinds and memory; `out=` of what gives several arrays."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from tests import counting
from tests.ops.places import host, on
from tests.parity import normal

X, WHOLE = np.round(normal(3, 4, 5) * 2), np.arange(12).reshape(3, 4) % 5
PAIRS = {
    "sort": lambda x, **o: ops.sort(x, 1, True, **o),
    "topk": lambda x, **o: ops.topk(x, 2, 0, **o),
    "kthvalue": lambda x, **o: ops.kthvalue(x, 2, **o),
    "median": lambda x, **o: ops.median(x, 1, True, **o),
    "mode": lambda x, **o: ops.mode(x, 2, **o),
    "var_mean": lambda x, **o: ops.var_mean(x, 1, **o),
    "std_mean": lambda x, **o: ops.std_mean(x, **o),
}
LOGIC = {
    **{name: lambda x, name=name: getattr(ops, name)(x, 2) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    **{name: lambda x, name=name: getattr(ops, name)(x, x > 1) for name in ("logical_and", "logical_or")},
    **{name: lambda x, name=name: getattr(ops, name)(x) for name in ("logical_not", "bitwise_not", "isnan", "isinf")},
    **{name: lambda x, name=name: getattr(ops, name)(x, 1) for name in ("any", "all", "count_nonzero", "argsort")},
    "isfinite": lambda x: ops.isfinite(ops.div(x, x - 1)),
    "logical_xor": lambda x: ops.logical_xor(x, x > 1),
    "isclose": lambda x: ops.isclose(x, x + 1, atol=1),
    "floor_divide": lambda x: ops.floor_divide(x, 3),
    "remainder": lambda x: ops.remainder(x, 3),
    "floor_divide of floats": lambda x: ops.floor_divide(x / 2, 1.5),
    "unique": lambda x: ops.unique(x, return_inverse=True, return_counts=True)[1],
    "unique along 0": lambda x: ops.unique(x, dim=0),
    "bincount": lambda x: ops.bincount(x.reshape(-1), minlength=9),
    "histc": lambda x: ops.histc(x * 1.5, 4),
    "sign of bool": lambda x: ops.sign(x > 2),
    "cumsum": lambda x: ops.cumsum(x, 1),
    "median": lambda x: ops.median(x),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name, place):
    want = PAIRS[name](X.astype(np.float32))
    x = on(place, X)
    got, outs = PAIRS[name](x), tuple(map(like, PAIRS[name](x)))
    assert PAIRS[name](x, out=outs) is outs
    for y, out, wanted in zip(got, outs, want, strict=True):
        assert type(y) is type(x) and y.dtype == wanted.dtype and y.shape == wanted.shape
        np.testing.assert_allclose(host(y), wanted, rtol=1e-6)
        np.testing.assert_array_equal(host(out), host(y))


def like(y):
    return gpunn.backend.array_module(y).empty_like(y)


@pytest.mark.parametrize("name", LOGIC)
def test_logic(name, place):
    want, got = (LOGIC[name](on(device, WHOLE, np.int64)) for device in ("cpu", place))
    assert got.dtype == want.dtype and got.shape == want.shape and type(got) is type(on(place, WHOLE))
    np.testing.assert_array_equal(host(got), host(want))


@pytest.mark.parametrize("name", [*PAIRS, "argsort", "cumsum", "isclose", "erf", "round", "norm"])
def test_the_host_waits_for_nothing(name, look_alike):
    x = on("cuda", X)
    call = PAIRS.get(name) or {
        "argsort": ops.argsort,
        "cumsum": lambda x: ops.cumsum(x, 0),
        "logical_xor": lambda x: ops.logical_xor(x, x > 1),
        "isclose": lambda x: ops.isclose(x, x),
    }.get(name, getattr(ops, name))
    with counting.device_work() as work:
        call(x)
    assert not work.reads


def test_results_share_no_memory_with_what_they_come_from():
    for dtype in (np.float64, np.int64, bool):
        x = X.astype(dtype)
        for name in ("sign", "floor", "round", "nan_to_num", "square", "cumsum", "sort", "clip", "unique"):
            if dtype is bool and name in ("floor", "round", "clip"):
                continue
            options = {"cumsum": {"dim": 0}, "clip": {"min": -100}}.get(name, {})
            y = getattr(ops, name)(x, **options)
            assert not np.shares_memory(y[0] if name == "sort" else y, x), name


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_are_added_up_wider(dtype):
    x = Tensor(np.full(4096, 1.0, np.float32)).to(dtype)
    assert float(x.cumsum(0)[-1]) == 4096 and float(x.norm()) == 64 and float((x * 2).std(correction=0)) == 0


def test_gradients_of_repeated_and_chosen_values():
    x = Tensor(np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), requires_grad=True)
    x.max(1).values.sum().backward()
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]
    x.grad = None
    x.amax(1).sum().backward()
    assert x.grad.tolist() == [[0, 0.5, 0.5], [1 / 3] * 3]
    x.grad = None
    x.median().backward()
    assert x.grad.tolist() == [[0, 0, 0], [1 / 3] * 3]


@pytest.mark.parametrize("zeros", [[], [1], [0], [3], [1, 3], [0, 1, 2, 3]])
def test_gradient_of_running_products_with_zeros(zeros):
    a, gy = np.array([2.0, -3.0, 0.5, 4.0]), np.array([1.0, 2.0, -1.0, 0.5])
    a[zeros] = 0
    x = Tensor(a, requires_grad=True)
    x.cumprod(0).backward(gy)
    want = [sum(gy[k] * np.prod(np.delete(a[: k + 1], i)) for k in range(i, 4)) for i in range(4)]
    np.testing.assert_allclose(x.grad.numpy(), want)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), ()])
def test_of_nothing_and_of_a_number(shape):
    x = np.ones(shape)
    for name in ("sin", "erf", "square", "round", "sign", "isnan", "nan_to_num", "unique"):
        y = getattr(ops, name)(x)
        assert np.shape(y) == shape or name == "unique"
    for name in ("cumsum", "cumprod", "argsort"):
        assert np.shape(getattr(ops, name)(x, 0)) == shape
    assert ops.sort(x, 0).values.shape == shape and ops.topk(x, 0 if shape else 1, 0).values.shape[1:] == shape[1:]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("largest", [True, False])
def test_few_of_many_are_the_first_of_all_in_order(largest, axis):
    x = np.random.default_rng(0).integers(0, 9, (40, 50)).astype(np.float32)
    for a in (x, x.T[::-1], x.astype(np.int32), np.where(x == 8, np.nan, x), x > 4):
        order = ops.argsort(a, axis, descending=largest)
        few = ops.topk(a, 3, axis, largest)
        np.testing.assert_array_equal(few.indices, np.take(order, range(3), axis))
        np.testing.assert_array_equal(few.values, np.take_along_axis(a, few.indices, axis))
