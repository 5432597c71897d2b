"""What counts, counts: labels that a loss ignores are left out of every mean, and a batch of nothing else of all."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

import gpunn
from gpunn import data, nn, ops, optim, train
from gpunn.nn.state import copied
from gpunn.ops.counts import counting
from gpunn.train import accuracy, top_k, top_k_accuracy
from tests import counting as costs
from tests.thinned import one_in
from tests.train.runs import timeless

pytestmark = pytest.mark.usefixtures("device_there")
DEVICES = pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])
OPTIMIZERS = {
    "SGD": partial(optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
    "Adam": partial(optim.Adam, lr=0.01, weight_decay=0.1),
    "AdamW": partial(optim.AdamW, lr=0.01),
    "RMSprop": partial(optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
}


def samples(n=16, ignored=(), value=-100):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, 4)).astype(np.float32), rng.integers(0, 3, n)
    y[list(ignored)] = value
    return x, y


def loader(x, y, batch, device=None):
    return data.DataLoader(data.ArrayDataset(x, y), batch, device=device)


def trainer(device, name="SGD", **options):
    gpunn.manual_seed(0)
    model = nn.Linear(4, 3).to(device)
    options = {"metrics": {"accuracy": accuracy, "top2": top_k(2)}, "device": device, **options}
    return train.Trainer(model, OPTIMIZERS[name](model.parameters()), **options)


def state(run):
    """Weights, optimiser's state and average as NumPy arrays and numbers."""
    found = {f"weight {k}": gpunn.to_numpy(v) for k, v in copied(run.model).items()}
    for i, values in run.optimizer.state_dict()["state"].items():
        found.update({f"{i} {k}": v if isinstance(v, int) else gpunn.to_numpy(v) for k, v in values.items()})
    if run.ema is not None:
        found.update({f"average {k}": gpunn.to_numpy(v) for k, v in run.ema.average.items()})
        found["updates"] = run.ema.updates
    return found


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("device, moved", [("cpu", False), ("emulator", False), ("cuda", False), ("cuda", True)])
@pytest.mark.parametrize("name", one_in(2, OPTIMIZERS))
def test_a_batch_wholly_ignored_changes_nothing(name, moved, device):
    """Weights, momentum, weight decay, step counts, averages, schedules and means are those of a run without it."""
    x, y = samples(24, ignored=range(8, 16))
    kept = np.r_[0:8, 16:24]
    rows = []
    for one, labels in ((x, y), (x[kept], y[kept])):
        run = trainer(device, name, ema=train.EMA(0.9), grad_clip=1.0)
        run.schedule = optim.OneCycleLR(run.optimizer, 0.1, 4, cycle_momentum=False)
        history = run.fit(loader(one, labels, 8, device if moved else None), epochs=2)
        rows.append((timeless(history)[-1], state(run)))
    assert rows[0][0] == rows[1][0]
    assert_equal(rows[0][1], rows[1][1])
    assert math.isfinite(rows[0][0]["train_loss"])


@DEVICES
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0]], ids=["plain", "weighted"])
@pytest.mark.parametrize("ignore_index", [-100, 1])
def test_parts_of_a_batch_weigh_what_counts_in_them(ignore_index, weight, device):
    """Accumulated gradients, running means and evaluation equal those of one large batch, ignored labels or not."""
    x, y = samples(16, ignored=(0, 1, 2, 8, 9, 10, 11, 13), value=ignore_index)
    found = []
    for batch, accumulate in ((16, 1), (4, 4)):
        w = None if weight is None else gpunn.to_device(np.array(weight, np.float32), device)
        loss = nn.CrossEntropyLoss(w, ignore_index)
        run = trainer(device, loss_fn=loss, accumulate=accumulate)
        before = run.evaluate(loader(x, y, batch))
        row = run.fit(loader(x, y, batch), epochs=1).rows[0]
        found.append((before, row, state(run)))
    for name in ("loss", "accuracy", "top2"):
        assert found[0][0][name] == pytest.approx(found[1][0][name], rel=1e-5)
        assert found[0][1][f"train_{name}"] == pytest.approx(found[1][1][f"train_{name}"], rel=1e-5)
    for name, value in found[0][2].items():
        np.testing.assert_allclose(value, found[1][2][name], rtol=2e-5, atol=1e-6, err_msg=name)


