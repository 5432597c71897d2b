"""Images as a network takes them."""

from __future__ import annotations

import numpy as np

from gpunn import data
from gpunn.cli import main
from tests.tiny_runs import tiny_dataset


def test_images_that_are_not_square_are_named_with_both_sides(here, capsys, monkeypatch):
    oblong = tiny_dataset(28)
    parts = {part: np.zeros((40, 1, 30, 40), np.uint8) for part in ("train", "test")}
    labels = {part: oblong.test_labels for part in ("train_labels", "test_labels")}
    for name, words in [
        ("folder:pets", "folder:pets has 30x40; scale them with --data folder:pets@28, or choose from alexnet, resnet"),
        ("folder:pets@40", "has 30x40; scale them with --data folder:pets@28"),
        ("mnist", "lenet5 takes 28x28 images, mnist has 30x40; choose from"),
    ]:
        monkeypatch.setattr(
            data, "load", lambda n, limit=None: data.Loaded(**{**vars(oblong), **parts, **labels, "name": n})
        )
        assert main(["train", "lenet5", "--data", name]) == 2
        assert words.replace("alexnet, ", "") in capsys.readouterr().err.replace("alexnet, ", "")
