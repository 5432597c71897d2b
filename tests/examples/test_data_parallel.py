"""The example of data parallel training, started by the line that it names: the same network on one rank and on two."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import gpunn
from gpunn import models
from tests.data.test_idx import idx
from tests.dist.mpi import needs_mpi
from tests.examples.test_examples import EXAMPLES
from tests.tiny_runs import tiny_dataset

SCRIPT = next(path for path in EXAMPLES if path.stem == "data_parallel")


def put(folder):
    """The tiny data set as MNIST's files."""
    tiny, folder = tiny_dataset(), folder / "mnist"
    folder.mkdir()
    for name, images, labels in (
        ("train", tiny.train, tiny.train_labels),
        ("t10k", tiny.test, tiny.test_labels),
    ):
        images_of, labels_of = (folder / f"{name}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        images_of.write_bytes(idx((len(images), 28, 28), values=images.tobytes()))
        labels_of.write_bytes(idx((len(labels),), values=labels.astype(np.uint8).tobytes()))


def ran(command, folder, data):
    """The last epoch's accuracy, as it is said, and the weights that were saved."""
    command = [*command, str(SCRIPT), "--epochs", "8", "--out", str(folder / "lenet5.pt")]
    settings = {"GPUNN_DATA": str(data), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, env={**os.environ, **settings})
    assert done.returncode == 0, done.stderr[-4000:]
    lines = re.findall(r"epoch (\d): test accuracy (\S+)% after", done.stdout)
    assert [epoch for epoch, _ in lines] == [*"12345678"], done.stdout + done.stderr  # of rank 0 alone
    return float(lines[-1][1]), gpunn.load(folder / "lenet5.pt")


@pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of two processes: in CI")
def test_two_ranks_learn_what_one_does(tmp_path):
    """Their batches together are its batches, so that the weights differ by the rounding of sums alone."""
    needs_mpi()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    put(tmp_path)
    alone, weights = ran([sys.executable], folders[0], tmp_path)
    together, others = ran([sys.executable, "-m", "gpunn", "launch", "-n", "2"], folders[1], tmp_path)
    assert alone > 50 and abs(alone - together) <= 2.5  # one of 40 images
    assert list(weights) == list(others) == list(models.create("lenet5").state_dict())
    for name, a in weights.items():
        np.testing.assert_allclose(others[name].array, a.array, rtol=0, atol=2e-4, err_msg=name)
