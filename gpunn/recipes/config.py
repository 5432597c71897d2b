"""What a run writes about itself, so that evaluating, predicting and resuming need no options repeated."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from gpunn import limits, models, nn, train
from gpunn.errors import CheckpointError, UsageError
from gpunn.kinds import NUMBER, TEXT, checked, choice, list_of, maybe, read_json, record, text, whole
from gpunn.recipes.device import PRECISIONS, asking, dtype_of, usable_device, weights_dtype
from gpunn.recipes.recipe import ABOVE_0, KINDS, Recipe
from gpunn.train.checkpoint import write_atomically

FILE = "config.json"
# Keys that came later: a run of before was trained with what the recipe's defaults say.
_LATER = {f.name for f in fields(Recipe)} - {
    *("model", "data", "epochs", "batch_size", "lr", "optimizer", "precision", "seed", "limit", "shift", "flip")
}


_RECIPE = {name: maybe(kind) if getattr(Recipe, name) is None else kind for name, kind in KINDS.items()} | {
    "model": choice(*models.names()),
    "precision": choice(*PRECISIONS),
}
_KINDS = {
    "device": TEXT,
    "classes": list_of(text("a class name"), 1, limits.CLASSES),
    "channels": whole(1, limits.CHANNELS),
    "size": whole(1, limits.IMAGE_SIDE),
    "mean": list_of(NUMBER, 1, limits.CHANNELS),
    "std": list_of(ABOVE_0, 1, limits.CHANNELS),
    "gpunn": TEXT,
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
        self.write_recipe(folder, self.device)

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
        remedy = "use another weights file of the run, or train anew"
        checked(record(_KINDS, _RECIPE), saved, CheckpointError, path, remedy)
        values: dict[str, Any] = {name: saved[name] for name in names if name in saved}
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        config = cls(**values)
        if fault := config.fault():
            raise CheckpointError(f"{path}: {fault}; {remedy}")
        return config

    def fault(self) -> str:
        """Where what the run says of its data contradicts itself or its network, in words; or nothing."""
        if not models.takes_size(self.model, self.size, self.model_options):
            return f"size is {self.size}, which {self.model} does not take"
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, self.channels):
                return f"{name} has {len(getattr(self, name))} values for {self.channels} channels"
        return ""

    @classmethod
    def read(cls, folder: Path) -> Config:
        """The configuration of a run folder. Raises CheckpointError where there is none."""
        path = folder / FILE
        try:
            saved = read_json(path, limits.CONFIG_BYTES)
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
        """What its weights and images are."""
        return weights_dtype(self.precision)

    def in_precision(self, name: str | None) -> Config:
        """The configuration in another precision, None: its own. UsageError for one that needs other weights."""
        if name is None or name == self.precision:
            return self
        if dtype_of(name, usable_device(self.device)) != self.dtype:
            raise UsageError(
                f"--precision {name} has weights of {weights_dtype(name)}, the run's are {self.dtype} "
                f"({self.precision}); leave --precision away, or train anew"
            )
        return replace(self, precision=name)

    def asking(self) -> AbstractContextManager:
        """A block in which its precision holds."""
        return asking(self.precision)

    def conditions(self) -> str:
        """How test images are looked at, in words behind a comma; or nothing."""
        averaged = ", mirror images averaged" if self.test_flips else ""
        return averaged if self.precision == "fp32" else f"{averaged}, in {self.precision}"

    def tested(self, model: nn.Module) -> nn.Module:
        """The network as test images are shown to it."""
        return train.MirrorAveraged(model) if self.test_flips else model

    def build(self, dtype: np.dtype) -> nn.Module:
        """The network with new weights. UsageError for options that it does not take."""
        options = dict(self.model_options or {})
        if "image_size" in models.options_of(self.model):
            options.setdefault("image_size", self.size)
        model = models.create(self.model, len(self.classes), self.channels, **options)
        return model.to(dtype)
