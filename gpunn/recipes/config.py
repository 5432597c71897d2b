"""What a run writes about itself, so that evaluating, predicting and resuming need no options repeated."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from gpunn import models, nn, train
from gpunn.errors import CheckpointError
from gpunn.recipes.recipe import Recipe
from gpunn.train.checkpoint import write_atomically

FILE = "config.json"
# Keys that came later: a run of before was trained with what the recipe's defaults say.
_LATER = {f.name for f in fields(Recipe)} - {
    *("model", "data", "epochs", "batch_size", "lr", "optimizer", "precision", "seed", "limit", "shift", "flip")
}


@dataclass(frozen=True, kw_only=True)
class Config(Recipe):
    """A run: its recipe with nothing left open, and its data. Kept as config.json and in every weights file."""

    device: str
    classes: tuple[str, ...]
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    gpunn: str

    def write(self, folder: Path) -> None:
        """Write config.json and recipe.toml into the run folder."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        write_atomically(folder / FILE, lambda file: file.write(text.encode()), "config")
        self.write_recipe(folder)

    @classmethod
    def of(cls, saved: Any, path: Path) -> Config:
        """The configuration from its dict. Raises CheckpointError, naming ``path``, for anything else."""
        names = {field.name for field in fields(cls)}
        lacking = sorted(names - _LATER - (saved.keys() if isinstance(saved, dict) else set()))
        if not isinstance(saved, dict) or lacking:
            raise CheckpointError(
                f"{path} does not say how it was trained (it lacks {', '.join(lacking)}); "
                "use a run folder or a weights file that `gpunn train` wrote"
            )
        values: dict[str, Any] = {name: saved[name] for name in names if name in saved}
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**values)

    @classmethod
    def read(cls, folder: Path) -> Config:
        """The configuration of a run folder. Raises CheckpointError where there is none."""
        path = folder / FILE
        try:
            saved = json.loads(path.read_bytes())
        except OSError as error:
            raise CheckpointError(
                f"{folder} is no run folder: {FILE} cannot be read ({error.strerror}); "
                f"start a run there with: gpunn train NAME --out {folder}"
            ) from error
        except ValueError as error:
            raise CheckpointError(f"{path} is damaged ({error}); use a weights file of the run instead") from error
        return cls.of(saved, path)

    @property
    def dtype(self) -> np.dtype:
        """What the run computed in."""
        return np.dtype(self.precision.replace("fp", "float"))

    def conditions(self) -> str:
        """How test images are looked at, in words behind a comma; or nothing."""
        return ", mirror images averaged" if self.test_flips else ""

    def tested(self, model: nn.Module) -> nn.Module:
        """The network as test images are shown to it."""
        return train.MirrorAveraged(model) if self.test_flips else model

    def build(self, dtype: np.dtype) -> nn.Module:
        """The network with new weights."""
        model = models.create(self.model, len(self.classes), self.channels, **self.model_options or {})
        return model.to(dtype)
