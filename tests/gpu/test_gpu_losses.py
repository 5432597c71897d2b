"""What only a CUDA device shows of the losses: blocks that end in any order, streams, and reads that wait for them."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, data, models, ops, optim, train
from gpunn.backend import require_cupy, to_device, to_numpy

pytestmark = pytest.mark.gpu
ROWS = 20_000
SCORES = np.random.default_rng(0).standard_normal((ROWS, 11)).astype(np.float32)
LABELS = np.arange(ROWS) % 11


def given(labels=LABELS):
    return to_device(SCORES, "cuda"), to_device(labels, "cuda")


@pytest.mark.parametrize("loss", [ops.cross_entropy, ops.nll_loss])
def test_the_last_block_finds_the_same_bits_at_every_run(loss):
    x, labels = given()
    found = {to_numpy(loss(x, labels)).tobytes() for _ in range(100)}
    assert len(found) == 1
    assert abs(float(np.frombuffer(found.pop(), np.float32)[0]) - float(loss(SCORES, LABELS))) < 1e-5


def test_streams_that_run_at_once_have_tickets_of_their_own():
    cupy = require_cupy()
    x, labels = given()
    want = to_numpy(ops.cross_entropy(x, labels)).tobytes()
    streams, found = [cupy.cuda.Stream(non_blocking=True) for _ in range(4)], []
    for _ in range(25):
        for stream in streams:
            with stream:
                found.append(ops.cross_entropy(x, labels))
    for stream in streams:
        stream.synchronize()
    assert {to_numpy(y).tobytes() for y in found} == {want}


def test_a_label_met_in_another_stream_is_named_by_any_read():
    x, labels = given()
    wrong = LABELS.copy()
    wrong[[12_345, 19_999]] = 99, 98
    bad = to_device(wrong, "cuda")
    require_cupy().cuda.get_current_stream().synchronize()
    with require_cupy().cuda.Stream(non_blocking=True) as stream:
        t = Tensor(x, requires_grad=True)
        y = ops.cross_entropy(t, bad)
        y.backward()
    stream.synchronize()
    with pytest.raises(IndexError, match="cross_entropy: target has the label 99, expected 0 to 10"):
        to_numpy(labels)
    assert np.isnan(y.item()) and not to_numpy(t.gradient).any()


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_dropout_has_the_cpus_bits(p):
    x = np.random.default_rng(1).standard_normal((64, 32, 17, 9)).astype(np.float32)
    found = []
    for device in ("cpu", "cuda"):
        gpunn.manual_seed(7)
        found.append([to_numpy(f(to_device(x, device), p)) for f in (ops.dropout, ops.dropout2d)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_run_read_seldom_has_the_history_of_one_read_each_step():
    x = np.random.default_rng(2).standard_normal((96, 1, 28, 28)).astype(np.float32)
    found = []
    for k in (1, 5, None):
        gpunn.manual_seed(3)
        model = models.create("lenet5").to("cuda")
        sgd = optim.SGD(model.parameters(), 0.05, momentum=0.9)
        loader = data.DataLoader(data.ArrayDataset(x, np.arange(96) % 10), 8, device="cuda")
        run = train.Trainer(model, sgd, device="cuda", read_every=k, grad_clip=5.0)
        rows = run.fit(loader, loader, 2)
        found.append([{name: row[name] for name in ("train_loss", "train_accuracy", "val_loss")} for row in rows])
    assert found[0] == found[1] == found[2]
