"""Losses and metrics that stay on the device for some steps: the same numbers, and errors that name their own step."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops, optim
from gpunn.data import ArrayDataset, DataLoader
from gpunn.errors import TrainingError, UsageError
from gpunn.train import (
    Callback,
    Checkpoint,
    GradientNormLog,
    Trainer,
    accuracy,
    load_checkpoint,
    top_k,
    top_k_accuracy,
)
from gpunn.train.readings import EVERY, Step, every, measured, read
from tests.ops.test_devices import device  # noqa: F401  (a fixture)
from tests.train.runs import At, blobs, equal, loaders, timeless
from tests.train.runs import trainer as run_of


def quick(out=None, **options):
    return run_of(out, early=False, **options)


def log(run):
    return next(callback for callback in run.callbacks if isinstance(callback, GradientNormLog))


def bad_at(step, value):
    """A loss that is `value` in one step, counted from 1."""
    calls = iter(range(1, 10_000))
    return lambda output, y: ops.cross_entropy(output, y) * (value if next(calls) == step else 1)


@pytest.mark.parametrize("k", [2, 5, 1000])
def test_reading_seldom_changes_nothing(k, tmp_path):
    runs = [quick(tmp_path / str(n), grad_clip=1.0, read_every=n) for n in (1, k)]
    histories = [timeless(run.fit(*loaders(), 3)) for run in runs]
    assert histories[0] == histories[1]
    assert equal(*(run.model.state_dict() for run in runs))
    assert log(runs[0]).rows == log(runs[1]).rows
    ours, theirs = (load_checkpoint(tmp_path / str(n) / "checkpoint.npz")["running"] for n in (1, k))
    assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_a_device_gives_the_same_history_however_seldom_it_is_read(device):  # noqa: F811
    found = []
    for k in (1, 4, None):
        run = quick(device=device, read_every=k, metrics={"accuracy": accuracy, "top2": top_k(2)})
        found.append(timeless(run.fit(*loaders(), 2)))
    assert found[0] == found[1] == found[2]
    on_cpu = timeless(quick(metrics={"accuracy": accuracy, "top2": top_k(2)}).fit(*loaders(), 2))
    assert on_cpu[-1]["train_loss"] == pytest.approx(found[0][-1]["train_loss"], rel=1e-3)


def test_the_default_reads_each_step_on_the_cpu_and_seldom_on_devices():
    assert every(None, np.ones(1)) == 1 and every(7, np.ones(1)) == 7
    if gpunn.is_available("emulator"):
        assert every(None, gpunn.to_device(np.ones(1), "emulator")) == EVERY


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("k", [1, 3, 1000])
def test_the_first_bad_step_is_named(value, k, tmp_path):
    run = quick(tmp_path, loss_fn=bad_at(9, value), read_every=k)
    words = rf"the loss is {value} in epoch 2, step 9 \(batch 3 of the epoch\)"
    with pytest.raises(TrainingError, match=words) as caught:
        run.fit(loaders()[0], epochs=3)
    assert "the last good checkpoint is" in str(caught.value) and "the end of epoch 1" in str(caught.value)
    kept = load_checkpoint(tmp_path / "checkpoint.npz")["model"]
    assert all(np.isfinite(v).all() for v in kept.values())


def test_the_norm_of_the_gradients_is_checked_as_late():
    run = quick(grad_clip=1.0, read_every=4, callbacks=[At(lambda: spoil(run), steps=2)])
    with pytest.raises(TrainingError, match=r"the (loss|norm of the gradients) is nan in epoch 1, step 3 \(batch 3"):
        run.fit(loaders()[0], epochs=1)


def spoil(run):
    run.model[5].weight.array[0, 0] = np.nan


def test_a_checkpoint_reads_first(tmp_path):
    """Within the epoch too, so that none is written of what a bad loss has done."""
    for bad in (3, 5):
        run = quick(loss_fn=bad_at(bad, np.nan), read_every=1000, callbacks=[Checkpoint(tmp_path, every=4)])
        with pytest.raises(TrainingError, match=f"step {bad} "):
            run.fit(loaders()[0], epochs=1)
        assert load_checkpoint(tmp_path)["position"]["steps"] == (4 if bad > 4 else 0)
    state = load_checkpoint(tmp_path / "checkpoint.npz")
    assert state["position"]["steps"] == 4 and state["running"]["count"] == 32


def test_a_resumed_run_is_the_same_run(tmp_path):
    def stop():
        raise KeyboardInterrupt

    whole = quick(tmp_path / "whole", read_every=3).fit(*loaders(), 3)
    cut = quick(tmp_path / "cut", read_every=3, callbacks=[At(stop, steps=8)])
    with pytest.raises(KeyboardInterrupt):
        cut.fit(*loaders(), 3)
    on = quick(tmp_path / "cut", read_every=3)
    assert timeless(on.fit(*loaders(), 3, resume=tmp_path / "cut")) == timeless(whole)


def test_an_interrupted_fit_goes_on_with_what_it_had_not_read():
    def stop():
        raise KeyboardInterrupt

    whole = timeless(quick(read_every=4).fit(*loaders(), 1))
    run = quick(read_every=4, callbacks=[At(stop, steps=3)])
    with pytest.raises(KeyboardInterrupt):
        run.fit(*loaders(), 1)
    assert run.running.count == 0 and len(run.unread) == 3
    assert timeless(run.fit(*loaders(), 1)) == whole


def test_running_is_as_far_behind_as_the_reads_and_the_speed_is_not():
    seen = []

    class Spy(Callback):
        def on_batch_end(self, trainer):
            seen.append((trainer.running.count, round(trainer.images_per_second() * trainer.running.seconds)))

    quick(read_every=3, callbacks=[Spy()]).fit(loaders()[0], epochs=1)
    assert seen == [(0, 8), (0, 16), (24, 24), (24, 32), (24, 40), (48, 48)]


def test_metrics_may_return_numbers_arrays_or_tensors(device):  # noqa: F811
    metrics = {
        "number": lambda output, target: 0.25,
        "array": lambda output, target: output.array.max() * 0 + 2,
        "tensor": lambda output, target: (output * 0).sum() + 3,
        "top": top_k_accuracy,
    }
    x, y = blobs(6)
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 6))
    run = Trainer(model, optim.SGD(model.parameters(), 0.0), metrics=metrics, device=device, read_every=2)
    result = run.evaluate(DataLoader(ArrayDataset(x, y), 4))
    assert [result[name] for name in ("number", "array", "tensor")] == [0.25, 2, 3] and 0 < result["top"] <= 1
    assert all(type(value) is float for value in result.values())


def test_what_is_read_together_keeps_its_place(device):  # noqa: F811
    steps = [
        Step({"loss": gpunn.to_device(np.full((), i, np.float32), device), "host": float(i), "plain": np.float64(i)}, 1)
        for i in range(5)
    ]
    steps[3].norm = gpunn.to_device(np.full((1,), 30.0), device)
    read(steps)
    assert [step.values for step in steps] == [{"loss": i, "host": i, "plain": i} for i in range(5)]
    assert [step.norm for step in steps] == [None, None, None, 30.0, None]


def test_a_metric_that_is_not_read_yet_keeps_no_history():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    values, _ = measured({"square": lambda output, y: (output * output).mean()}, x.sum(), x, x)
    assert all(type(value) is np.ndarray for value in values.values()), values


# ---------------------------------------------------------------- labels out of range
def spoilt(step, batch_size=8):
    """Loaders of which one batch has a label 5 of 3 classes."""
    x, y = blobs(48)
    y[(step - 1) * batch_size + 3] = 5
    return DataLoader(ArrayDataset(x, y), batch_size)


WORDS = r"cross_entropy: target has the label 5, expected 0 to 2 for the 3 classes of x \(8, 3\).*widen the last layer"


@pytest.mark.parametrize("k", [1, 2, 1000])
def test_a_wrong_label_is_named_with_its_step(k, device, tmp_path):  # noqa: F811
    run = quick(tmp_path, device=device, read_every=k, grad_clip=1.0)
    with pytest.raises(IndexError, match=rf"^{WORDS} \(in step 5\)$"):
        run.fit(spoilt(5))
    for name, value in run.model.state_dict().items():
        assert np.isfinite(gpunn.to_numpy(value)).all(), name
    assert load_checkpoint(tmp_path)["position"]["steps"] == 0
    run = quick(tmp_path / "next", device=device, read_every=k)
    assert np.isfinite(run.fit(loaders()[0])[0]["train_loss"])


def test_a_callback_that_reads_names_the_step_as_well(device):  # noqa: F811
    run = quick(device=device, callbacks=[At(lambda: gpunn.to_numpy(run.model[5].bias), steps=4)])
    with pytest.raises(IndexError, match=rf"^{WORDS} \(in step 2\)$"):
        run.fit(spoilt(2))


def test_a_wrong_label_of_the_validation_has_no_step(device):  # noqa: F811
    with pytest.raises(IndexError, match=rf"^{WORDS}$"):
        quick(device=device).fit(loaders()[0], spoilt(3))


@pytest.mark.parametrize("k", [1, 1000])
def test_a_wrong_label_of_nobodys_step_is_blamed_on_none(k, device):  # noqa: F811
    scores, labels = (gpunn.to_device(a, device) for a in (np.zeros((8, 3), np.float32), np.full(8, 5)))
    ops.cross_entropy(scores, labels)  # before the run, and read by nobody
    with pytest.raises(IndexError, match=rf"^{WORDS}$"):
        quick(device=device, read_every=k).fit(loaders()[0])
    run = quick(device=device, read_every=k, callbacks=[At(lambda: ops.cross_entropy(scores, labels), steps=4)])
    with pytest.raises(IndexError, match=rf"^{WORDS}$"):
        run.fit(loaders()[0])


def test_on_the_cpu_it_is_said_at_once():
    with pytest.raises(IndexError, match=rf"^{WORDS}$"):
        quick(read_every=10).fit(spoilt(5))


def test_the_log_of_gradient_norms_waits_for_no_step(device):  # noqa: F811
    run = quick(device=device)
    counts = []
    run.callbacks.append(At(lambda: counts.append((len(log(run).unread), log(run).state_dict()["count"])), steps=4))
    run.fit(loaders()[0])
    assert counts == [(4, 4)] and log(run).rows[0]["mean"] > 0


def test_read_every_is_checked():
    with pytest.raises(UsageError, match="read_every must be a whole number of at least 1, got 0; leave it out"):
        quick(read_every=0)
