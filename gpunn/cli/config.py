"""What a run writes about itself, so that evaluating, predicting and resuming need no options repeated."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from gpunn import models, nn
from gpunn.errors import CheckpointError
from gpunn.train.checkpoint import write_atomically

FILE = "config.json"


@dataclass(frozen=True)
class Config:
    """A run: its network, its data and its options. Kept as config.json and, as ``info``, in every weights file."""

    model: str
    data: str
    device: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: str
    precision: str
    seed: int
    limit: int | None
    shift: int
    flip: bool
    classes: tuple[str, ...]
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    gpunn: str

    def write(self, folder: Path) -> None:
        """Write config.json into the run folder."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        write_atomically(folder / FILE, lambda file: file.write(text.encode()), "config")

    @classmethod
    def of(cls, saved: Any, path: Path) -> Config:
        """The configuration from its dict. Raises CheckpointError, naming ``path``, for anything else."""
        names = {field.name for field in fields(cls)}
        if not isinstance(saved, dict) or not names <= saved.keys():
            lacking = sorted(names - set(saved)) if isinstance(saved, dict) else sorted(names)
            raise CheckpointError(
                f"{path} does not say how it was trained (it lacks {', '.join(lacking)}); "
                "use a run folder or a weights file that `gpunn train` wrote"
            )
        values: dict[str, Any] = {name: saved[name] for name in names}
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**values)

    @classmethod
    def read(cls, folder: Path) -> Config:
        """The configuration of a run folder. Raises CheckpointError where there is none."""
        path = folder / FILE
        try:
            saved = json.loads(path.read_bytes())
        except OSError as error:
            raise CheckpointError(f"{folder} is no run folder: {FILE} cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise CheckpointError(f"{path} is damaged ({error}); use a weights file of the run instead") from error
        return cls.of(saved, path)

    def build(self, dtype: np.dtype) -> nn.Module:
        """The network with new weights."""
        model = models.create(self.model, len(self.classes), self.channels)
        return model.to(dtype)
