"""Gradient accumulation, averaged weights, schedules by the step: what they compute, and that they resume bitwise."""

import numpy as np
import pytest

from gpunn import Tensor, manual_seed, nn, ops, optim
from gpunn.errors import CheckpointError, UsageError
from gpunn.nn.state import copied
from gpunn.optim.accumulate import Accumulation
from gpunn.train import EMA, EarlyStopping, Trainer, load_checkpoint
from tests.train.runs import At, blobs, equal, loaders, network, timeless, trainer
from tests.train.test_resume import press_ctrl_c

EPOCHS = 3


def whole(out=None, steps=1000, ema=0.8, accumulate=4, **options):
    """A run with all of it: 6 batches an epoch in 2 updates, the second of 2 batches alone; Ctrl-C at a step."""
    manual_seed(11)
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.02, 0.9)
    return Trainer(
        model,
        optimizer,
        schedule=optim.OneCycleLR(optimizer, 0.05, 2 * EPOCHS),
        callbacks=[At(press_ctrl_c, steps=steps)],
        seed=3,
        out=out,
        grad_clip=0.5,
        accumulate=accumulate,
        ema=None if ema is None else EMA(ema),
        **options,
    )


@pytest.mark.parametrize("steps", [3, 6, 8, 12, 13])
def test_resumes_bitwise_from_any_batch(tmp_path, steps):
    straight = whole()
    straight.fit(*loaders(), EPOCHS)
    with pytest.raises(KeyboardInterrupt):
        whole(tmp_path / "run", steps).fit(*loaders(), EPOCHS)
    resumed = whole(tmp_path / "run")
    resumed.fit(*loaders(), EPOCHS, resume=tmp_path / "run")
    assert equal(copied(resumed.model), copied(straight.model))
    assert timeless(resumed.history) == timeless(straight.history)
    assert resumed.optimizer.param_groups[0]["momentum"] == straight.optimizer.param_groups[0]["momentum"]


def test_the_schedule_counts_updates_not_batches():
    run = whole()
    run.fit(*loaders(), EPOCHS)
    assert run.schedule is not None and run.schedule.last_epoch == 2 * EPOCHS == run.ema.updates


@pytest.mark.parametrize("n, updates", [(48, 2), (45, 2), (32, 1)])
def test_accumulation_equals_a_large_batch(n, updates):
    """Whatever the lengths of its parts; without batch norm and dropout, which see each part alone."""
    images, labels = blobs(n)
    results = []
    for size, accumulate in ((32, 1), (8, 4)):
        manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(72, 3)).to("float64")
        optimizer = optim.SGD(model.parameters(), 0.1, 0.9)
        batches = [(images[i : i + size].astype(float), labels[i : i + size]) for i in range(0, n, size)]
        run = Trainer(model, optimizer, accumulate=accumulate, ema=EMA(0.5), grad_clip=0.3)
        run.fit(batches, epochs=1)
        run.ema.take_back(model)
        assert run.ema.updates == updates
        results.append(copied(model))
    for key in results[0]:
        np.testing.assert_allclose(results[1][key], results[0][key], rtol=1e-12, atol=1e-14)


def test_sums_stay_in_their_memory_and_each_starts_from_nothing():
    """A captured step finds them by their addresses; what the sum before left there must not count."""
    w = Tensor(np.zeros(2, np.float32), requires_grad=True)
    parts, released = Accumulation(2), []
    for first, second in ((1.0, 3.0), (10.0, 30.0)):
        for value in (first, second):
            w.gradient = np.full(2, value, np.float32)
            parts.add([w], np.array(2.0))
            assert float(parts.samples) == 2.0 * parts.batches
        assert parts.release([w]) and w.gradient.tolist() == [(first + second) / 2] * 2
        assert parts.sums == [] and parts.samples == 0
        released.append(w.gradient)
    assert released[0] is released[1]


def test_weights_of_labels_add_up_in_float64():
    w, parts = Tensor(np.zeros(1, np.float32), requires_grad=True), Accumulation(2)
    for weight in (2.0**24, 1.0):  # float32 has no number for their sum
        w.gradient = np.ones(1, np.float32)
        parts.add([w], np.array(weight, np.float32))
    assert float(parts.samples) == 2.0**24 + 1


