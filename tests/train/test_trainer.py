"""The loop itself: it learns, it calls, it measures, it stops on bad values, and it says what was wrong."""

import errno
import os

import numpy as np
import pytest

from gpunn import nn, ops, optim, random
from gpunn.data import ArrayDataset, DataLoader
from gpunn.engine.tensor import data_of
from gpunn.errors import CheckpointError, TrainingError, UsageError
from gpunn.nn.state import copied
from gpunn.train import Callback, Checkpoint, Trainer, load_checkpoint, load_weights, new_run_folder, predict
from gpunn.train import checkpoint as files
from tests.train.runs import At, blobs, equal, loaders, network, trainer


def test_it_learns():
    run = trainer(early=False)
    history = run.fit(*loaders(), 8)
    assert history[-1]["train_loss"] < 0.6 * history[0]["train_loss"]
    assert history[-1]["val_accuracy"] > 0.6
    assert [row["learning_rate"] for row in history] == [0.02, 0.02, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]
    assert all(row["seconds"] > 0 and row["images_per_second"] > 0 for row in history)


def test_first_step_is_the_flat_script():
    """The trainer adds nothing to the textbook loop: same weights as five plain lines give."""
    run = trainer(early=False, schedule=False)
    run.fit(loaders()[0], epochs=1)
    model = trainer().model  # the same initial weights
    optimizer = optim.SGD(model.parameters(), 0.02, 0.9, weight_decay=1e-3)
    random.set_state({"seed": 3, "stream": 1, "counter": 0})
    for x, y in loaders()[0]:
        optimizer.zero_grad()
        ops.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert equal(copied(run.model), copied(model))


def test_history_means_are_weighted_by_batch_size():
    x, y = blobs(10)
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 3))
    run = Trainer(model, optim.SGD(model.parameters(), lr=0.0))
    history = run.fit(DataLoader(ArrayDataset(x, y), 4), DataLoader(ArrayDataset(x, y), 7), epochs=1)
    scores = data_of(model(x))
    loss, accuracy = float(ops.cross_entropy(scores, y)), float((scores.argmax(1) == y).mean())
    for part in ("train", "val"):
        assert history[0][f"{part}_loss"] == pytest.approx(loss, rel=1e-6)
        assert history[0][f"{part}_accuracy"] == pytest.approx(accuracy, rel=1e-12)


def test_calls_in_order():
    calls = []

    class Spy(Callback):
        def on_fit_start(self, trainer):
            calls.append("fit")

        def on_epoch_start(self, trainer):
            calls.append(f"epoch {trainer.epoch}")

        def on_batch_end(self, trainer):
            calls.append(f"{trainer.epoch}.{trainer.batch}")

        def on_epoch_end(self, trainer):
            calls.append(f"row {trainer.row['epoch']}")

        def on_fit_end(self, trainer):
            calls.append("end")

    trainer(callbacks=[Spy()]).fit(*loaders(batch_size=24), 2)
    assert calls == ["fit", "epoch 0", "0.1", "0.2", "row 1", "epoch 1", "1.1", "1.2", "row 2", "end"]


def test_a_callback_can_stop_the_run():
    run = trainer()
    run.callbacks.append(At(lambda: setattr(run, "stop_reason", "enough"), epoch=2))
    assert len(run.fit(*loaders(), 10)) == 2


def test_fit_again_goes_on_to_the_new_total():
    run = trainer(early=False)
    run.fit(*loaders(), 1)
    assert [row["epoch"] for row in run.fit(*loaders(), 3)] == [1, 2, 3]
    whole = trainer(early=False)
    whole.fit(*loaders(), 3)
    assert equal(copied(run.model), copied(whole.model))


def test_evaluate_leaves_no_trace():
    run = trainer()
    run.model.train()
    before, stream = copied(run.model), random.get_state()
    result = run.evaluate(loaders()[1])
    assert result.keys() == {"loss", "accuracy"} and run.evaluate(loaders()[1]) == result
    assert run.model.training and equal(before, copied(run.model)) and random.get_state() == stream


def test_predict_is_the_model_in_pieces():
    model, (x, _) = network(), blobs(20)
    model.train()
    want = data_of(model.eval()(x))
    model.train()
    got = predict(model, x, batch_size=7)
    assert model.training and isinstance(got, np.ndarray)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"predict: x has shape \(0, 2, 6, 6\), expected at least one row"):
        predict(model, x[:0])