@DEVICES
def test_an_update_of_nothing_but_ignored_batches_is_none(device):
    x, y = samples(32, ignored=range(8, 24))
    run = trainer(device, "Adam", accumulate=2)
    run.fit(loader(x, y, 4), epochs=1)
    assert run.optimizer.state_dict()["state"][0]["step"] == 2  # of four
    run = trainer(device, "Adam", accumulate=3)
    run.fit(loader(*samples(8, ignored=range(8)), 4), epochs=1)
    assert not run.optimizer.state_dict()["state"]
    assert math.isnan(run.history.rows[0]["train_loss"]) and math.isnan(run.history.rows[0]["train_accuracy"])


@DEVICES
def test_ignored_batches_end_no_run_in_evaluation(device):
    x, y = samples(8, ignored=range(4))
    run = trainer(device)
    found, want = run.evaluate(loader(x, y, 4)), run.evaluate(loader(x[4:], y[4:], 4))
    assert found == want and all(map(math.isfinite, want.values()))
    nothing = run.evaluate(loader(*samples(8, ignored=range(8)), 4))
    assert all(map(math.isnan, nothing.values()))


def test_a_loss_that_calls_others_counts_the_labels_that_they_share():
    """Regularised, called twice over one target, or of labels of its own: then batches weigh their samples."""
    x, y = samples(8, ignored=(0, 1, 2, 3, 5))
    for loss, want in (
        (lambda out, y: ops.cross_entropy(out, y) + 0.1 * (out * out).mean(), 3.0),
        (lambda out, y: ops.cross_entropy(out, y) + ops.nll_loss(out, y), 3.0),
        (lambda out, y: ops.cross_entropy(out, y) + ops.cross_entropy(out, (y + 100) % 3), 8),
        (lambda out, y: ops.cross_entropy(out, y, reduction="sum"), 8),
        (lambda out, y: (out * out).mean(), 8),
    ):
        run = trainer("cpu", loss_fn=loss)
        run.step(x, y)
        assert run.taken.counts.get("loss", run.taken.samples) == want


def test_counts_outside_a_block_go_nowhere():
    x, y = samples(8)
    ops.cross_entropy(x[:, :3], y)
    with counting() as outer:
        ops.cross_entropy(x[:, :3], y)
        with counting() as inner:
            ops.nll_loss(x[:, :3], y)
    assert len(outer) == len(inner) == 1 and outer[0].labels is y


