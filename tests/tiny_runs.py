"""A tiny data set in place of MNIST, and a working folder of the test's own: for the tests of runs and commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpunn import data
from gpunn.cli import main


def tiny_dataset(size=28):
    """Ten classes of noisy bars: 240 training and 40 test images that a LeNet learns in two epochs."""
    rng = np.random.default_rng(0)

    def part(n):
        labels = np.arange(n) % 10
        images = rng.integers(0, 60, (n, 1, size, size))
        for image, label in zip(images, labels, strict=True):
            image[0, 4 : size - 4, 3 + 2 * label : 6 + 2 * label] = 230
        return images.astype(np.uint8), labels.astype(np.int64)

    return data.Loaded("mnist", *part(240), *part(40), classes=tuple("0123456789"), mean=(0.2,), std=(0.3,))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The test's own working folder, and the tiny data set under the name mnist."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda name, limit=None: tiny_dataset())
    return tmp_path


def trained_in(folder: Path, command: list[str]) -> Path:
    """`folder`, where `gpunn train ...` has left its run of the tiny data set: trained once, for many tests to copy."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(data, "load", lambda name, limit=None: tiny_dataset())
        assert main(command) == 0
    return folder
