"""A resumed run is bitwise the uninterrupted one, wherever it was cut; one that does not fit changes nothing."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from gpunn import manual_seed, optim, random
from gpunn.errors import CheckpointError
from gpunn.train import Checkpoint, load_checkpoint
from tests.train.runs import At, equal, loaders, timeless, trainer

EPOCHS = 4
BATCHES = 6


@pytest.fixture(scope="module")
def straight():
    """The uninterrupted run: last weights before the best are restored, history, gradient norms."""
    run = trainer()
    last = {}
    run.callbacks.append(At(lambda: last.update(run.model.state_dict()), epoch=EPOCHS))
    run.fit(*loaders(), EPOCHS)
    return {"last": last, "best": run.model.state_dict(), "history": timeless(run.history), "norms": norms(run)}


def norms(run):
    return next(c for c in run.callbacks if type(c).__name__ == "GradientNormLog").rows


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("cut", [1, 4, BATCHES, BATCHES + 1, 2 * BATCHES + 5, EPOCHS * BATCHES - 1, EPOCHS * BATCHES])
def test_ctrl_c_and_resume_is_the_uninterrupted_run(tmp_path, straight, cut):
    first = trainer(tmp_path / "run", callbacks=[At(press_ctrl_c, steps=cut)])
    with pytest.raises(KeyboardInterrupt) as caught:
        first.fit(*loaders(), EPOCHS)
    epoch, batch = divmod(cut, BATCHES)
    where = f"epoch {epoch + 1}, after batch {batch}"
    if batch == 0:  # the step that ends an epoch: the interrupt is seen before validation
        where = f"epoch {epoch}, after batch {BATCHES}"
    assert str(caught.value).startswith(
        f"interrupted; saved {tmp_path}/run/checkpoint.npz ({where}); go on with resume="
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    manual_seed(999)  # whatever state the new process starts in
    second = trainer(tmp_path / "run", lr=0.7)
    last = {}
    second.callbacks.append(At(lambda: last.update(second.model.state_dict()), epoch=EPOCHS))
    second.fit(*loaders(seed=0), EPOCHS, resume=tmp_path / "run")
    assert equal(last, straight["last"]) and equal(second.model.state_dict(), straight["best"])
    assert timeless(second.history) == straight["history"]
    assert norms(second) == straight["norms"]


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop"])
def test_other_optimisers_resume_within_an_epoch(tmp_path, name):
    def build(params):
        return getattr(optim, name)(params, lr=0.01)

    def run(out, **options):
        return trainer(out, optimizer=build, early=False, **options)

    whole = run(None)
    whole.fit(*loaders(), 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", callbacks=[At(press_ctrl_c, steps=8)]).fit(*loaders(), 2)
    resumed = run(tmp_path / "run")
    resumed.fit(*loaders(), 2, resume=tmp_path / "run" / "checkpoint.npz")
    assert equal(whole.model.state_dict(), resumed.model.state_dict())


def test_resume_after_a_killed_process(tmp_path, straight):
    """`every` saves within the epoch, so that a crash, which runs no handler, loses little."""

    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    first = trainer(callbacks=[At(kill, steps=11), Checkpoint(tmp_path / "run", every=4)])
    with pytest.raises(Killed):
        first.fit(*loaders(), EPOCHS)
    assert load_checkpoint(tmp_path / "run")["position"] == {"epoch": 1, "batch": 2, "steps": 8}
    second = trainer(callbacks=[Checkpoint(tmp_path / "run")])
    second.fit(*loaders(), EPOCHS, resume=tmp_path / "run")
    assert timeless(second.history) == straight["history"]
    assert equal(second.model.state_dict(), straight["best"])


def test_two_cuts_and_a_longer_run(tmp_path, straight):
    """Stop after an epoch, go on for one, be interrupted, go on to the end."""
    trainer(tmp_path / "run", early=False).fit(*loaders(), 1)
    trainer(tmp_path / "run", early=False).fit(*loaders(), 2, resume=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        cut = trainer(tmp_path / "run", early=False, callbacks=[At(press_ctrl_c, steps=15)])
        cut.fit(*loaders(), EPOCHS, resume=tmp_path / "run")
    last = trainer(tmp_path / "run", early=False)
    last.fit(*loaders(), EPOCHS, resume=tmp_path / "run")
    assert timeless(last.history) == straight["history"] and equal(last.model.state_dict(), straight["last"])


def test_second_ctrl_c_ends_at_once_and_keeps_the_last_checkpoint(tmp_path):
    def hasty(output, y):
        if run.steps == 8:
            press_ctrl_c()
            press_ctrl_c()
        return cross_entropy(output, y)

    run = trainer(tmp_path / "run")
    cross_entropy, run.loss_fn = run.loss_fn, hasty
    with pytest.raises(
        KeyboardInterrupt, match=r"interrupted in epoch 2, after batch 2; the last checkpoint is .*end of"
    ):
        run.fit(*loaders(), EPOCHS)
    assert load_checkpoint(tmp_path / "run")["position"] == {"epoch": 1, "batch": 0, "steps": 6}


def test_ctrl_c_without_a_folder():
    with pytest.raises(KeyboardInterrupt, match="interrupted in epoch 1, after batch 2; no checkpoint was saved"):
        trainer(callbacks=[At(press_ctrl_c, steps=2)]).fit(*loaders(), 1)


def test_ctrl_c_where_it_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert len(trainer(callbacks=[At(press_ctrl_c, steps=2)]).fit(*loaders(), 1)) == 1
    finally:
        signal.signal(signal.SIGINT, before)


def refused(tmp_path, words, build=trainer, load=loaders):
    """Resuming a run cut within its second epoch must fail with these words and change nothing."""
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "run", callbacks=[At(press_ctrl_c, steps=8)]).fit(*loaders(), EPOCHS)
    run = build()
    before = (run.model.state_dict(), run.optimizer.state_dict(), random.get_state())
    with pytest.raises(CheckpointError) as caught:
        run.fit(*load(), EPOCHS, resume=tmp_path / "run")
    for part in words:
        assert part in str(caught.value)
    assert equal(run.model.state_dict(), before[0]) and random.get_state() == before[2]
    assert run.optimizer.state_dict() == before[1] and run.steps == 0 and not len(run.history)


def test_another_model(tmp_path):
    words = ["checkpoint.npz is of another model", "0.weight (4, 2, 3, 3) in the file, (5, 2, 3, 3) in the model"]
    refused(tmp_path, words, lambda: trainer(width=5))


def test_another_optimiser(tmp_path):
    refused(
        tmp_path,
        ["was saved with the optimiser SGD, this run has Adam; use SGD"],
        lambda: trainer(optimizer=optim.Adam),
    )


def test_another_grouping(tmp_path):
    def grouped(params):
        first, *rest = params
        return optim.SGD([{"params": [first]}, {"params": rest}], lr=0.1)

    refused(
        tmp_path,
        ["does not fit: SGD: the saved state has groups of [6] parameters"],
        lambda: trainer(optimizer=grouped),
    )


def test_another_schedule(tmp_path):
    words = ["was saved with StepLR, this run has no schedule; use the same schedule"]
    refused(tmp_path, words, lambda: trainer(schedule=False))


def test_another_loader_within_an_epoch(tmp_path):
    words = [
        "was saved within epoch 2, after batch 2",
        "batches 6 then, 12 now",
        "batch_size 8 then, 4 now",
        "use the same",
    ]
    refused(tmp_path, words, load=lambda: loaders(batch_size=4))


def test_another_loader_at_the_end_of_an_epoch_is_fine(tmp_path):
    trainer(tmp_path / "run").fit(*loaders(), 1)
    run = trainer(tmp_path / "run")
    assert len(run.fit(*loaders(batch_size=4), 2, resume=tmp_path / "run")) == 2


def test_weights_alone_do_not_resume(tmp_path):
    trainer(tmp_path / "run").fit(*loaders(), 1)
    with pytest.raises(
        CheckpointError, match=r"best.npz lacks the run's optimizer, .* resume from the run's checkpoint"
    ):
        trainer().fit(*loaders(), 2, resume=tmp_path / "run" / "best.npz")


def test_plain_lists_of_batches_resume_too(tmp_path):
    batches = [tuple(a[:] for a in batch) for batch in loaders()[0]]
    whole = trainer(early=False)
    whole.fit(batches, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "r", early=False, callbacks=[At(press_ctrl_c, steps=9)]).fit(batches, epochs=2)
    resumed = trainer(tmp_path / "r", early=False)
    resumed.fit(batches, epochs=2, resume=tmp_path / "r")
    assert equal(whole.model.state_dict(), resumed.model.state_dict())


def test_in_another_process(tmp_path, straight):
    """Nothing that matters lives in the process: interrupt here, resume there."""
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "run", callbacks=[At(press_ctrl_c, steps=13)]).fit(*loaders(), EPOCHS)
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    code = (
        f"import sys; sys.path.insert(0, {root!r}); import numpy as np\n"
        "from tests.train.runs import *\n"
        f"run = trainer({str(tmp_path / 'run')!r}); run.fit(*loaders(), {EPOCHS}, resume={str(tmp_path / 'run')!r})\n"
        f"np.savez({str(tmp_path / 'w.npz')!r}, **run.model.state_dict())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with np.load(tmp_path / "w.npz") as weights:
        assert equal(dict(weights), straight["best"])
