"""Names in a checkpoint that look alike, and folders that are none."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn.errors import CheckpointError
from gpunn.train import load_checkpoint, save_checkpoint


def test_paths_that_read_alike_stay_two_arrays(tmp_path):
    path = save_checkpoint(tmp_path / "a.npz", {"a/b": np.zeros(2), "a": {"b": np.ones(2), "b_": np.full(2, 2.0)}})
    state = load_checkpoint(path)
    assert state["a/b"].tolist() == [0, 0]
    assert state["a"]["b"].tolist() == [1, 1]
    assert state["a"]["b_"].tolist() == [2, 2]


@pytest.mark.parametrize("state", [{1: 2, "1": 3}, {"info": {"__array__": "x"}}])
def test_keys_that_a_file_cannot_hold_are_refused(tmp_path, state):
    with pytest.raises(TypeError, match=r"save_checkpoint: .* has keys that a file cannot tell apart"):
        save_checkpoint(tmp_path / "a.npz", state)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_said_in_words(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(CheckpointError, match=r"save_checkpoint: cannot write .*; what was there before is unchanged"):
        save_checkpoint(tmp_path / "run" / "a.npz", {"a": np.zeros(2)})
