"""Labels out of range: at once on the cpu; on a device at the next read, till then a loss of NaN and no gradient."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, emulator, nn, ops, optim
from gpunn.backend import faults
from tests.parity import normal

LOSSES = [ops.cross_entropy, ops.nll_loss]
WORDS = (
    r"target has the label 7, expected 0 to 3 for the 4 classes of x \(5, 4\), or ignore_index=-100; correct the "
    r"labels, or widen the last layer"
)


@pytest.fixture(params=["emulator", "cuda"])
def device(request):
    if not gpunn.is_available(request.param):
        pytest.skip(f"device {request.param} is not available here (gpunn doctor says why)")
    return request.param


def scores(device, rows=5):
    return Tensor(gpunn.to_device(normal(rows, 4).astype(np.float32), device), requires_grad=True)


def labels(device, *values):
    return gpunn.to_device(np.array(values), device)


BAD = (0, 3, 7, -1, 2)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_cpu_says_so_at_once(loss):
    with pytest.raises(IndexError, match=WORDS):
        loss(scores("cpu"), labels("cpu", *BAD))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "read",
    [
        lambda y: y.item(),
        float,
        bool,
        lambda y: y.numpy(),
        lambda y: y.tolist(),
        lambda y: gpunn.to_numpy(y.array),
        lambda y: y.to("cpu"),
        repr,
    ],
    ids=["item", "float", "bool", "numpy", "tolist", "to_numpy", "to", "repr"],
)
def test_a_device_says_so_at_the_next_read_and_once(loss, read, device):
    y = loss(scores(device), labels(device, *BAD))
    with pytest.raises(IndexError, match=f"{loss.__name__}: {WORDS}"):
        read(y)
    assert np.isnan(y.item())  # reported: this read is a read


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_the_gradient_of_a_bad_batch_is_nothing(loss, reduction, device):
    x = scores(device)
    y = loss(x, labels(device, *BAD), reduction=reduction)
    y.backward(gpunn.to_device(np.ones(y.shape, np.float32), device))
    with pytest.raises(IndexError, match=WORDS):
        gpunn.to_numpy(x.gradient)
    assert np.array_equal(gpunn.to_numpy(x.gradient), np.zeros((5, 4)))
    wrong = np.isnan(y.numpy())
    assert wrong.tolist() == [False, False, True, True, False] if reduction == "none" else wrong


ANY_INTEGER = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ANY_INTEGER)
@pytest.mark.parametrize("where", ["cpu", "emulator", "cuda"])
def test_every_integer_dtype_names_its_wrong_label(loss, dtype, where, request):
    if where != "cpu" and not gpunn.is_available(where):
        pytest.skip(f"device {where} is not available here (gpunn doctor says why)")
    for wrong in {np.iinfo(dtype).max, np.iinfo(dtype).min, 4} - {0}:
        given = gpunn.to_device(np.array([0, 1, wrong, 2, 3], dtype), where)
        with pytest.raises(IndexError, match=f"{loss.__name__}: target has the label {wrong}, expected 0 to 3"):
            loss(scores(where), given).item()
    right = gpunn.to_device(np.array([0, 1, 3, 2, 3], dtype), where)
    want = loss(scores(where), right.astype("int64")).item()
    assert loss(scores(where), right).item() == want


@pytest.mark.parametrize("where", ["cpu", "emulator", "cuda"])
def test_an_unsigned_label_whose_bits_are_those_of_the_ignored_one_is_no_class(where):
    if where != "cpu" and not gpunn.is_available(where):
        pytest.skip(f"device {where} is not available here (gpunn doctor says why)")
    given = gpunn.to_device(np.array([0, 1, 2**64 - 100, 2, 3], np.uint64), where)
    with pytest.raises(IndexError, match="cross_entropy: target has the label 18446744073709551516, expected 0 to 3"):
        ops.cross_entropy(scores(where), given).item()


def test_floats_words_and_an_ignore_index_that_is_no_int_are_refused():
    for given in (np.zeros(5), np.zeros(5, bool), np.array(["a"] * 5)):
        with pytest.raises(TypeError, match=r"cross_entropy: target is .* of shape \(5,\), expected integers"):
            ops.cross_entropy(scores("cpu"), given)
    for ignore_index in (1.0, "1", None, [1]):
        with pytest.raises(TypeError, match=r"nll_loss: ignore_index is .*, expected an int; the usual value is -100"):
            ops.nll_loss(scores("cpu"), labels("cpu", 0, 1, 2, 3, 0), ignore_index=ignore_index)


def test_the_first_offence_is_the_one_that_is_named(device):
    ops.cross_entropy(scores(device), labels(device, 0, 1, 2, 3, 0))
    ops.cross_entropy(scores(device), labels(device, 0, 1, 9, 8, 0))
    ops.nll_loss(scores(device, 2), labels(device, 6, 0))
    with pytest.raises(IndexError, match="cross_entropy: target has the label 9"):
        float(scores(device).sum())


def test_a_bad_batch_does_not_poison_later_ones(device):
    x, good = scores(device), labels(device, 0, 1, 2, 3, 0)
    want = ops.cross_entropy(x, good).item()
    y = ops.cross_entropy(x, labels(device, *BAD))
    with pytest.raises(IndexError):
        y.item()
    assert ops.cross_entropy(x, good).item() == want
    with pytest.raises(IndexError):  # and the next offence is seen as the first was
        ops.cross_entropy(x, labels(device, *BAD)).item()


def test_an_ignored_label_may_be_any_number(device):
    y = ops.cross_entropy(scores(device), labels(device, 0, 7, 7, 1, 2), ignore_index=7)
    assert np.isfinite(y.item())


def test_many_blocks_name_the_first_row(device):
    rows = np.zeros(3000, np.int64)
    rows[[700, 1300, 2999]] = 5, 6, 4
    with emulator.strict():
        y = ops.cross_entropy(scores(device, 3000), gpunn.to_device(rows, device))
    with pytest.raises(IndexError, match="label 5,"):
        y.item()


def test_weights_survive_a_bad_batch_in_a_plain_loop(device):
    with gpunn.device(device):
        model = nn.Linear(3, 4)
        optimizer = optim.Adam(model.parameters())
        before = [p.numpy().copy() for p in model.parameters()]
        x = gpunn.to_device(normal(5, 3).astype(np.float32), device)
        loss = ops.cross_entropy(model(x), labels(device, *BAD))
        loss.backward()
        with pytest.raises(IndexError):
            loss.item()
        optimizer.step()  # had nobody looked, the weights would stand where they were all the same
    for was, p in zip(before, model.parameters(), strict=True):
        assert np.array_equal(was, p.numpy())


def test_a_read_looks_at_nothing_where_no_loss_was_launched(monkeypatch, device):
    ops.cross_entropy(scores(device), labels(device, 0, 1, 2, 3, 0)).item()
    monkeypatch.setattr(faults, "_look", lambda *args: pytest.fail("the record was read again"))
    scores(device).sum().item()


STRIDED = {
    "a row": lambda a: a[0, 0, :, 0],
    "columns apart": lambda a: a[0, 0, :, ::2],
    "transposed": lambda a: a[0, 0].transpose(),
    "planes apart": lambda a: a[:, ::2],
    "channels last": lambda a: a.transpose((0, 3, 1, 2)),
    "turned": lambda a: a.transpose((3, 1, 0, 2)),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("name", STRIDED)
def test_scores_and_labels_in_any_memory(name, dtype, device):
    memory = normal(3, 4, 5, 6)
    shape = STRIDED[name](memory).shape
    classes = shape[0 if len(shape) == 1 else 1]
    numbers = np.arange(2 * np.prod(shape, dtype=int) // classes).astype(dtype)[::2] % classes
    found = []
    for where in ("cpu", device):
        whole, row = gpunn.to_device(memory, where), gpunn.to_device(numbers.repeat(2).astype(dtype), where)
        target = row[::2].reshape(shape[:1] + shape[2:] if len(shape) > 1 else ())
        for loss in LOSSES:
            x = Tensor(STRIDED[name](whole), requires_grad=True)
            y = loss(x, target, gpunn.to_device(np.linspace(0.5, 2, 2 * classes), where)[::2], reduction="sum")
            y.backward()
            found.append((y.item(), gpunn.to_numpy(x.gradient)))
    for (want, gradient), (value, other) in zip(found[:2], found[2:], strict=True):
        assert value == pytest.approx(want, rel=1e-12)
        np.testing.assert_allclose(other, gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_of_nothing_is_nan_and_pulls_at_nothing(loss, device):
    x = scores(device)
    weight = gpunn.to_device(np.array([0, 1, 1, 1], np.float32), device)
    for y in (loss(x, labels(device, *[-100] * 5)), loss(x, labels(device, *[0] * 5), weight)):
        y.backward()
        assert np.isnan(y.item()) and not gpunn.to_numpy(x.gradient).any()


@pytest.mark.parametrize("plane", [False, True], ids=["rows", "a plane of rows"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_huge_and_infinite_scores(smoothing, plane, device):
    values = np.array([[3000, -3000, 2900], [-2e4, -1e4, -1.5e4], [50, 0, -200], [1, -np.inf, 2]], np.float32)
    found = []
    for where in ("cpu", device):
        x = Tensor(gpunn.to_device(values.T[None].copy() if plane else values, where), requires_grad=True)
        target = labels(where, 2, 0, 1, 0)
        target = target[None] if plane else target
        y = ops.cross_entropy(x, target, reduction="none", label_smoothing=smoothing)
        y.backward(gpunn.to_device(np.ones(y.shape, np.float32), where))
        found.append((y.numpy(), gpunn.to_numpy(x.gradient)))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-6)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-5, atol=1e-7)
    assert np.isfinite(found[1][1]).all()


@pytest.mark.parametrize("where", ["cpu", "emulator"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ignored_rows_have_no_gradient_whatever_their_scores(reduction, loss, where):
    x = normal(4, 4).astype(np.float32)
    x[1], x[3] = np.inf, [np.nan, 0, 1, 2]
    x = Tensor(gpunn.to_device(x, where), requires_grad=True)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        y = loss(x, labels(where, 0, -100, 2, -100), reduction=reduction)
    y.backward(gpunn.to_device(np.ones(y.shape, np.float32), where))
    gx = gpunn.to_numpy(x.gradient)
    assert np.isfinite(gx).all() and not gx[[1, 3]].any() and gx[0].any()
