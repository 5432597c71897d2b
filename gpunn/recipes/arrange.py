"""Arranging a run: options over a recipe file over the network's own recipe, with the data and the folder it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

import gpunn
from gpunn import data, models, train
from gpunn.data.catalogue import full_name
from gpunn.errors import CheckpointError, UsageError, unknown_name
from gpunn.ranks.group import current
from gpunn.recipes.among import in_turn
from gpunn.recipes.batches import augmentation, check_enough, image_size, load_noted
from gpunn.recipes.building import weight_decay
from gpunn.recipes.config import FILE, Config
from gpunn.recipes.device import dtype_of, usable_device
from gpunn.recipes.folders import ROOT, epochs_done, is_ensemble
from gpunn.recipes.recipe import OPTIMIZERS, Recipe, own_recipe, read_recipe, recipe_file, toml_value
from gpunn.recipes.tasks import task_of
from gpunn.stopping import STOPS, with_words, words_of

# What --resume may change; everything else is the run's own.
CHANGEABLE = ("epochs", "device")
# Other optimisers scale their steps themselves: a recipe's rate is one of its own optimiser.
ADAPTIVE_LR = 1e-3


def load_data(config: Config) -> tuple[Config, data.Loaded]:
    """The run's data, and its configuration with what it keeps of them."""
    dtype_of(config.precision, usable_device(config.device))  # before the data, which may take a while to load
    with in_turn():  # rank 0 may have to download them, for all on its host
        dataset = load_noted(config.data, limit=config.limit)
    check_enough(dataset, config)
    # The data's own name: a run that fell back to other data says so, and is resumed and evaluated on them.
    whole = replace(config, data=dataset.name, weight_decay=weight_decay(config), **_images(config, dataset))
    return whole, dataset


def new_config(options: Mapping[str, Any]) -> Config:
    """The configuration of a new run: the options, then the recipe file, then the network's own recipe.

    `options` are those of `options.add_options`, a recipe's keys with `name` for the model; None: not given.
    """
    given = {f.name: options.get("name" if f.name == "model" else f.name) for f in fields(Recipe)}
    given = {name: value for name, value in given.items() if value is not None}
    file = read_recipe(recipe_file(options["recipe"])) if options["recipe"] is not None else {}
    name = options["name"] or file.get("model")
    if name is None:
        raise UsageError(f"train: which network? choose from {', '.join(models.names())}; try: gpunn train lenet5")
    channels, _, _ = models.input_shape(name)  # first of all: it knows the names
    _take_model_options(given, name)
    if given.get("optimizer", "sgd") not in OPTIMIZERS:
        raise unknown_name("optimizer", given["optimizer"], OPTIMIZERS)
    values = _layered(read_recipe(own_recipe(name)), file, given)
    if values.get("nesterov") and values.get("momentum") == 0:
        raise UsageError("train: nesterov = true needs momentum above 0, the recipe has 0; set momentum = 0.9")
    open_: dict[str, Any] = {"classes": (), "channels": channels, "size": 0, "mean": (), "std": ()}
    if values.get("model_options"):
        _check_model_options(name, values["model_options"])
    return Config(**values, **open_, device=options["device"] or "cpu", gpunn=gpunn.__version__)


def _take_model_options(given: dict[str, Any], model: str) -> None:
    """The texts of --model-option as the table that a recipe has."""
    if given.get("model_options"):
        defaults = models.options_of(model)
        given["model_options"] = {
            name: text if isinstance(defaults.get(name), str) else toml_value(text)
            for name, text in given["model_options"]
        }


def _check_model_options(model: str, options: dict[str, Any]) -> None:
    """UsageError for what the network does not take: before the data, and before there is a folder."""
    known = models.options_of(model)  # classes and channels are not among them: they are the data's
    for name in options:
        if name not in known:
            raise unknown_name(f"option of {model}", name, known)
    try:
        # No image is one too: what the options lead to must still take the data's.
        network, (channels, side, _) = models.create(model, **options).eval(), models.input_shape(model)
        side = models.size_for(model, side, options) or side
        network(np.zeros((0, channels, side, side), np.float32))
    except UsageError:
        raise
    except (ValueError, TypeError) as error:
        raise UsageError(f"train: model option of {model}: {error}") from error


