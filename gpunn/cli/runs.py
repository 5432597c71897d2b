"""Finding a run or a weights file, and the network in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gpunn import backend, nn, train
from gpunn.cli.config import Config
from gpunn.errors import CheckpointError, UsageError

ROOT = Path("runs")


def weights_of(target: str | None) -> Path:
    """The weights file that ``target`` stands for: itself, or the best weights of a run folder, or of the last run."""
    path = Path(target) if target else latest()
    if not path.exists():
        raise UsageError(f"{path} does not exist; give a run folder such as {ROOT}/<time>, or a weights file")
    if not path.is_dir():
        return path
    for name in ("best.npz", "checkpoint.npz"):
        if (path / name).exists():
            return path / name
    raise CheckpointError(f"{path} holds no best.npz and no checkpoint.npz; give the folder of a run")


def latest() -> Path:
    """The newest run in ``runs/``."""
    found = [path for path in ROOT.glob("*") if (path / "best.npz").exists()]
    if not found:
        raise UsageError(f"there is no finished epoch in {ROOT}/; train first: gpunn train lenet5")
    return max(found, key=lambda path: (path / "best.npz").stat().st_mtime)


def load_model(weights: Path, device: backend.Device, dtype: np.dtype | None = None) -> tuple[nn.Module, Config]:
    """The trained network on ``device``, ready for evaluation, and how it was trained."""
    state = train.load_checkpoint(weights)
    config = Config.of(state.get("info"), weights)
    model = config.build(dtype or np.dtype(config.precision.replace("fp", "float")))
    train.load_weights(weights, model)
    model.to(device)
    return model.eval(), config
