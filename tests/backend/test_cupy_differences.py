"""Where CuPy computes something else than NumPy, the look-alike does too; and what it counts of a card's work."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, data, models, ops, optim, train
from tests import counting


@pytest.fixture
def xp(look_alike):
    return look_alike


def test_an_empty_shape_is_not_given(xp):
    like = xp.asarray(np.ones((2, 3)))
    for name in ("empty_like", "zeros_like", "ones_like"):
        assert getattr(xp, name)(like, shape=()).shape == (2, 3) and getattr(xp, name)(like, shape=(1,)).shape == (1,)


def test_a_0d_array_has_no_axis_to_reduce(xp):
    x = xp.asarray(np.array(2.0))
    for axis in (0, -1, (0,)):
        for call in (lambda: x.argmax(axis=axis), lambda: x.sum(axis), lambda: xp.max(x, axis=axis)):  # noqa: B023
            with pytest.raises(np.exceptions.AxisError):
                call()
    assert x.argmax().item() == 0 and x.sum(axis=()).item() == 2


def test_results_are_row_major_whatever_the_inputs_order(xp):
    x = xp.asarray(np.ones((2, 3, 4, 5))).transpose(0, 3, 1, 2)
    made = (x + 1, -x, xp.tanh(x), xp.where(x > 0, x, 0), x.sum(axis=1, keepdims=True), xp.clip(x, 0, 1), x[[0, 1]])
    assert all(y.flags.c_contiguous for y in made)
    assert not x.copy(order="K").flags.c_contiguous and not xp.empty_like(x).flags.c_contiguous
    assert x.get().flags.c_contiguous and xp.asarray(np.ones((2, 3, 4)).transpose(0, 2, 1)).flags.c_contiguous


def test_an_index_past_the_end_wraps_around(xp):
    x = xp.asarray(np.arange(4.0))
    assert x[xp.asarray([1, 5, -6])].tolist() == [1, 1, 2] and x.take(xp.asarray([4])).tolist() == [0]
    assert xp.take_along_axis(x, xp.asarray([7]), axis=0).tolist() == [3]
    x[xp.asarray([4])] = 9
    assert x.tolist() == [9, 1, 2, 3]
    with pytest.raises(IndexError):
        x[4]


def test_what_cupy_arrays_lack(xp):
    x = xp.asarray(np.array([2]))
    assert not hasattr(x.flags, "writeable") and not hasattr(x, "ctypes")
    with pytest.raises(TypeError):
        range(x)
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        iter(xp.asarray(np.array(2)))
    with pytest.raises(AttributeError, match="astype"):
        xp.where(True, x, 0)
    with pytest.raises(TypeError, match="scatter_add only supports"):
        xp.add.at(x, xp.asarray([0]), 1)
    with pytest.raises(ValueError, match="Unsupported dtype"):
        xp.asarray(np.array(["a"]))


def test_powers_of_integers_below_0_are_refused(xp):
    x = gpunn.to_device(np.array([1, 2]), "cuda")
    assert xp.power(x, -1).tolist() == [1, 0]
    for base in (x, np.array([1, 2])):
        with pytest.raises(ValueError, match="pow: got integers to the power -1, expected an exponent of at least 0"):
            ops.pow(base, -1)


def test_what_cupy_lacks_for_bfloat16(xp):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = gpunn.to_device(np.array([-2, 0.5, 3]).astype(bfloat16), "cuda")
    assert xp.where(x > 0, x, x).dtype == xp.clip(x, 0, 1).dtype == np.float32
    with pytest.raises(TypeError, match="argmax"):
        x.argmax()
    chosen = ops.where(x > 0, x, 0), ops.prelu(x, gpunn.to_device(np.ones(1, bfloat16), "cuda"))
    assert all(y.dtype == bfloat16 for y in chosen) and ops.argmax(x).item() == 2
    assert ops.clip(x, max=1).tolist() == [-2, 0.5, 1] and ops.clip(x, min=0).tolist() == [0, 0.5, 3]


def test_bytes_arrive_in_the_machines_order(xp):
    assert xp.asarray(np.array([1.0], ">f4")).dtype == np.dtype("<f4")


def test_without_a_change_a_method_gives_the_array_itself(xp):
    x = xp.asarray(np.ones(3, np.float32))
    assert x.astype(np.float32, copy=False) is x and x.astype(np.float32) is not x
    assert x.reshape(3, 1).base is not None and (x + 1).base is None


def test_an_index_of_the_host_past_the_end_is_refused(xp):
    x = Tensor(gpunn.to_device(np.ones((2, 3), np.float32), "cuda"))
    mask = gpunn.to_device(np.array([True, False]), "cuda")
    for index in ([2], (slice(None), [0, 3]), (mask, [5]), np.array([-3])):
        with pytest.raises(IndexError, match=r"getitem: index does not fit shape \(2, 3\)"):
            ops.getitem(x, index)
    assert ops.getitem(x, (mask, [2])).shape == (1,) and ops.getitem(x, [-2, 1]).shape == (2, 3)


def test_channels_last_memory_passes_through_joins_frames_and_sums(xp):
    last = gpunn.to_device(np.random.default_rng(0).standard_normal((2, 4, 5, 3)), "cuda").transpose(0, 3, 1, 2)
    x = Tensor(last, requires_grad=True)
    joined = ops.concatenate([x, x], 1)
    made = [ops.add(x, x), ops.sub(x, 1), ops.mul(2, x), ops.div(x, x), ops.maximum(x, 0), ops.exp(x), ops.abs(x)]
    for y in (joined, ops.pad(x, (1, 0, 2, 1)), ops.relu(x), ops.clip(x, -1, None), *made):
        assert y.array.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([last.get()] * 2, 1))
    (x * 2 + ops.relu(x)).sum().backward()
    assert x.gradient.shape == x.shape


def test_launches_reads_and_copies_are_counted(xp):
    with counting.device_work() as work:
        x = xp.asarray(np.ones((2, 3), np.float32))
        xp.empty_like(x).T.reshape(3, 2)[1:]
        x.T.reshape(6)  # a copy
    assert (work.launches.total(), work.reads.total(), work.copies.total()) == (1, 0, 1), str(work)
    with counting.device_work() as work:
        y = xp.zeros_like(x)
        y += x
        y[0] = 1
        xp.exp(y, out=y)
        (y @ x.T).astype("float64").sum()
    assert dict(work.launches) == dict.fromkeys(["zeros_like", "iadd", "setitem", "exp", "matmul", "astype", "sum"], 1)
    with counting.device_work() as work:
        assert float(y.sum()) and y.max().item() and (y[y > 0] is not None) and gpunn.to_numpy(y).size
    assert dict(work.reads) == {"get": 3, "mask": 1}, str(work)


def test_python_calls_leave_out_what_stands_for_the_card(xp):
    x = gpunn.to_device(np.ones((2, 3), np.float32), "cuda")

    def twice(a):
        return a + a

    calls = counting.python_calls(lambda: twice(x))
    assert calls.total == 1 and not calls.files, str(calls)
    ops.neg(x)  # which makes its plan
    calls = counting.python_calls(lambda: ops.neg(x))
    assert any(file.endswith("arithmetic.py") for file in calls.files) and 3 <= calls.total <= 40


def test_a_dry_kernel_counts_and_writes_a_constant(xp):
    from gpunn.cuda.kernel import kernel

    x = gpunn.to_device(np.ones(4, np.float32), "cuda")
    y = gpunn.to_device(np.zeros(2, np.float32), "cuda")
    with counting.dry(), counting.device_work() as work:
        kernel("reduce/sum_parts", T="float", ACC="float")((1,), (2,), x, y, 2, 2)
    assert work.launches.total() == 1 and y.tolist() == [0.5, 0.5] and x.tolist() == [1] * 4


@pytest.mark.skipif(not gpunn.is_available("emulator"), reason="the look-alike runs kernels on the emulator")
def test_lenet_trains_as_on_the_cpu(xp):
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((12, 1, 28, 28)).astype(np.float32), np.arange(12) % 10
    rows = []
    for where in ("cpu", "cuda"):
        gpunn.manual_seed(3)
        model = models.create("lenet5").to(where)
        loader = data.DataLoader(data.ArrayDataset(x, labels), 4, device=where, seed=0)
        trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.05, momentum=0.9), device=where)
        rows.append([row["train_loss"] for row in trainer.fit(loader, loader, 3)])
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-4)
    assert rows[1][-1] < rows[1][0], rows
