"""Pooling against the plain loops on the shape table, and against PyTorch option by option."""

import numpy as np
import pytest

import gpunn
import gpunn.cpu.pool
from gpunn import Tensor, ops
from gpunn.reference import naive
from gpunn.reference.cases import ADAPTIVE, POOL
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

AVERAGE = [case for case in POOL if case.average]


def allowed(case):
    """The public ops refuse, as PyTorch does, padding of more than half the window."""
    return all(2 * p <= s for p, s in zip(case.padding, case.size, strict=True))


def test_the_table_holds_only_what_the_public_ops_take():
    assert all(allowed(case) for case in POOL)


def geometry(case):
    return {"size": case.size, "stride": case.stride, "padding": case.padding, "ceil_mode": case.ceil_mode}


@DTYPES
@pytest.mark.parametrize("case", POOL, ids=str)
def test_max_against_plain_loops(case, dtype):
    x, gy = case.arrays(dtype)
    tensor = Tensor(x, requires_grad=True)
    y, indices = ops.max_pool2d(
        tensor, case.size, case.stride, case.padding, case.dilation, case.ceil_mode, return_indices=True
    )
    want, _, plane = naive.max_pool(x, **geometry(case), dilation=case.dilation)
    assert y.dtype == dtype and y.shape == case.y
    np.testing.assert_array_equal(y.array, want)
    assert indices.dtype == np.int64 and not indices.requires_grad
    np.testing.assert_array_equal(indices.array, plane)
    y.backward(gy)
    assert tensor.gradient.dtype == dtype
    gx = naive.max_pool_backward(gy, plane, case.x)
    assert_close(tensor.gradient, gx, 16)
    assert_close(ops.max_pool2d_backward(gy, indices.array, case.x), gx, 16)


def test_an_index_is_made_where_somebody_wants_it(monkeypatch):
    asked, made = [], gpunn.cpu.pool.max_forward

    def spy(x, win, ceil_mode, wanted):
        asked.append(wanted)
        y, index = made(x, win, ceil_mode, wanted)
        assert (index is not None) == wanted
        return y, index

    monkeypatch.setattr(gpunn.cpu.pool, "max_forward", spy)
    x = normal(2, 3, 6, 6)
    y, _ = ops.max_pool2d(x, 2, return_indices=True)
    ops.max_pool2d(Tensor(x, requires_grad=True), 2)
    with gpunn.no_grad():
        ops.max_pool2d(Tensor(x, requires_grad=True), 2)
    np.testing.assert_array_equal(ops.max_pool2d(x, 2), y)
    assert asked == [True, True, False, False]


@DTYPES
@pytest.mark.parametrize("case", AVERAGE, ids=str)
def test_average_against_plain_loops(case, dtype):
    x, gy = case.arrays(dtype)
    tensor = Tensor(x, requires_grad=True)
    options = {"ceil_mode": case.ceil_mode, "count_include_pad": case.count_include_pad}
    y = ops.avg_pool2d(tensor, case.size, case.stride, case.padding, **options)
    assert y.dtype == dtype
    assert_close(y.array, naive.avg_pool(x, case.size, case.stride, case.padding, **options), 16)
    y.backward(gy)
    assert tensor.gradient.dtype == dtype
    gx = naive.avg_pool_backward(gy, case.x, case.size, case.stride, case.padding, **options)
    assert_close(tensor.gradient, gx, 16)
    raw = ops.avg_pool2d_backward(gy, case.x, case.size, case.stride, case.padding, **options)
    assert type(raw) is np.ndarray and raw.dtype == dtype
    assert_close(raw, gx, 16)


