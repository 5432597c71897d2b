"""Runs on a device: it makes their batches where it can, and the run is then what it would have been, bit for bit."""

from types import SimpleNamespace

import numpy as np
import pytest

from gpunn import backend, data
from gpunn.cli import main
from gpunn.recipes import batches
from tests import counting
from tests.thinned import one_in
from tests.tiny_runs import tiny_dataset

AUGMENTED = {"shift": 2, "flip": "true", "cutout": 5, "mixup": 0.4, "seed": 3, "batch_size": 50, "epochs": 2}
pytestmark = pytest.mark.usefixtures("device_there")


def run(folder, recipe, device, capsys):
    """The rows of a run's history without its times, its weights, and what it printed."""
    folder.with_suffix(".toml").write_text("".join(f"{name} = {value}\n" for name, value in recipe.items()))
    assert main(["train", "mlp", "--recipe", f"{folder}.toml", "--device", device, "--out", str(folder)]) == 0
    shown = capsys.readouterr()
    rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    timeless = [i for i, name in enumerate(rows[0]) if name not in ("seconds", "images_per_second")]
    with np.load(folder / "last.npz") as kept:
        weights = {name: kept[name].tobytes() for name in kept.files if name.startswith("model/")}
    return [[row[i] for i in timeless] for row in rows], weights, shown.out + shown.err


@pytest.mark.parametrize("device", one_in(2, ["cuda", "emulator"]))
def test_a_run_is_the_same_whoever_makes_its_batches(device, here, capsys, monkeypatch):
    with counting.device_work() as work:
        history, weights, words = run(here / "there", AUGMENTED, device, capsys)
    assert f"on {device}, which makes its batches; run folder" in words
    if device == "cuda":
        # Of 220 training images, and of 20 to validate with; what is captured is launched by its graph from then on.
        assert 0 < work.launches["gather"] < 2 * (5 + 1) and work.launches["graph"]
    monkeypatch.setattr(batches, "host_reason", lambda *_: "it was asked to")
    again, same, words = run(here / "host", AUGMENTED, device, capsys)
    assert "batches are made on the host: it was asked to\n" in words and "makes its" not in words
    assert history == again and weights == same and len(history) == 3 and len(weights) == 6


@pytest.mark.parametrize("device", ["cuda"])
def test_what_a_device_cannot_do_the_host_does_and_says_so(device, here, capsys, look_alike, monkeypatch):
    *_, words = run(here / "turned", {"rotate": 9.0, "epochs": 1, "limit": 60}, "cuda", capsys)
    assert "batches are made on the host: no kernel computes RandomAffine, only RandomCrop, RandomHorizontalFl" in words
    monkeypatch.setattr(look_alike.cuda.runtime, "memGetInfo", lambda: (300_000, 900_000))
    pool = SimpleNamespace(free_bytes=lambda: 0)
    monkeypatch.setattr(look_alike, "get_default_memory_pool", lambda: pool, raising=False)
    config = SimpleNamespace(model="lenet5", size=28, bagging=True, seed=0, batch_size=9, rotate=0, zoom=0, shift=1,
                             flip=False, cutout=0, mixup=0, mean=(0.1,), std=(0.3,))  # fmt: skip
    loader, _ = batches.loaders(tiny_dataset(), config, np.dtype(np.float32), backend.device("cuda"))
    words = "batches are made on the host: the images take 0.000188 GB, more than half of what is free on cuda"
    assert words in capsys.readouterr().err and not loader.is_resident


@pytest.mark.parametrize("device", ["cuda"])
def test_bagging_and_a_lone_last_image(device):
    config = SimpleNamespace(model="resnet20", size=32, bagging=True, seed=5, batch_size=219, rotate=0, zoom=0, shift=1,
                             flip=True, cutout=0, mixup=0, mean=(0.1,), std=(0.3,))  # fmt: skip
    float32 = np.dtype(np.float32)
    pairs = [batches.loaders(tiny_dataset(), config, float32, where) for where in (backend.device(device), None)]
    for there, host in zip(*pairs, strict=True):
        assert there.is_resident and not host.is_resident and there.drop_last == host.drop_last
        for ours, theirs in zip(there, host, strict=True):
            assert [backend.to_numpy(a).tobytes() for a in ours] == [a.tobytes() for a in theirs]
    assert pairs[0][0].drop_last and isinstance(pairs[0][0].dataset, data.Subset)