def test_other_metrics_make_columns():
    x, y = blobs(24)
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 3))
    run = Trainer(model, optim.Adam(model.parameters()), metrics={"spread": lambda output, y: data_of(output).std()})
    row = run.fit(DataLoader(ArrayDataset(x, y), 8), epochs=1)[0]
    assert row["train_spread"] > 0 and row["train_accuracy"] is None and row["val_loss"] is None


def test_grad_clip():
    run = trainer(early=False, grad_clip=1e-3, lr=1.0, schedule=False, optimizer=lambda p: optim.SGD(p, lr=1.0))
    before = copied(run.model)
    run.callbacks = []
    run.fit([next(iter(loaders()[0]))], epochs=1)
    moved = sum(float(((p.array - before[k]) ** 2).sum()) for k, p in run.model.named_parameters())
    assert np.sqrt(moved) == pytest.approx(1e-3, rel=1e-3) and float(run.grad_norm) > 1e-2


@pytest.mark.curves
def test_run_folder(tmp_path):
    pytest.importorskip("matplotlib", reason="curves.png needs matplotlib")
    run = trainer(tmp_path / "runs" / "a", early=False, info={"model": "tiny", "classes": ["a", "b", "c"]})
    run.fit(*loaders(), 3)
    folder = tmp_path / "runs" / "a"
    assert sorted(os.listdir(folder)) == ["best.npz", "checkpoint.npz", "curves.png", "history.csv", "last.npz"]
    twin = trainer().model
    rest = load_weights(folder / "last.npz", twin)
    assert equal(copied(twin), copied(run.model))
    assert rest == {"info": {"model": "tiny", "classes": ["a", "b", "c"]}, "row": run.history[-1]}
    best = load_checkpoint(folder / "best.npz")["row"]
    assert best["val_accuracy"] == max(run.history.column("val_accuracy"))
    load_weights(folder / "best.npz", twin)
    assert Trainer(twin, run.optimizer).evaluate(loaders()[1])["accuracy"] == best["val_accuracy"]


def test_run_folder_is_not_overwritten(tmp_path):
    trainer(tmp_path / "run").fit(*loaders(), 1)
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    with pytest.raises(
        UsageError, match=r"run already holds a run, which would be overwritten; go on with it \(resume="
    ):
        trainer(tmp_path / "run").fit(*loaders(), 1)
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before


def test_new_run_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda form: "20300102-030405")
    names = [new_run_folder(tmp_path / "runs").name for _ in range(3)]
    assert names == ["20300102-030405", "20300102-030405-2", "20300102-030405-3"]
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"new_run_folder: cannot make .*file.20300102-030405: Not a directory"):
        new_run_folder(tmp_path / "file")


def test_run_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"Checkpoint: cannot make the folder .*file.run: .* choose another"):
        trainer(tmp_path / "file" / "run").fit(*loaders(), 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_loss_stops_and_keeps_the_last_good_checkpoint(tmp_path, value):
    def loss_fn(output, y):
        loss = ops.cross_entropy(output, y)
        return loss * value if run.steps == 9 else loss

    run = trainer(tmp_path / "run", loss_fn=loss_fn)
    with pytest.raises(TrainingError) as caught:
        run.fit(*loaders(), 4)
    assert str(caught.value) == (
        f"Trainer.fit: the loss is {value} in epoch 2, step 10 (batch 4 of the epoch), learning rate 0.02; the last "
        f"good checkpoint is {tmp_path}/run/checkpoint.npz (the end of epoch 1); start again with a lower learning "
        "rate, such as 0.002, or clip the gradients (grad_clip=1.0)"
    )
    state = load_checkpoint(tmp_path / "run")
    assert state["position"]["steps"] == 6
    assert all(np.isfinite(a).all() for a in state["model"].values())
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 2


def test_bad_loss_before_any_checkpoint():
    run = trainer(lr=1e30, schedule=False)
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match=r"epoch 1, step .*no checkpoint was saved yet"):
        run.fit(*loaders(), 3)


@pytest.mark.parametrize("at, where", [({"steps": 12}, "epoch 2, after batch 6"), ({"epoch": 2}, "the end of epoch 2")])
def test_bad_weights_are_never_saved(tmp_path, at, where):
    """Weights ruined where no loss shows it: by the epoch's last step, or by a callback."""
    run = trainer(tmp_path / "run")

    def ruin():
        run.model[5].weight.array[0, :2] = np.nan

    run.callbacks.insert(0, At(ruin, **at))
    with pytest.raises(TrainingError) as caught:
        run.fit(*loaders(), 3)
    assert f"Trainer.fit: 5.weight holds 2 of 192 values that are not finite at {where}, learning" in str(caught.value)
    assert "not saved; the last good checkpoint is" in str(caught.value)
    for name in ("checkpoint", "best", "last"):
        assert all(np.isfinite(a).all() for a in load_checkpoint(tmp_path / "run" / f"{name}.npz")["model"].values())