@pytest.mark.parametrize("use_buffers", [False, True])
def test_ema_equals_pytorch(use_buffers):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the average")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    manual_seed(0)
    model = network()
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Dropout(0.3),
        torch.nn.Flatten(), torch.nn.Linear(64, 3),
    )  # fmt: skip
    reference = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=use_buffers)
    ema = EMA(0.9, use_buffers)
    rng = np.random.default_rng(0)
    for step in range(5):
        state = {name: rng.normal(size=v.shape).astype(v.dtype) for name, v in copied(model).items()}
        state["1.num_batches_tracked"] = np.array(step + 1)
        model.load_state_dict(state)
        theirs.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()})
        ema.update(model)
        reference.update_parameters(theirs)
    for name, value in reference.module.state_dict().items():
        if name == "1.num_batches_tracked":  # a count has no mean: PyTorch rounds one down, here it is the latest
            assert ema.average[name] == 5
        else:
            np.testing.assert_allclose(ema.average[name], value.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_warmup_follows_the_weights_at_first():
    model = nn.Sequential(nn.Linear(1, 1, bias=False)).to("float64")
    ema, expected = EMA(0.5, warmup=True), None
    for t in range(14):
        model.load_state_dict({"0.weight": np.array([[float(t * t)]])})
        decay = min(0.5, (1 + t) / (10 + t))
        expected = t * t if expected is None else decay * expected + (1 - decay) * t * t
        ema.update(model)
        assert float(ema.average["0.weight"][0, 0]) == pytest.approx(expected, rel=1e-12)


def test_the_average_is_what_is_validated_and_kept(tmp_path):
    run = whole(tmp_path / "run", ema=0.9)
    run.fit(*loaders(), EPOCHS)
    last, checkpoint = (load_checkpoint(tmp_path / "run" / name) for name in ("last.npz", "checkpoint.npz"))
    assert equal(last["model"], copied(run.model)) and equal(last["model"], checkpoint["ema"]["average"])
    assert not np.array_equal(last["model"]["0.weight"], checkpoint["model"]["0.weight"])
    assert run.evaluate(loaders()[1])["loss"] == run.history[-1]["val_loss"]
    run.fit(*loaders(), EPOCHS + 1)  # goes on from the trained weights
    again = whole(tmp_path / "run")
    again.fit(*loaders(), EPOCHS + 1, resume=tmp_path / "run")
    assert equal(copied(again.model), copied(run.model))


def test_early_stopping_restores_the_averaged_weights():
    run = whole(ema=0.5)
    stopping = EarlyStopping(patience=1, monitor="train_accuracy", min_delta=1.0)
    run.callbacks.append(stopping)
    history = run.fit(*loaders(), 9)
    assert len(history) == 2 and "has not improved for 1 epochs" in (run.stop_reason or "")
    assert equal(copied(run.model), stopping.weights)
    assert run.evaluate(loaders()[1])["loss"] == history[0]["val_loss"]


def test_label_smoothing_is_an_option_of_the_loss():
    images, labels = blobs()
    run = whole(loss_fn=lambda output, y: ops.cross_entropy(output, y, label_smoothing=0.1))
    assert run.fit([(images, labels)], epochs=1)[0]["train_loss"] > 0


def test_checkpoints_of_before_resume(tmp_path):
    """A file without the fields that accumulation and averages added."""
    from gpunn.train import save_checkpoint

    trainer(tmp_path / "run").fit(*loaders(), 1)
    state = load_checkpoint(tmp_path / "run")
    for key in ("accumulation", "ema"):
        del state[key]
    save_checkpoint(tmp_path / "old.npz", state)
    straight, resumed = trainer(), trainer()
    straight.fit(*loaders(), 2)
    resumed.fit(*loaders(), 2, resume=tmp_path / "old.npz")
    assert equal(copied(straight.model), copied(resumed.model))


def test_errors(tmp_path):
    with pytest.raises(UsageError, match="Trainer: accumulate must be a whole number of at least 1, got 0"):
        whole(accumulate=0)
    with pytest.raises(UsageError, match="EMA: decay must be at least 0 and below 1, got 1"):
        whole(ema=1)
    whole(tmp_path / "run").fit(*loaders(), 1)
    with pytest.raises(CheckpointError, match=r"was saved with an average of the weights .* pass ema=EMA"):
        whole(tmp_path / "run", ema=None).fit(*loaders(), 2, resume=tmp_path / "run")
    whole(tmp_path / "plain", ema=None).fit(*loaders(), 1)
    with pytest.raises(CheckpointError, match=r"was saved without an average of the weights.* leave ema away"):
        whole(tmp_path / "plain").fit(*loaders(), 2, resume=tmp_path / "plain")
