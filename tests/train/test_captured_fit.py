"""Trainer.fit as graphs, on the look-alike of CuPy: bit for bit the eager run, with all that a run promises."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import data, manual_seed, nn, ops, optim, train
from gpunn.errors import TrainingError
from gpunn.nn.state import copied
from tests import counting
from tests.train.runs import At, equal, timeless
from tests.train.test_resume import press_ctrl_c

pytestmark = pytest.mark.usefixtures("look_alike")
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of emulated kernels: in CI")
EPOCHS, BATCHES = 4, 4  # the last batch of an epoch has 2 samples
UPDATES = BATCHES * EPOCHS


def samples(n, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return (rng.standard_normal((n, 1, 4, 4)) + labels[:, None, None, None]).astype(np.float32), labels


def loaders():
    sets = data.ArrayDataset(*samples(14)), data.ArrayDataset(*samples(6, seed=1))
    return data.DataLoader(sets[0], 4, shuffle=True, seed=5), data.DataLoader(sets[1], 4)


def network():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(48, 3)
    )


def trainer(capture=None, out=None, rule=optim.SGD, model=None, **options):
    manual_seed(11)
    model = model or network()
    rule = rule(model.parameters(), 0.02)
    options.setdefault("schedule", optim.StepLR(rule, 2, 0.5))
    return train.Trainer(model, rule, seed=3, out=out, device="cuda", capture=capture, **options)


def state(run):
    return {name: gpunn.to_numpy(a) for name, a in copied(run.model).items()}


def graphs_of(run):
    return sum(kind.graph is not None for kind in run.graphs._kinds.values())


def fitted(capture, **options):
    run = trainer(capture, **options)
    run.fit(*loaders(), EPOCHS)
    return run


def momentum(params, lr):
    return optim.SGD(params, lr, momentum=0.9, nesterov=True, weight_decay=1e-3)


OPTIONS = {
    "plain": lambda: {},
    "clipped Adam": lambda: {"rule": optim.Adam, "grad_clip": 0.5},
    "averaged, of two batches": lambda: {"rule": momentum, "accumulate": 2, "ema": train.EMA(0.9, warmup=True)},
    "metrics of its own": lambda: {"metrics": {"top2": train.top_k(2), "mean": lambda output, y: output.array.mean()}},
}


SOME = [name if "," in name else pytest.param(name, marks=in_ci) for name in OPTIONS]


@pytest.mark.parametrize("options", SOME)
def test_a_captured_run_has_the_bits_of_an_eager_one(options):
    eager, captured = (fitted(capture, **OPTIONS[options]()) for capture in (False, True))
    assert graphs_of(captured) >= 3 and not eager.graphs.captured  # a batch, the last one, a batch of validation
    assert equal(state(captured), state(eager)) and timeless(captured.history) == timeless(eager.history)
    assert (captured.way(), eager.way()) == ("captured", "eager")


@in_ci
def test_a_schedule_by_the_step_captures_nothing_anew():
    runs = []
    for capture in (False, True):
        run = trainer(capture, rule=momentum, schedule=None)
        run.schedule = optim.OneCycleLR(run.optimizer, 0.05, UPDATES)
        run.fit(*loaders(), EPOCHS)
        runs.append(run)
    assert equal(state(runs[1]), state(runs[0])) and timeless(runs[1].history) == timeless(runs[0].history)
    assert graphs_of(runs[1]) >= 3


@in_ci
def test_the_environment_and_reading_each_step_switch_it_off(monkeypatch):
    assert fitted(None, read_every=1).way() == "eager"
    assert fitted(None).way() == "captured"
    monkeypatch.setenv("GPUNN_CAPTURE", "0")
    assert fitted(None).way() == "eager"


@pytest.mark.parametrize("cut", [7, *(pytest.param(n, marks=in_ci) for n in (2, 2 * BATCHES))])
def test_a_run_cut_and_resumed_is_the_uninterrupted_one(tmp_path, cut):
    straight = fitted(True)
    first = trainer(out=tmp_path, callbacks=[At(press_ctrl_c, steps=cut)])
    with pytest.raises(KeyboardInterrupt):
        first.fit(*loaders(), EPOCHS)
    second = trainer(out=tmp_path)
    second.fit(*loaders(), EPOCHS, resume=tmp_path)
    assert equal(state(second), state(straight)) and timeless(second.history) == timeless(straight.history)


@in_ci
def test_an_exception_between_replays_leaves_a_run_that_goes_on():
    straight = fitted(True)

    def fails():
        raise ZeroDivisionError

    run = trainer(callbacks=[At(fails, steps=2 * BATCHES + 3)])
    with pytest.raises(ZeroDivisionError):
        run.fit(*loaders(), EPOCHS)
    run.callbacks.clear()
    run.fit(*loaders(), EPOCHS)
    assert equal(state(run), state(straight))


def test_a_loss_that_is_not_finite_is_named_with_its_step(tmp_path):
    """In the third epoch, whose first steps are replayed; nothing of it reaches the checkpoint."""
    met = []
    for capture in (False, True):
        out = tmp_path / str(capture)
        run = trainer(capture, out=out)
        weight = next(run.model.parameters()).array
        run.callbacks.insert(0, At(lambda weight=weight: weight.fill(np.inf), steps=2 * BATCHES + 1))
        with pytest.raises(TrainingError) as caught:
            run.fit(*loaders(), EPOCHS)
        met.append(str(caught.value).replace(str(out), ""))
        kept = train.load_checkpoint(out / "checkpoint.npz")
        assert kept["position"]["steps"] == 2 * BATCHES
        assert all(np.isfinite(a).all() for a in kept["model"].values())
    assert met[0] == met[1] and f"epoch 3, step {2 * BATCHES + 2} (batch 2 of the epoch)" in met[0]


@in_ci
def test_early_stopping_ends_and_restores_the_same():
    runs = [fitted(capture, callbacks=[train.EarlyStopping(patience=1, monitor="train_loss", min_delta=9)])
            for capture in (False, True)]  # fmt: skip
    assert runs[0].stop_reason and runs[0].stop_reason == runs[1].stop_reason
    assert equal(state(runs[1]), state(runs[0]))


def test_a_metric_that_waits_for_the_device_is_named_once_and_the_run_goes_on(capsys):
    def share(output, target):
        return float(ops.mean(output))

    eager, captured = (fitted(capture, metrics={"mean": share}) for capture in (False, True))
    words = capsys.readouterr().err
    assert words.count("cannot be captured") == 1, words
    assert "test_captured_fit.py" in words and "such steps run eagerly" in words
    assert captured.way() == "eager" and timeless(captured.history) == timeless(eager.history)


@in_ci
def test_a_loss_of_another_kind_is_captured_too():
    def half(output, target):
        return ops.cross_entropy(output, target) * 0.5

    eager, captured = (fitted(capture, loss_fn=half) for capture in (False, True))
    assert equal(state(captured), state(eager)) and graphs_of(captured) >= 3


@in_ci
def test_what_a_callback_changes_is_heeded():
    """The clipping's limit, the loss, a dropout's share: each makes other steps."""

    def changed(run):
        run.grad_clip, run.model[3].p = 1e-3, 0.6
        run.loss_fn = lambda output, target: ops.cross_entropy(output, target, label_smoothing=0.1)

    runs = []
    for capture in (False, True):
        run = trainer(capture)
        run.callbacks.append(At(lambda run=run: changed(run), steps=2 * BATCHES + 2))
        run.fit(*loaders(), EPOCHS)
        runs.append(run)
    assert equal(state(runs[1]), state(runs[0])) and timeless(runs[1].history) == timeless(runs[0].history)


@in_ci
def test_batches_of_a_resident_set_are_gathered_inside():
    histories = []
    for capture in (False, True):
        images, labels = samples(14)
        resident = data.Resident(data.ArrayDataset((images * 20 + 90).clip(0, 255).astype(np.uint8), labels), "cuda")
        steps = data.Compose(data.RandomCrop(1), data.RandomHorizontalFlip(), data.Normalise(0.4, 0.3))
        loader = data.DataLoader(resident, 4, shuffle=True, seed=5, transform=steps)
        run = trainer(capture)
        run.fit(loader, epochs=EPOCHS)
        histories.append((timeless(run.history), state(run)))
        assert run.graphs.captured is capture
    assert histories[0][0] == histories[1][0] and equal(histories[0][1], histories[1][1])


def test_a_replayed_step_is_one_launch_and_no_read():
    run = trainer(metrics={"accuracy": train.accuracy}, schedule=None)
    x, y = (gpunn.to_device(a, "cuda") for a in samples(4))
    for _ in range(3):
        run.step(x, y)
    with counting.device_work() as work:
        calls = counting.python_calls(lambda: run.step(x, y))
    assert not work.reads and not work.copies, str(work)
    assert calls.total <= 90, str(calls)


@in_ci
def test_the_progress_line_says_which_of_the_two_runs(capsys):
    fitted(None, callbacks=[train.ProgressBar()])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert "images/s, cuda, eager; val" in lines[0]
    assert all("images/s, cuda, captured; val" in line for line in lines[1:]), lines