@pytest.mark.parametrize("cut", [1, 4])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_resumed_run_has_the_same_counts(cut, device, tmp_path):
    x, y = samples(24, ignored=(0, 1, 2, 4, 5, 6, 7, 9, 17))

    class Stop(train.Callback):
        def on_batch_end(self, trainer):
            if trainer.steps == cut:
                raise KeyboardInterrupt

    def run(out, **options):
        return trainer(device, accumulate=2, out=out, read_every=3, **options)

    whole = run(tmp_path / "whole")
    whole.fit(loader(x, y, 4), epochs=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", callbacks=[Stop()]).fit(loader(x, y, 4), epochs=2)
    on = run(tmp_path / "cut")
    on.fit(loader(x, y, 4), epochs=2, resume=tmp_path / "cut")
    assert_equal(state(on), state(whole))
    assert [row["train_loss"] for row in on.history.rows] == [row["train_loss"] for row in whole.history.rows]


def test_accumulating_reads_nothing_off_a_device(look_alike):
    """Batches from memory of the device, whose counts only the device knows."""
    run = trainer("cuda", accumulate=2)
    x, y = samples(8, ignored=(0, 1, 5))
    batches = [tuple(gpunn.to_device(a[i : i + 4], "cuda") for a in (x, y)) for i in (0, 4)]
    for again in range(2):
        with costs.device_work() as work:
            for i, (one, labels) in enumerate(batches):
                run.step(one, labels, last=i == 1)
        assert again == 0 or not work.reads, str(work)
    other = trainer("cpu", accumulate=2)
    for _ in range(2):
        for i in (0, 4):
            other.step(x[i : i + 4], y[i : i + 4], last=i == 4)
    np.testing.assert_allclose(state(run)["weight weight"], state(other)["weight weight"], rtol=1e-5, atol=1e-6)


def test_labels_in_memory_of_a_device_end_no_run(look_alike):
    """Only the device knows that nothing counts: gradients are 0, and the loss is nobody's."""
    run = trainer("cuda")
    x, y = (gpunn.to_device(a, "cuda") for a in samples(8, ignored=range(8)))
    run.fit([(x, y), (x, gpunn.to_device(samples(8)[1], "cuda"))], epochs=1)
    assert math.isfinite(run.history.rows[0]["train_loss"])


# ---------------------------------------------------------------- metrics by themselves
@DEVICES
@pytest.mark.parametrize("ignore_index", [-100, 2, 255])
def test_metrics_leave_ignored_labels_out(ignore_index, device):
    rng = np.random.default_rng(1)
    for shape in ((12, 5), (3, 5, 4, 2)):
        scores = rng.standard_normal(shape).astype(np.float32)
        labels = rng.integers(0, 5, (shape[0], *shape[2:]))
        labels[:2] = ignore_index
        rows, flat = np.moveaxis(scores, 1, -1).reshape(-1, 5), labels.reshape(-1)
        kept = flat != ignore_index
        given = [gpunn.to_device(a, device) for a in (scores, labels)]
        assert accuracy(*given, ignore_index=ignore_index) == accuracy(rows[kept], flat[kept])
        for k in (1, 2, 5):
            want = top_k_accuracy(rows[kept], flat[kept], k)
            assert top_k_accuracy(*given, k, ignore_index) == want == top_k(k, ignore_index)(*given)


@DEVICES
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("metric", [accuracy, top_k_accuracy, top_k(2)], ids=["accuracy", "top_k_accuracy", "top_k"])
def test_labels_that_are_no_class_raise_by_name(metric, dtype, device):
    wrong = [5, np.iinfo(dtype).max] + [-1, np.iinfo(dtype).min] * (dtype[0] == "i")
    for label in wrong:
        labels = gpunn.to_device(np.array([0, label, 1], dtype), device)
        scores = gpunn.to_device(np.zeros((3, 5), np.float32), device)
        with pytest.raises(IndexError, match=rf"accuracy: target has the label {label}, expected 0 to 4 for"):
            metric(scores, labels)


def test_the_share_of_nothing_is_nan():
    scores, labels = np.zeros((3, 5), np.float32), np.full(3, -100)
    assert math.isnan(accuracy(scores, labels)) and math.isnan(top_k_accuracy(scores, labels, 2))


@pytest.mark.parametrize("every", [1, 2])
@DEVICES
def test_a_batch_of_ignored_labels_leaves_running_statistics(device, every):
    x, y = samples(8, range(8))
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.1), device=device, accumulate=every)
    before = {name: gpunn.to_numpy(value) for name, value in copied(model).items()}
    trainer.fit([(x, y), (x[:4], y[:4])])
    after = copied(model)
    assert all(np.array_equal(before[name], gpunn.to_numpy(after[name])) for name in before)
    trainer.step(*(gpunn.to_device(a, device) for a in samples(8)))
    assert gpunn.to_numpy(copied(model)["1.num_batches_tracked"]) == 1