def test_bad_weights_are_noticed_without_a_folder():
    run = trainer()
    run.callbacks = [At(lambda: run.model[0].bias.array.fill(np.inf), steps=6)]
    with pytest.raises(TrainingError, match=r"0.bias holds 4 of 4 values .* at epoch 1, after batch 6"):
        run.fit(*loaders(), 1)


def test_bad_gradient_with_clipping():
    def loss_fn(output, y):
        return ops.sqrt(output - output).sum()  # 0, with the slope 0 * inf

    run = trainer(loss_fn=loss_fn, grad_clip=1.0)
    with (
        np.errstate(all="ignore"),
        pytest.raises(TrainingError, match=r"the norm of the gradients is nan in epoch 1, step 1"),
    ):
        run.fit(*loaders(), 1)
    assert all(np.isfinite(value).all() for value in copied(run.model).values()), "found before the update"


def test_full_disk_at_the_end_of_an_epoch(tmp_path, monkeypatch):
    run = trainer(tmp_path / "run")

    def fill():
        def fail(*args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(files.os, "fsync", fail)

    run.callbacks.insert(0, At(fill, epoch=2))
    with pytest.raises(CheckpointError, match=r"cannot write .*: No space left on device; what was there before is"):
        run.fit(*loaders(), 3)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "run")["position"]["epoch"] == 1
    assert not [name for name in os.listdir(tmp_path / "run") if name.endswith(".tmp")]
    again = trainer(tmp_path / "run")
    assert len(again.fit(*loaders(), 3, resume=tmp_path / "run")) == 3


def test_prefetch_thread_ends_with_the_error():
    import threading

    run = trainer(loss_fn=lambda output, y: ops.cross_entropy(output, y) * np.nan)
    with pytest.raises(TrainingError):
        run.fit(*loaders(), 1)
    assert "gpunn-prefetch" not in [thread.name for thread in threading.enumerate()]


def other_model():
    run = trainer()
    run.model = network()
    return run


def triples():
    return [(np.ones((2, 2, 6, 6), np.float32), np.zeros(2, np.int64), 3)]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: trainer().fit(*loaders(), 0), "Trainer.fit: epochs must be a whole number of at least 1, got 0"),
        (lambda: other_model().fit(*loaders()), "fit: 6 of the optimizer's parameters are not the model's: their"),
        (lambda: trainer(grad_clip=0), "Trainer: grad_clip must be > 0, got 0; leave it out for no clipping"),
        (lambda: trainer().fit([], None, 1), "Trainer.fit: train_loader gave no batches"),
        (lambda: trainer().fit(loaders()[0], [], 1), "Trainer.evaluate: the loader gave no samples"),
        (
            lambda: trainer().fit(triples()),
            "Trainer: train_loader gave a tuple of 3, expected (x, y)",
        ),
        (
            lambda: trainer().fit(loaders()[0], None, 1),
            "EarlyStopping: no 'val_loss' in the epoch's row, which",
        ),
        (lambda: Checkpoint("x", every=0), "Checkpoint: every must be at least 1 step, got 0"),
        (lambda: Checkpoint("x", "val_loss", mode="up"), "mode is 'up', expected 'min', 'max' or None"),
    ],
)
def test_wrong_use(call, words):
    with pytest.raises(UsageError) as caught:
        call()
    assert words in str(caught.value)


def test_a_generator_runs_dry_in_the_second_epoch():
    with pytest.raises(UsageError, match=r"a generator is empty the second time"):
        trainer(early=False).fit((batch for batch in list(loaders()[0])), epochs=2)


def test_empty_batches_are_passed_over():
    x, y = blobs(8)
    history = trainer(early=False).fit([(x[:0], y[:0]), (x, y)], epochs=1)
    assert np.isfinite(history[0]["train_loss"])


def test_torch_loader_feeds_it():
    torch = pytest.importorskip("torch", reason="a PyTorch loader as input")
    x, y = blobs(16)
    batches = [(torch.tensor(x[:8]), torch.tensor(y[:8])), (torch.tensor(x[8:]), torch.tensor(y[8:]))]
    assert len(trainer(early=False).fit(batches, epochs=1)) == 1
