"""Checkpoint files: what comes back, what survives a failing disk, and the words for files that are no good."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest

from gpunn import files, nn
from gpunn.errors import CheckpointError
from gpunn.nn.state import copied
from gpunn.train import load_checkpoint, load_weights, save_checkpoint

STATE = {
    "name": "run",
    "numbers": [1, 2.5, float("inf"), True, None],
    "weights": {"a": np.arange(6.0).reshape(2, 3), "b": np.array(0.1, np.float32)},
    "nested": [{"ids": np.array([1, 2], np.int64)}],
    "empty": {},
}


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    return type(a) is type(b) and a == b


def test_round_trip(tmp_path):
    path = save_checkpoint(tmp_path / "c.npz", STATE)
    assert same(load_checkpoint(path), STATE)
    assert os.listdir(tmp_path) == ["c.npz"]


def test_any_numpy_reads_it_without_pickle(tmp_path):
    path = save_checkpoint(tmp_path / "c.npz", STATE)
    with np.load(path, allow_pickle=False) as file:
        assert np.array_equal(file["weights/a"], STATE["weights"]["a"])


def test_memory_order_does_not_matter_and_equal_states_give_equal_bytes(tmp_path):
    a = np.arange(24.0).reshape(2, 3, 4)
    one = save_checkpoint(tmp_path / "1.npz", {"a": a})
    two = save_checkpoint(tmp_path / "2.npz", {"a": np.asfortranarray(a)})
    assert one.read_bytes() == two.read_bytes()


class FullDisk:
    """A file on a disk with room for `room` more bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.file.close()


@pytest.mark.parametrize("room", [0, 100, 800, 100_000])
def test_full_disk_keeps_the_previous_file(tmp_path, monkeypatch, room):
    path = save_checkpoint(tmp_path / "c.npz", STATE)
    before = path.read_bytes()
    monkeypatch.setattr(files, "open", lambda *args: FullDisk(io.FileIO(*args), room), raising=False)
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(path, {**STATE, "more": np.zeros(100_000)})
    assert str(caught.value).startswith(
        f"save_checkpoint: cannot write {path}: No space left on device; what was there"
    )
    assert "free some space or choose another folder" in str(caught.value)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["c.npz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(errno.EIO, "Input/output error")])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failure_at_the_last_moment_leaves_no_litter(tmp_path, monkeypatch, call, error):
    path = save_checkpoint(tmp_path / "c.npz", STATE)
    before = path.read_bytes()

    def fail(*args):
        raise error

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(CheckpointError if isinstance(error, OSError) else error):
        save_checkpoint(path, {"x": 1})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["c.npz"]


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot write .*c.npz: No such file or directory"):
        save_checkpoint(tmp_path / "no" / "c.npz", {})


def test_values_that_cannot_be_saved(tmp_path):
    with pytest.raises(
        TypeError, match="save_checkpoint: a/b is a set; expected arrays, numbers, strings, dicts or lists"
    ):
        save_checkpoint(tmp_path / "c.npz", {"a": {"b": {1}}})
    with pytest.raises(TypeError, match="save_checkpoint: a is an array of object; convert it to float32"):
        save_checkpoint(tmp_path / "c.npz", {"a": np.array([{}])})
    assert not os.listdir(tmp_path)


def test_every_truncation_is_noticed(tmp_path):
    path = save_checkpoint(tmp_path / "c.npz", STATE)
    data = path.read_bytes()
    for length in [0, 1, *range(10, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=r"c.npz is damaged or cut short \(.*best.npz, or start anew"):
            load_checkpoint(path)


def test_a_flipped_byte_is_noticed_or_harmless(tmp_path):
    path = save_checkpoint(tmp_path / "c.npz", STATE)
    data = path.read_bytes()
    want, noticed = load_checkpoint(path), 0
    for position in range(0, len(data), 7):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x5A]) + data[position + 1 :])
        try:
            assert same(load_checkpoint(path), want)  # a date or a flag that zip keeps twice
        except CheckpointError as error:
            assert str(path) in str(error)
            noticed += 1
    assert noticed > len(data) // 7 // 2


def test_no_code_runs_from_a_pickle(tmp_path):
    path = tmp_path / "c.npz"
    np.savez(path, a=np.array([{}], dtype=object))
    with zipfile.ZipFile(path, "a") as archive:
        meta = {"format": "gpunn-checkpoint", "version": 1, "state": {"a": {"__array__": "a"}}}
        archive.writestr("meta.json", json.dumps(meta))
    with pytest.raises(CheckpointError, match="Object arrays cannot be loaded"):
        load_checkpoint(path)


def test_other_files(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read .*no.npz: No such file or directory; check the path"):
        load_checkpoint(tmp_path / "no.npz")
    with pytest.raises(CheckpointError, match=r"cannot read .*checkpoint.npz: No such file"):
        load_checkpoint(tmp_path)
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(CheckpointError, match=r"other.npz is no gpunn checkpoint .*meta.json.* pass a file that a run"):
        load_checkpoint(tmp_path / "other.npz")
    with zipfile.ZipFile(tmp_path / "new.npz", "w") as archive:
        archive.writestr("meta.json", json.dumps({"format": "gpunn-checkpoint", "version": 99, "state": {}}))
    with pytest.raises(CheckpointError, match=r"format version 99, this gpunn reads up to 1; upgrade gpunn"):
        load_checkpoint(tmp_path / "new.npz")
    with zipfile.ZipFile(tmp_path / "new.npz", "w") as archive:
        archive.writestr("meta.json", json.dumps({"format": "gpunn-checkpoint", "version": 10**4000, "state": {}}))
    with pytest.raises(CheckpointError, match=r"format version a whole number of 13288 bits, this gpunn reads"):
        load_checkpoint(tmp_path / "new.npz")


def test_weights_of_another_model_are_listed_key_by_key(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    path = save_checkpoint(tmp_path / "w.npz", {"model": copied(model), "info": {"name": "mlp"}})
    other = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2), nn.ReLU(), nn.Linear(2, 2))
    before = copied(other)
    with pytest.raises(CheckpointError) as caught:
        load_weights(path, other)
    words = str(caught.value)
    for part in (
        "w.npz is of another model",
        "missing: 1.weight (2, 5), 1.bias (2,), 3.weight (2, 2), 3.bias (2,)",
        "unexpected: 2.weight (2, 4), 2.bias (2,)",
        "of another shape: 0.weight (4, 3) in the file, (5, 3) in the model, 0.bias (4,) in the file, (5,) in",
        "nothing was loaded; build the model that was saved",
    ):
        assert part in words
    assert same(copied(other), before)
    twin = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    assert load_weights(path, twin) == {"info": {"name": "mlp"}}
    assert same(copied(twin), copied(model))


def test_file_without_weights(tmp_path):
    path = save_checkpoint(tmp_path / "w.npz", {"notes": "none"})
    with pytest.raises(CheckpointError, match=r"load_weights: .* holds no model weights, only \['notes'\]"):
        load_weights(path, nn.Linear(1, 1))
