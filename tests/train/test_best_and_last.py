"""best.npz and last.npz: both always there, and on the disk once where they are the same weights."""

import errno
import os

import pytest

from gpunn.files import link_atomically
from gpunn.train import load_checkpoint
from tests.train.runs import At, loaders, trainer


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".csv" and path.suffix != ".png")


def contents(folder, *names):
    return [(folder / f"{name}.npz").read_bytes() for name in names]


def watched(folder, epochs):
    """After each epoch: whether the two are one file, and which epochs' weights they hold."""
    seen = []

    def look():
        row = [load_checkpoint(folder / f"{name}.npz")["row"]["epoch"] for name in ("best", "last")]
        seen.append((os.path.samefile(folder / "best.npz", folder / "last.npz"), *row))

    run = trainer(folder, early=False)
    run.callbacks += [At(look, epoch=epoch) for epoch in range(1, epochs + 1)]
    return run.fit(*loaders(), epochs), seen


def test_they_are_one_file_where_they_are_the_same_weights(tmp_path):
    history, seen = watched(tmp_path / "run", 6)
    values = history.column("val_accuracy")
    best = [1 + max(range(n), key=lambda i: (values[i], -i)) for n in range(1, 7)]
    assert seen == [(best[n - 1] == n, best[n - 1], n) for n in range(1, 7)]
    assert len(set(best)) not in (1, 6), "the run shows both cases"
    assert files(tmp_path / "run") == ["best.npz", "checkpoint.npz", "last.npz"]


@pytest.mark.parametrize("refusal", [OSError(errno.EPERM, "Operation not permitted"), AttributeError("link")])
def test_without_links_they_are_two_files_of_the_same_bytes(tmp_path, monkeypatch, refusal):
    def link(*args, **options):
        raise refusal

    monkeypatch.setattr(os, "link", link)
    assert watched(tmp_path / "run", 1)[1] == [(False, 1, 1)]
    best, last = contents(tmp_path / "run", "best", "last")
    assert best == last
    assert files(tmp_path / "run") == ["best.npz", "checkpoint.npz", "last.npz"]


def test_going_on_changes_the_last_alone(tmp_path):
    folder = tmp_path / "run"
    history, _ = watched(folder, 3)
    assert history[2]["val_accuracy"] == max(history.column("val_accuracy")), "the third epoch is the best"
    (before,) = contents(folder, "best")
    assert contents(folder, "last") == [before]
    trainer(folder, early=False).fit(*loaders(), 4, resume=folder)
    best, last = contents(folder, "best", "last")
    assert last != before and best in (before, last)


def test_a_link_to_itself_leaves_no_temporary_file(tmp_path):
    """Renaming one name of a file to another of its names does nothing, and keeps both."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    link_atomically(one, two)
    link_atomically(one, two)
    assert sorted(os.listdir(tmp_path)) == ["one", "two"] and os.path.samefile(one, two)
