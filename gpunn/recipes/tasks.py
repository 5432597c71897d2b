"""What networks are trained for: the loss, what tells good weights from bad ones, and the data that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce, wraps
from operator import add
from typing import Any

import numpy as np

from gpunn import backend, data, models, nn, ops, train
from gpunn.data.augment import RandomCrop, RandomHorizontalFlip, WithMasks
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import data_of
from gpunn.errors import UsageError
from gpunn.models.unet import middle
from gpunn.recipes.config import Config
from gpunn.recipes.recipe import Recipe

# What a recipe may say of whole images and their classes alone.
OF_CLASSES = ("label_smoothing", "mixup", "test_flips", "ensemble")
# And of a loss, where the network does not say its own.
OF_LOSS = ("loss", "class_weights", "label_smoothing", "mixup")


class Task:
    """To name whole images; the base class of the other tasks.

    `metrics` are measured beside the loss; by one of these, or the "loss", `monitor`, the best epoch is chosen, and
    networks are compared.
    """

    words = "names whole images"
    monitor, mode = "accuracy", "max"
    refused: tuple[str, ...] = ("loss",)  # keys of a recipe that mean nothing here
    as_they_are = False  # images from 0 to 1 and never varied, unless the recipe says so
    of_classes = True  # data has to have at least two, and the same ones again

    @property
    def metrics(self) -> dict[str, Callable]:
        """Functions of the network's output and the target, by name."""
        return {"accuracy": train.accuracy}

    def check(self, dataset: data.Loaded, config: Recipe) -> None:
        """UsageError for data of another kind, and for keys of the recipe that mean nothing here."""
        own = dict.fromkeys(OF_LOSS if models.has_loss(config.model) else (), "has a loss of its own")
        for key, why in {**own, **dict.fromkeys(self.refused, self.words)}.items():
            value = getattr(config, key)
            if value != getattr(Recipe, key):
                raise UsageError(f"train: {config.model} {why}: {key} = {value!r} is not for it; leave it away")
        self.check_labels(dataset, config.model)
        given, known = config.class_weights, len(dataset.classes)
        if given is not None and "cross_entropy" not in config.loss:
            raise UsageError(
                f"train: class_weights are of cross_entropy, which loss = {config.loss!r} is without; leave them away, "
                'or take "cross_entropy+dice"'
            )
        if given is not None and len(given) != known:
            raise UsageError(
                f"train: class_weights has {len(given)} numbers, {dataset.name} has {known} classes "
                f"({', '.join(dataset.classes)}); give one for each"
            )

    def check_labels(self, dataset: data.Loaded, model: str, command: str = "train") -> None:
        """UsageError for labels of another kind."""
        if dataset.train_labels.ndim != 1:
            raise UsageError(
                f"{command}: {model} {self.words}, but {dataset.name} has a label for each pixel; "
                f"choose from {', '.join(models.names('segmentation'))}"
            )

    def loss(self, config: Config, model: Any, smoothed: bool = False) -> Callable:
        """The function of the network's output and the target; `smoothed`: with the recipe's label_smoothing."""
        if models.has_loss(config.model):
            return model.loss
        options: dict[str, Any] = {}
        if config.class_weights is not None:
            like = next(model.parameters())
            options["weight"] = backend.asarray(np.array(config.class_weights, like.dtype), device=like.device)
        if smoothed and config.label_smoothing:
            options["label_smoothing"] = config.label_smoothing
        return partial(ops.cross_entropy, **options) if options else ops.cross_entropy

    def measure(self, model: nn.Module) -> str:
        """The monitor in words."""
        return "accuracy"

    def said(self, value: float) -> str:
        """A value of the monitor as text."""
        return f"{value:.2%}" if self.mode == "max" else f"{value:.4g}"

    def account(self, found: Mapping[str, float], model: nn.Module) -> str:
        """All that was measured, in words: `found` as Trainer.evaluate gives it."""
        return f"accuracy {found['accuracy']:.2%}, loss {found['loss']:.4f}"

    def moving(self, steps: list[RandomCrop | RandomHorizontalFlip]) -> list[Callable]:
        """The steps that move pixels, as a loader of this task's images takes them."""
        return list(steps)

    def targets(self) -> list[Callable]:
        """What makes the target of an image that is as the network takes it."""
        return []


