"""The good files that are mutated."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np

import gpunn
from bench.output import results
from gpunn import data, models, seals, train
from gpunn.cli import main
from tests.bench.runs import counted_file, timed_file
from tests.data import cifar_sets
from tests.data.test_cifar_jpeg import pack
from tests.hostile.formats import use_cubin, use_decoded
from tests.serialization.test_hostile import tensor


def make_good(root: Path) -> None:
    """The good folders, under `root`."""
    for name in ("binary", "python", "archive", "jpeg", "images", "bench", "weights", "idx", "mnist", "cache",
                 "pytorch"):  # fmt: skip
        (root / name).mkdir()
    shutil.copytree(cifar_sets.put(root / "t", "cifar-10-batches-bin"), root / "binary", dirs_exist_ok=True)
    shutil.copytree(cifar_sets.put(root / "t", "cifar-10-batches-py"), root / "python", dirs_exist_ok=True)
    cifar_sets.put_archive(root / "archive", "cifar-10-batches-bin")
    shutil.rmtree(root / "t")
    pack(root / "jpeg" / "cifar10_jpeg.npz")
    (root / "bench" / "a.json").write_text(json.dumps(timed_file()))
    (root / "bench" / "b.json").write_text(json.dumps(counted_file()))
    shutil.copy(next(Path(results.__file__).parents[1].glob("results/cpu-*.json")), root / "bench" / "cpu.json")
    models.save_safetensors(models.create("lenet5"), root / "weights" / "w.safetensors")
    tree = {"model": models.create("lenet5").state_dict(), "epoch": 3, "rates": [0.1, (1, 2**40)], "a": np.ones((2, 3))}
    gpunn.save(tree, root / "pytorch" / "w.pt")
    (root / "pytorch" / "old.pt").write_bytes(older_file())
    images = np.arange(3 * 784, dtype=np.uint8)
    idx = struct.pack(">HBB3I", 0, 8, 3, 3, 28, 28) + images.tobytes()
    (root / "idx" / "images").write_bytes(idx)
    labels = struct.pack(">HBBI", 0, 8, 1, 3) + bytes(3)
    for part in ("train", "t10k"):
        (root / "mnist" / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
        (root / "mnist" / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    from PIL import Image

    for name, suffix in (("a", "png"), ("b", "jpg")):
        (root / "images" / name).mkdir()
        for i in range(3):
            pixels = np.random.default_rng(i).integers(0, 256, (40, 50, 3), np.uint8)
            Image.fromarray(pixels).save(root / "images" / name / f"{i}.{suffix}")


def older_file() -> bytes:
    """A tensor as PyTorch wrote one before 1.6: five pickles, and its storage."""
    numbers = struct.pack("<6f", *range(6))
    known = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    plain = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, known)]
    return b"".join([*plain, tensor(6, 0, (2, 3), (3, 1)), pickle.dumps(["0"], 2), struct.pack("<q", 6), numbers])


def make_runs(root: Path) -> None:
    """A run of everything that a checkpoint can hold, and an ensemble; where the tiny data set is MNIST."""
    from PIL import Image

    (root / "runs").mkdir()
    (root / "my.toml").write_text(
        'model = "lenet5"\nepochs = 1\nbatch_size = 50\noptimizer = "adam"\nschedule = "one_cycle"\nema = 0.9\n'
        "accumulate = 2\npatience = 9\nmixup = 0.2\nrotate = 5\ntest_flips = true\nseed = 4\n"
    )
    assert main(["train", "--recipe", str(root / "my.toml"), "--out", str(root / "runs" / "run")]) == 0
    assert main(["train", "mlp", "--model-option", "hidden=[4]", "--epochs", "1", "--ensemble", "2", "--out",
                 str(root / "runs" / "both")]) == 0  # fmt: skip
    Image.fromarray(255 - np.eye(28, dtype=np.uint8) * 200).save(root / "runs" / "x.png")
    assert train.load_checkpoint(root / "runs" / "run" / "checkpoint.npz")["callbacks"]


def make_cache(folder: Path) -> None:
    use_decoded(folder)
    use_cubin(folder)
    data.load_digits(30, 10)
    seals.say.cache_clear()