def _layered(*layers: dict[str, Any]) -> dict[str, Any]:
    """The layers' keys, the last layer's first; a layer that changes the optimiser gives up the rate of the other."""
    values: dict[str, Any] = {"optimizer": Recipe.optimizer}
    for layer in layers:
        if layer.get("optimizer", values["optimizer"]) != values["optimizer"]:
            values["lr"] = Recipe.lr if layer["optimizer"] == "sgd" else ADAPTIVE_LR
            values.pop("weight_decay", None)
        options = {**values.get("model_options", {}), **layer.get("model_options", {})}
        values.update(layer, **({"model_options": options} if options else {}))
    return values


def resumed_config(folder: Path, options: Mapping[str, Any]) -> Config:
    """The configuration of the run that goes on. Raises UsageError for an option that would make it another run."""
    config = Config.read(folder)
    given = {key: value for key, value in options.items() if value is not None}
    if "recipe" in given:
        raise UsageError(f"train: --resume goes on by the recipe of the run in {folder}; leave --recipe away")
    if "out" in given and given["out"].resolve() != folder.resolve():
        raise UsageError(f"train: --resume writes on into {folder}; leave --out away")
    given["model"] = given.pop("name", config.model)
    if "data" in given and full_name(given["data"]) == full_name(config.data):  # as typed in this working folder
        given["data"] = config.data
    _take_model_options(given, config.model)
    for key, now in vars(config).items():
        if key in given and key not in CHANGEABLE and given[key] != now:
            names = {"model": "NAME", "model_options": "--model-option"}
            option = names.get(key, f"--{key.replace('_', '-')}")
            raise UsageError(
                f"train: {option} {given[key]} differs from the {now} of the run in {folder}; leave it away, or "
                "start a new run without --resume"
            )
    return _lasting(replace(config, **{key: given[key] for key in CHANGEABLE if key in given}), config, folder)


def _lasting(config: Config, before: Config, folder: Path) -> Config:
    """The configuration, for as many epochs as it now has: its schedule stays that of before, and is recorded so."""
    if config.epochs == before.epochs:
        return config
    done = epochs_done(folder)
    if config.epochs < done:
        raise UsageError(
            f"train: --epochs {config.epochs} is fewer than the {done} that the run in {folder} has done; "
            "give more, or start a new run without --resume"
        )
    return replace(config, schedule_epochs=before.schedule_epochs or before.epochs)


def _images(config: Config, dataset: data.Loaded) -> dict:
    """What the configuration keeps of the data set."""
    channels, plain = dataset.train.shape[1], task_of(config.model).as_they_are
    usual = {"shift": 0, "flip": False} if plain else augmentation(channels)
    return {
        "classes": tuple(dataset.classes),
        "channels": channels,
        "size": image_size(config.model, dataset, config.model_options),
        "mean": (0.0,) * channels if plain else tuple(dataset.mean),
        "std": (1.0,) * channels if plain else tuple(dataset.std),
        "shift": usual["shift"] if config.shift is None else config.shift,
        "flip": usual["flip"] if config.flip is None else config.flip,
    }


@contextmanager
def run_folder(wanted: Path | None, resume: Path | None) -> Iterator[Path]:
    """The folder of the run, made if missing and held within the block: nothing else trains into it meanwhile.

    Of several ranks rank 0 chooses and holds it.

    UsageError where something does, or where a new run would overwrite one that has begun. Ctrl-C or SIGTERM within
    the block says how to go on.
    """
    group = current()
    out = resume or wanted or (train.new_run_folder(ROOT) if group.rank == 0 else Path())
    out = Path(group.exchange(str(out))[0])
    try:
        with train.alone_in(out) if group.rank == 0 else nullcontext():
            if group.client is not None and group.rank == 0:
                group.client.put("run", str(out))
            if group.rank == 0 and resume is None and (train.has_begun(out) or is_ensemble(out)):
                words = f"go on with --resume {out}, or choose another --out"
                raise UsageError(f"train: {out} already holds a run; {words}")
            yield out
    except CheckpointError as error:
        if isinstance(error.__cause__, OSError) and (out / FILE).exists():  # a full disk, for example
            raise CheckpointError(f"{error}; then {_advice(out)}") from error
        raise
    except STOPS as stop:
        saved = words_of(stop).partition("; go on")[0]  # the trainer's account, without its advice for programs
        raise with_words(stop, f"{saved}; {_advice(out)}") from None


def _advice(out: Path) -> str:
    """How to go on with a run, on as many ranks as here."""
    group = current()
    if group.local_size < group.size:
        return f"go on with: gpunn train --resume {out}, started as {group.size} ranks as before"
    return f"go on with: gpunn {f'launch -n {group.size} ' if group.size > 1 else ''}train --resume {out}"
