"""Finding a run or a weights file, and the network in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gpunn import backend, files, nn, train
from gpunn.errors import CheckpointError, UsageError
from gpunn.nn.parameter import at_most
from gpunn.recipes.config import Config
from gpunn.train.checkpoint import put_weights, weights_in

ROOT = Path("runs")


def weights_of(target: str | None) -> Path:
    """The weights file that ``target`` stands for: itself, or the best weights of a run folder, or of the last run."""
    path = Path(target) if target else latest()
    if not path.exists():
        raise UsageError(f"{path} does not exist; give a run folder such as {ROOT}/<time>, or a weights file")
    if not path.is_dir():
        return path
    if is_ensemble(path):
        raise UsageError(f"{path} holds an ensemble; give one of its networks, such as {member_folders(path, 1)[0]}")
    if (path / "best.npz").exists():
        return path / "best.npz"
    if (path / "checkpoint.npz").exists():
        if not train.has_begun(path):
            raise CheckpointError(f"{path} has not trained a step yet; go on with: gpunn train --resume {path}")
        return path / "checkpoint.npz"
    raise CheckpointError(
        f"{path} holds no best.npz and no checkpoint.npz; give the folder of a run with a finished epoch"
    )


def latest() -> Path:
    """The newest run in ``runs/``."""
    found = [best for pattern in ("*", "*/member-1") for best in ROOT.glob(f"{pattern}/best.npz")]
    if not found:
        raise UsageError(f"there is no finished epoch in {ROOT}/; train first: gpunn train lenet5")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    return ROOT / newest.relative_to(ROOT).parts[0]


def member_folders(ensemble: Path, count: int) -> list[Path]:
    """The run folders of an ensemble's networks."""
    return [ensemble / f"member-{number}" for number in range(1, count + 1)]


def is_ensemble(folder: Path) -> bool:
    """Whether this is the folder of an ensemble."""
    return member_folders(folder, 1)[0].is_dir()


def epochs_done(folder: Path) -> int:
    """How many epochs a run has finished; of an ensemble, the network that has most."""
    histories = [folder / "history.csv", *folder.glob("member-*/history.csv")]
    return max((_rows(path) for path in histories), default=0)


def _rows(table: Path) -> int:
    """How many lines stand under the first; 0 where there is no table."""
    try:
        with files.reading(table) as file:
            return max(file.read().count(b"\n") - 1, 0)
    except OSError:
        return 0


def trained_members(ensemble: Path) -> list[Path]:
    """The run folders of an ensemble's networks. CheckpointError where one of them has not finished an epoch."""
    folders = member_folders(ensemble, Config.read(ensemble).ensemble)
    missing = [folder.name for folder in folders if not (folder / "best.npz").exists()]
    if missing:
        raise CheckpointError(
            f"{ensemble} lacks the weights of {', '.join(missing)}; train them with: gpunn train --resume {ensemble}"
        )
    return folders


def load_predictor(target: str | None, device: backend.Device) -> tuple[str, list[nn.Module], Config]:
    """The trained networks that decide together, one for a plain run, what they are called, and how they were trained.

    ``target`` is what `weights_of` takes, or the folder of an ensemble.
    """
    path = Path(target) if target else latest()
    if not is_ensemble(path):
        weights = weights_of(str(path))
        model, config = load_model(weights, device)
        return str(weights), [model], config
    networks = [load_model(folder / "best.npz", device)[0] for folder in trained_members(path)]
    return str(path), networks, Config.read(path)


def load_model(weights: Path, device: backend.Device, dtype: np.dtype | None = None) -> tuple[nn.Module, Config]:
    """The trained network on ``device``, ready for evaluation, and how it was trained."""
    state = train.load_checkpoint(weights)
    config = Config.of(state.get("info"), weights)
    saved = weights_in(state, str(weights), finite=True)
    try:
        # No larger than what is in the file, and without first values that its weights replace: what the memory held
        # may be no number of the run's dtype.
        size = sum(array.size for array in saved.values())
        with at_most(size), nn.init.skip(), np.errstate(invalid="ignore", over="ignore"):
            model = config.build(dtype or config.dtype)
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{weights} is of no network that its options make: {config.model}: {error}; use another weights file"
        ) from error
    put_weights(model, saved, weights)
    model.to(device)
    return model.eval(), config