@DTYPES
@pytest.mark.parametrize(("shape", "out"), ADAPTIVE, ids=str)
def test_adaptive_against_plain_loops(shape, out, dtype):
    x = np.round(normal(*shape) * 2).astype(dtype)
    gy = normal(*shape[:2], *out, seed=1).astype(dtype)
    tensor = Tensor(x, requires_grad=True)
    y = getattr(ops, f"adaptive_avg_pool{len(out)}d")(tensor, out)
    assert_close(y.array, naive.adaptive_avg_pool(x, out), 16)
    y.backward(gy)
    assert_close(tensor.gradient, naive.adaptive_avg_pool_backward(gy, shape), 16)
    tensor = Tensor(x, requires_grad=True)
    y, indices = getattr(ops, f"adaptive_max_pool{len(out)}d")(tensor, out, return_indices=True)
    want, _, plane = naive.adaptive_max_pool(x, out)
    np.testing.assert_array_equal(y.array, want)
    np.testing.assert_array_equal(indices.array, plane)
    y.backward(gy)
    assert y.dtype == tensor.gradient.dtype == dtype
    assert_close(tensor.gradient, naive.max_pool_backward(gy, plane, shape), 16)


def functional():
    return torch().nn.functional


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": (3, 2)},
        {"kernel_size": [2, 3], "stride": [1, 2]},
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": (2, 1), "padding": (1, 0), "ceil_mode": True},
        {"kernel_size": 4, "padding": 2, "ceil_mode": True},
    ],
    ids=str,
)
def test_option_forms_common_to_max_and_average(options):
    x = normal(2, 3, 9, 8)
    compare(lambda x: ops.max_pool2d(x, **options), lambda x: functional().max_pool2d(x, **options), x)
    compare(lambda x: ops.avg_pool2d(x, **options), lambda x: functional().avg_pool2d(x, **options), x, terms=9)
    options = {**options, "count_include_pad": False}
    compare(lambda x: ops.avg_pool2d(x, **options), lambda x: functional().avg_pool2d(x, **options), x, terms=9)


@pytest.mark.parametrize("dilation", [2, (1, 3)])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_dilation(dilation, ceil_mode):
    x = normal(2, 3, 9, 10)
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": dilation, "ceil_mode": ceil_mode}
    compare(lambda x: ops.max_pool2d(x, **options), lambda x: functional().max_pool2d(x, **options), x)


@pytest.mark.parametrize("n", range(1, 12))
def test_ceil_mode_drops_a_last_window_that_would_start_beyond_the_input(n):
    x = normal(1, 1, n, n + 1)
    for size, stride, padding in ((2, 2, 0), (2, 3, 1), (3, 2, 1), (3, 3, 0), (1, 4, 0), (2, 5, 1)):
        if n + 2 * padding < size:
            continue
        for name in ("max_pool2d", "avg_pool2d"):
            ours, theirs = getattr(ops, name), getattr(functional(), name)
            options = {"kernel_size": size, "stride": stride, "padding": padding, "ceil_mode": True}
            compare(lambda x, f=ours, o=options: f(x, **o), lambda x, f=theirs, o=options: f(x, **o), x, terms=4)


@pytest.mark.parametrize("nan_at", [(0, 0), (1, 1), (3, 2)])
def test_max_passes_nan_on_with_its_place(nan_at):
    x = normal(1, 1, 4, 5)
    x[0, 0][nan_at] = np.nan
    y, indices = ops.max_pool2d(x, 2, 1, return_indices=True)
    want, places = functional().max_pool2d(torch().tensor(x), 2, 1, return_indices=True)
    np.testing.assert_array_equal(y, want.numpy())
    np.testing.assert_array_equal(indices, places.numpy())


def test_max_of_minus_infinity_keeps_a_real_place():
    x = np.full((1, 1, 3, 3), -np.inf)
    y, indices = ops.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert (y == -np.inf).all()
    assert indices.tolist() == [[[[0, 1], [3, 4]]]]


@pytest.mark.parametrize("where", ["cpu", "emulator"])
@pytest.mark.parametrize(("plane", "dilation"), [((2, 2), 3), ((2, 5), (3, 1)), ((4, 3), (5, 3))])
def test_a_dilated_window_in_the_padding_has_no_place(plane, dilation, where):
    x = gpunn.to_device(normal(2, 2, *plane).astype(np.float32), where)
    tensor = Tensor(x, requires_grad=True)
    y, indices = ops.max_pool2d(tensor, 2, 1, 1, dilation, return_indices=True)
    assert (y.numpy() == -np.inf).all() and (indices.numpy() == -1).all()
    y.backward(gpunn.to_device(np.ones(y.shape, np.float32), where))
    gx = ops.max_pool2d_backward(gpunn.to_device(np.full(y.shape, np.inf, np.float32), where), indices.array, x.shape)
    assert not np.asarray(gx).any() and not np.asarray(tensor.gradient).any()


