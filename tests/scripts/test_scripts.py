"""The commonest kinds of PyTorch scripts: one text under both libraries, its import lines exchanged, to one result."""

import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.scripts.running import HERE, exchanged, losses

NAMES = sorted(path.stem for path in HERE.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_pytorchs(name, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    if name == "mnist":
        digits(tmp_path / "data")
    monkeypatch.setitem(sys.modules, "torchvision", torchvision())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = (np.array(losses(name, which, tmp_path)) for which in (False, True))
    assert len(ours) == len(theirs) >= 20
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    assert theirs.std() > 0


def test_import_lines_alone_are_exchanged():
    for name in NAMES:
        text = (HERE / f"{name}.py").read_text()
        before, after = text.splitlines(), exchanged(text).splitlines()
        changed = [a for a, b in zip(before, after, strict=True) if a != b]
        assert changed and all(line.startswith(("import torch", "from torch")) for line in changed)


def digits(root: Path) -> None:
    """MNIST's four files, as torchvision keeps them, with 160 and 100 images."""
    from gpunn import data
    from tests.data.test_idx import idx

    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    made = data.load("digits", limit=160)
    for name, images, labels in (("train", made.train[:160, 0], made.train_labels[:160]),
                                 ("t10k", made.test[:100, 0], made.test_labels[:100])):  # fmt: skip
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images.shape, values=images.tobytes()))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels.shape, values=labels.astype(np.uint8).tobytes()))


def torchvision() -> types.ModuleType:
    """As much of torchvision as the scripts ask for, on PyTorch's side."""
    import torch

    from gpunn.data import read_idx

    class MNIST(torch.utils.data.Dataset):
        def __init__(self, root, train=True, download=False, transform=None):
            folder, name = Path(root) / "MNIST" / "raw", "train" if train else "t10k"
            self.images = read_idx(folder / f"{name}-images-idx3-ubyte")
            self.labels, self.transform = read_idx(folder / f"{name}-labels-idx1-ubyte"), transform

        def __len__(self):
            return len(self.images)

        def __getitem__(self, i):
            return self.transform(self.images[i][:, :, None]), int(self.labels[i])

    def to_tensor():
        return lambda image: torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255

    def normalize(mean, std):
        shape = -1, 1, 1
        return lambda x: (x - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)

    def compose(steps):
        def call(x):
            for step in steps:
                x = step(x)
            return x

        return call

    made = types.ModuleType("torchvision")
    made.datasets = types.SimpleNamespace(MNIST=MNIST)
    made.transforms = types.SimpleNamespace(Compose=compose, ToTensor=to_tensor, Normalize=normalize)
    return made