class Segmentation(Task):
    """To name each pixel: targets are masks."""

    words = "names each pixel"
    monitor = "iou"
    refused = (*OF_CLASSES, "rotate", "zoom")

    @property
    def metrics(self) -> dict[str, Callable]:
        found = {"iou": train.mean_iou, "dice": train.dice, "accuracy": train.accuracy}
        return {name: _within(metric) for name, metric in found.items()}

    def check_labels(self, dataset: data.Loaded, model: str, command: str = "train") -> None:
        if dataset.train_labels.ndim != 3:
            raise UsageError(
                f"{command}: {model} {self.words}, but {dataset.name} has one label an image; give data with masks, "
                "such as --data shapes"
            )

    def loss(self, config: Config, model: Any, smoothed: bool = False) -> Callable:
        both = {"cross_entropy": super().loss(config, model), "dice": ops.dice_loss}
        parts = [both[name] for name in config.loss.split("+")]

        def loss(scores: Operand, masks: Operand) -> Any:
            of_them = within(scores, masks)
            return reduce(add, [part(scores, of_them) for part in parts])

        return loss

    def measure(self, model: nn.Module) -> str:
        return "mean IoU"

    def account(self, found: Mapping[str, float], model: nn.Module) -> str:
        of_pixels = super().account(found, model)
        return f"mean IoU {found['iou']:.2%}, mean Dice {found['dice']:.2%}, {of_pixels}"

    def moving(self, steps: list[RandomCrop | RandomHorizontalFlip]) -> list[Callable]:
        return [WithMasks(*steps)] if steps else []


def within(scores: Operand, masks: Any) -> Any:
    """The middle of masks (N, H, W) that scores (N, C, P, Q) speak of: unpadded convolutions leave a border out."""
    return middle(masks, data_of(scores).shape[2:])


def _within(metric: Callable) -> Callable:
    """The metric of what the scores speak of, in both forms that a Trainer takes."""

    @wraps(metric)
    def measure(scores: Operand, masks: Operand) -> float:
        return metric(scores, within(scores, masks))

    def share(scores: Operand, masks: Operand, ignored: int) -> Any:
        return metric.share(scores, within(scores, masks), ignored)  # type: ignore[attr-defined]

    measure.share = share  # type: ignore[attr-defined]
    return measure


class Reconstruction(Task):
    """To give the image itself back: the network says its own loss."""

    words = "gives its images back"
    monitor, mode = "loss", "min"
    refused = OF_CLASSES
    as_they_are = True
    of_classes = False

    @property
    def metrics(self) -> dict[str, Callable]:
        return {"mse": train.mean_squared_error}

    def check_labels(self, dataset: data.Loaded, model: str, command: str = "train") -> None:
        """Labels are not looked at."""

    def measure(self, model: Any) -> str:
        return model.loss_name

    def account(self, found: Mapping[str, float], model: nn.Module) -> str:
        of_loss, of_pixels = f"{self.measure(model)} {self.said(found['loss'])}", found["mse"]
        alike = self.measure(model) == "mean squared error"
        return of_loss if alike else f"{of_loss}, mean squared error {of_pixels:.4g}"

    def targets(self) -> list[Callable]:
        return [_itself]


def _itself(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return images, images


_TASKS = {"classification": Task(), "segmentation": Segmentation(), "reconstruction": Reconstruction()}


def task_of(model: str) -> Task:
    """The task of the network of that name."""
    return _TASKS[models.task(model)]
