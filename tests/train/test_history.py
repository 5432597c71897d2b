"""The tables of a run: an epoch adds a line, a kill costs half a line at most, values are read back as they were."""

import errno
import os

import numpy as np
import pytest

from gpunn import files
from gpunn.errors import CheckpointError
from gpunn.nn.state import copied
from gpunn.train import (
    EarlyStopping,
    GradientNormLog,
    History,
    LayerGradientLog,
    load_checkpoint,
    save_checkpoint,
)
from tests.train.runs import At, equal, loaders, timeless, trainer

ROWS = [{"epoch": 1, "train_loss": 0.1 + 0.2, "val_loss": None}, {"epoch": 2, "train_loss": float("inf")}]


def test_values_come_back_as_they_were(tmp_path):
    History(ROWS).write_csv(tmp_path / "h.csv", ["epoch", "train_loss", "val_loss"])
    again = History.read_csv(tmp_path / "h.csv")
    assert again.rows == [{"val_loss": None, **row} for row in ROWS]
    assert (tmp_path / "h.csv").read_text() == "epoch,train_loss,val_loss\n1,0.30000000000000004,\n2,inf,\n"


def test_a_table_grows_by_the_rows_that_it_lacks(tmp_path, monkeypatch):
    path, whole = tmp_path / "h.csv", []
    original = files.write_atomically
    monkeypatch.setattr(files, "write_atomically", lambda *args: (whole.append(1), original(*args)))
    history = History(ROWS[:1])
    history.keep_csv(path)
    history.append(ROWS[1])
    history.keep_csv(path)
    history.keep_csv(path)
    assert len(whole) == 1 and [row["epoch"] for row in History.read_csv(path)] == [1, 2]
    for change in (
        lambda: path.unlink(),
        lambda: path.write_bytes(path.read_bytes()[:-3]),  # another program's doing
        lambda: history.rows[-1].update(top5=0.5),  # a column that the table does not have
    ):
        history.append({"epoch": len(history) + 1})
        change()
        history.keep_csv(path)
        assert [row["epoch"] for row in History.read_csv(path)] == [*range(1, len(history) + 1)]
    assert len(whole) == 4


@pytest.mark.parametrize("text", ["", "epoch,train_l", "epoch,train_loss\n"])
def test_a_table_without_a_row_is_one(tmp_path, text):
    (tmp_path / "h.csv").write_text(text)
    assert len(History.read_csv(tmp_path / "h.csv")) == 0