def test_max_of_all_negative_never_takes_the_padding():
    y = ops.max_pool2d(np.full((1, 1, 3, 3), -5.0), 3, 2, 1)
    assert (y == -5).all()


@pytest.mark.parametrize("out", [1, 3, (2, None), (None, None), (None, 5)], ids=str)
def test_adaptive_output_size_forms(out):
    x = normal(2, 3, 6, 7)
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        ours, theirs = getattr(ops, name), getattr(functional(), name)
        compare(lambda x, f=ours: f(x, out), lambda x, f=theirs: f(x, out), x, terms=9)


def test_an_image_without_a_batch():
    x = normal(3, 6, 7)
    for name, argument in (
        ("max_pool2d", 2),
        ("avg_pool2d", 2),
        ("adaptive_avg_pool2d", 2),
        ("adaptive_max_pool2d", 2),
    ):
        ours, theirs = getattr(ops, name), getattr(functional(), name)
        compare(lambda x, f=ours, a=argument: f(x, a), lambda x, f=theirs, a=argument: f(x, a), x, terms=4)


@pytest.mark.parametrize("kind", ["channels last", "reversed", "stepped"])
def test_any_strides_may_come_in(kind):
    x = normal(2, 3, 9, 8)
    if kind == "channels last":
        view = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    else:
        view = np.flip(np.flip(x).copy()) if kind == "reversed" else np.repeat(x, 2, axis=3)[..., ::2]
    for options in ({"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 2}):
        for name in ("max_pool2d", "avg_pool2d"):
            ours = getattr(ops, name)
            mine, plain = Tensor(view, requires_grad=True), Tensor(x, requires_grad=True)
            a, b = ours(mine, **options), ours(plain, **options)
            assert_close(a.array, b.array, 9)
            gy = normal(*a.shape, seed=2)
            a.backward(np.asfortranarray(gy))
            b.backward(gy)
            assert_close(mine.gradient, plain.gradient, 9)
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        assert_close(getattr(ops, name)(view, (4, 3)), getattr(ops, name)(x, (4, 3)), 9)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: ops.lp_pool2d(x, 0, 2), ValueError, "lp_pool2d: norm_type is 0, expected a finite number"),
        (lambda x: ops.lp_pool2d(x, "2", 2), TypeError, "lp_pool2d: norm_type is '2', expected a number such as 2"),
        (lambda x: ops.lp_pool1d(x, 2, 2), ValueError, "lp_pool1d: x has 4 dimensions .*, expected 3"),
        (lambda x: ops.max_pool3d(x, (1, 7, 1)), ValueError, "max_pool3d: the window 1x7x1 is larger than the padded"),
        (lambda x: ops.avg_pool3d(x, 2, padding=2), ValueError, "avg_pool3d: padding is 2, expected at most half"),
        (lambda x: ops.avg_pool1d(x[0, :, :0], 1), ValueError, r"avg_pool1d: x \(3, 0, 6\) has a zero size"),
        (lambda x: ops.adaptive_max_pool3d(x, (1, 2)), ValueError, "adaptive_max_pool3d: output_size has 2 entries"),
    ],
)
def test_other_ranks_and_norms_refuse_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call(normal(2, 3, 5, 6))


def test_minus_infinity_alone_and_nan_of_blocks():
    x = np.full((1, 2, 2, 2, 2), -np.inf, np.float32)
    x[0, 1, 0, 1, 1] = x[0, 1, 1, 0, 0] = np.nan
    y, places = ops.max_pool3d(x, 2, return_indices=True)
    assert y[0, 0].item() == -np.inf and np.isnan(y[0, 1]).all() and places.ravel().tolist() == [0, 4]