@pytest.mark.parametrize("half", ["3", "3,0.25", "3,0.25,7", "\0\0\0", "3,0.25," + "9" * 100])
def test_half_a_line_is_no_row(tmp_path, half):
    path = tmp_path / "h.csv"
    path.write_text("epoch,train_loss,seconds\n1,0.5,7\n2,0.25,7\n" + half)
    assert [row["epoch"] for row in History.read_csv(path)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,loss\n1,low\n", "could not convert"),
        ("epoch,loss\n1\n", "line 2 has 1 cells, expected 2"),
        ("epoch,loss\n1,2,3\n", "line 2 has 3 cells, expected 2"),
        ("epoch,loss\n1," + "2" * 200_000 + "\n", "field larger than field limit"),
        ("epoch,loss\n" + "2" * 5000 + ",1\n", "for integer string conversion"),
    ],
)
def test_what_is_no_table_is_a_value_error(tmp_path, text, words):
    (tmp_path / "h.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        History.read_csv(tmp_path / "h.csv")


def logged(out, **options):
    logs = [LayerGradientLog(out / "gradients.csv", every=2), GradientNormLog(out / "norms.csv")]
    return trainer(out, callbacks=[*options.pop("callbacks", ()), *logs, EarlyStopping(patience=99)], **options)


TABLES = ("history.csv", "gradients.csv", "norms.csv")


def rows_of(out):
    return {name: timeless(History.read_csv(out / name)) for name in TABLES}


def test_an_epoch_writes_as_much_however_many_there_were(tmp_path, monkeypatch):
    """Bytes in files written anew and in lines appended, of early epochs and of late ones."""
    sizes = {}

    def count(size):
        sizes[run.epoch] = sizes.get(run.epoch, 0) + size

    write, add = files.write_atomically, files.append

    def writing(path, fill):
        write(path, fill)
        count(path.stat().st_size)

    def adding(path, data, size):
        count(len(data))
        return add(path, data, size)

    run = logged(tmp_path, early=False)
    run.callbacks = [c for c in run.callbacks if type(c).__name__ != "GradientNormLog" or c.path]
    monkeypatch.setattr(files, "write_atomically", writing)
    monkeypatch.setattr(files, "append", adding)
    run.fit(*loaders(batch_size=24), 16)
    early, late = sizes[4] + sizes[5] + sizes[6], sizes[13] + sizes[14] + sizes[15]
    assert 0 < late < 1.02 * early, (early, late)
    assert load_checkpoint(tmp_path)["history"] == {"written": 16, "rows": []}


@pytest.mark.parametrize("left", ["half", "a row ahead", "words", "bytes"])
def test_what_a_kill_left_behind_the_checkpoint_is_dropped_at_the_next_start(tmp_path, left):
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    logged(straight).fit(*loaders(), 3)
    logged(cut).fit(*loaders(), 2)
    for name in TABLES:
        last = (cut / name).read_bytes().splitlines()[-1] + b"\n"
        more = {"half": last[:4], "a row ahead": last + last[:3], "words": b"words,of\n" * 9, "bytes": b"\xff\0\n\xfe"}
        with open(cut / name, "ab") as file:
            file.write(more[left])
    logged(cut).fit(*loaders(), 3, resume=cut)
    assert rows_of(cut) == rows_of(straight)


def test_the_start_itself_drops_half_a_line(tmp_path):
    trainer(tmp_path).fit(*loaders(), 1)
    whole = (tmp_path / "history.csv").read_bytes()
    (tmp_path / "history.csv").write_bytes(whole + b"2,0.1")

    def look():
        assert (tmp_path / "history.csv").read_bytes() == whole
        raise OSError("seen")

    with pytest.raises(OSError, match="seen"):
        trainer(tmp_path, callbacks=[At(look, steps=7)]).fit(*loaders(), 2, resume=tmp_path)


def test_a_run_goes_on_without_its_table_and_says_so(tmp_path, capsys):
    straight = trainer()
    straight.fit(*loaders(), 2)
    trainer(tmp_path).fit(*loaders(), 1)
    (tmp_path / "history.csv").unlink()
    run = trainer(tmp_path)
    run.fit(*loaders(), 2, resume=tmp_path)
    words = f"gpunn: {tmp_path}/history.csv lacks rows of the run's first 1 (No such file or directory); it goes on"
    assert words in capsys.readouterr().err
    assert timeless(run.history) == timeless(straight.history)[1:]
    assert equal(copied(run.model), copied(straight.model))


def test_checkpoints_of_before_hold_the_rows(tmp_path):
    straight = tmp_path / "straight"
    logged(straight).fit(*loaders(), 3)
    logged(tmp_path / "old").fit(*loaders(), 2)
    state = load_checkpoint(tmp_path / "old")
    table = {name: History.read_csv(tmp_path / "old" / name).rows for name in TABLES}
    layers = state["callbacks"]["LayerGradientLog"]
    state["history"] = table["history.csv"]
    state["callbacks"]["GradientNormLog 2"]["rows"] = table["norms.csv"]
    layers["values"] = np.array([[*row.values()] for row in table["gradients.csv"]])
    del layers["written"]
    save_checkpoint(tmp_path / "old/checkpoint.npz", state)
    for name in TABLES:
        (tmp_path / "old" / name).unlink()
    logged(tmp_path / "old").fit(*loaders(), 3, resume=tmp_path / "old")
    assert rows_of(tmp_path / "old") == rows_of(straight)


def test_a_full_disk_in_the_middle_of_a_line(tmp_path, monkeypatch):
    straight = trainer()
    straight.fit(*loaders(), 2)
    original = os.write

    def full(handle, data):
        if os.readlink(f"/proc/self/fd/{handle}").endswith("history.csv"):
            original(handle, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(handle, data)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("needs /proc")
    first = trainer(tmp_path, callbacks=[At(lambda: monkeypatch.setattr(os, "write", full), steps=7)])
    with pytest.raises(CheckpointError) as caught:
        first.fit(*loaders(), 2)
    assert str(caught.value) == (
        f"History: cannot write {tmp_path}/history.csv: No space left on device; what was there before is unchanged; "
        "free some space or choose another folder"
    )
    monkeypatch.setattr(os, "write", original)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    second = trainer(tmp_path)
    second.fit(*loaders(), 2, resume=tmp_path)
    assert timeless(second.history) == timeless(straight.history)
    assert equal(copied(second.model), copied(straight.model))


DAMAGE = [
    (("position",), 3, "position is 3, expected a table"),
    (("position", "steps"), "many", "position.steps is 'many', expected a whole number"),
    (("position", "epoch"), -1, "position.epoch is -1, expected a whole number of at least 0"),
    (("running", "sums"), [1], "running.sums is [1], expected a table of: a number"),
    (("running", "count"), None, "running.count is None"),
    (("history",), {"written": "two", "rows": []}, "history.written is 'two'"),
    (("history",), [{"epoch": "one"}], "history[0].epoch is 'one', expected none, or a number"),
    (("random",), {"seed": 1}, "random.stream is missing"),
    (("schedule",), "StepLR", "schedule is 'StepLR', expected none, or a table with name"),
    (("optimizer",), [], "optimizer is [], expected a table with name"),
    (("model",), {"0.weight": "heavy"}, "model.0.weight is 'heavy', expected an array"),
    (("callbacks",), 7, "callbacks is 7, expected a table"),
    (("callbacks", "EarlyStopping"), {"best": 3}, "callbacks.EarlyStopping: best is 3, expected a table"),
    (("callbacks", "EarlyStopping", "waited"), "long", "callbacks.EarlyStopping: waited is 'long'"),
    (("callbacks", "Checkpoint", "value"), [1], "callbacks.Checkpoint: value is [1], expected none, or a number"),
    (("callbacks", "GradientNormLog", "total"), {}, "callbacks.GradientNormLog: total is {}, expected a number"),
    (("accumulation",), {"batches": 1}, "accumulation.samples is missing"),
    (("loader",), None, "loader is None, expected a table"),
    (("loader", "shuffle"), [1], "loader.shuffle is [1], expected a number, a word or none"),
    (("loader", "seed"), None, "loader.seed: it is None, expected a whole number of at least 0"),
]


@pytest.mark.parametrize(("place", "value", "words"), DAMAGE)
def test_a_checkpoint_with_another_type_inside_is_refused_unchanged(tmp_path, place, value, words):
    trainer(tmp_path).fit(*loaders(), 1)
    state = load_checkpoint(tmp_path)
    inner = state
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    save_checkpoint(tmp_path / "checkpoint.npz", state)
    run = trainer(tmp_path)
    before = copied(run.model)
    with pytest.raises(CheckpointError) as caught:
        run.fit(*loaders(), 2, resume=tmp_path)
    assert str(caught.value).startswith(f"resume: {tmp_path}/checkpoint.npz: {words}")
    assert str(caught.value).endswith("; take another checkpoint of the run")
    assert equal(copied(run.model), before) and run.steps == 0


def test_a_hundred_thousand_epochs_are_drawn_as_a_thousand_points():
    pytest.importorskip("matplotlib", reason="curves need matplotlib")
    from gpunn import pictures

    rows = [{"epoch": i, "train_loss": 1 / i, "val_loss": None, "val_accuracy": 0.5} for i in range(1, 100_001)]
    loss, accuracy = pictures.learning_curves(rows).axes
    assert len(loss.lines[0].get_xdata()) == 1000 == len(accuracy.lines[0].get_xdata())
    assert loss.lines[0].get_xdata()[0] == 50.5 and accuracy.lines[0].get_ydata()[-1] == pytest.approx(0.5)
