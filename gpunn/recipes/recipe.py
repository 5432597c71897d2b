"""Recipes: how a network is trained, as a TOML file of keys; the shipped ones, and which network takes which."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gpunn import limits
from gpunn.errors import UsageError, suggestion, unknown_name
from gpunn.kinds import SWITCH, Kind, choice, number, whole
from gpunn.text import brief, plain
from gpunn.train.checkpoint import write_atomically

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "recipe.toml"
SHIPPED = Path(__file__).parent
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("constant", "linear", "cosine", "steps", "one_cycle")
LOSSES = ("cross_entropy", "dice", "cross_entropy+dice")
# A network's own recipe; options and a recipe file come before it.
RECIPES = {
    **dict.fromkeys(["mlp", "lenet5"], "lenet"),
    "lenet5_1998": "lenet5_1998",
    "lenet_20_50_500": "lenet_20_50_500",
    "alexnet_lite": "alexnet_lite",
    **dict.fromkeys(["resnet20", "resnet32", "resnet44", "resnet56", "resnet110"], "cifar_resnet"),
    **dict.fromkeys(["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"], "batch_norm"),
    **dict.fromkeys(["vgg11_bn", "vgg16_bn", "inception_v4"], "batch_norm"),
    **dict.fromkeys(["alexnet", "vgg11", "vgg16"], "no_batch_norm"),
    "unet": "unet",
    **dict.fromkeys(["autoencoder", "conv_autoencoder", "linear_autoencoder", "denoising_autoencoder"], "autoencoder"),
    **dict.fromkeys(["sparse_autoencoder", "vae"], "autoencoder"),
}


WORD = Kind("a word in quotes", lambda v: isinstance(v, str) and 0 < len(v) <= limits.PATH)
ABOVE_0 = number("a number above 0", lambda v: v > 0)
FROM_0 = number("a number of at least 0", lambda v: v >= 0)
BELOW_1 = number("a number of at least 0 and below 1", lambda v: 0 <= v < 1)
SHARE = number("a number from 0 to 1", lambda v: 0 <= v <= 1)
SHARES = Kind(
    "a list of rising numbers between 0 and 1, such as [0.5, 0.75]",
    lambda v: isinstance(v, list) and bool(v) and all(ABOVE_0.holds(x) and x < 1 for x in v) and v == sorted(set(v)),
)
WEIGHTS = Kind(
    "a list of numbers of at least 0, one of them above, such as [0.2, 1.0, 1.0]",
    lambda v: isinstance(v, list) and all(map(FROM_0.holds, v)) and any(v),
)
TABLE = Kind("a table, such as { partial = true }", lambda v: isinstance(v, dict))
COUNT, NATURAL = whole(1, limits.COUNT), whole(0, limits.COUNT)


def key(kind: Kind, default: Any) -> Any:
    """A recipe's key: what its value must be, and what it is where the recipe has none."""
    return field(default=default, metadata={"kind": kind})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The keys of a recipe. None: left to the network, the optimiser or the data."""

    model: str = key(WORD, "")
    model_options: Mapping[str, Any] | None = key(TABLE, None)  # as `gpunn.models.create` takes them
    data: str = key(WORD, "mnist")
    limit: int | None = key(COUNT, None)  # training images
    epochs: int = key(COUNT, 15)
    batch_size: int = key(COUNT, 64)
    precision: str = key(WORD, "fp32")
    seed: int = key(whole(0, limits.SEED), 0)

    optimizer: str = key(choice(*OPTIMIZERS), "sgd")
    lr: float = key(ABOVE_0, 0.05)  # of the first epoch; one_cycle: the highest
    momentum: float = key(BELOW_1, 0.9)  # sgd
    nesterov: bool = key(SWITCH, False)  # sgd
    weight_decay: float | None = key(FROM_0, None)  # sgd 5e-4, adamw 0.01, else 0
    accumulate: int = key(COUNT, 1)  # batches an update
    grad_clip: float | None = key(ABOVE_0, None)  # limit of the gradients' common norm

    schedule: str = key(choice(*SCHEDULES), "linear")
    schedule_epochs: int | None = key(COUNT, None)  # that it is made for, where a resumed run got more or fewer
    last: float = key(SHARE, 0.01)  # linear: share of the rate in the last epoch
    milestones: tuple[float, ...] = key(SHARES, (0.5, 0.75))  # steps: shares of the epochs
    gamma: float = key(ABOVE_0, 0.1)  # steps: factor at each milestone
    rise: float = key(BELOW_1, 0.3)  # one_cycle: share of the updates in which the rate rises

    loss: str = key(choice(*LOSSES), "cross_entropy")  # of networks that name each pixel
    class_weights: tuple[float, ...] | None = key(WEIGHTS, None)  # a factor for each class, of cross_entropy
    label_smoothing: float = key(BELOW_1, 0.0)
    ema: float = key(BELOW_1, 0.0)  # decay of the weights' moving average, an update; 0: none
    patience: int = key(NATURAL, 0)  # epochs without a better val_loss after which to stop; 0: never

    shift: int | None = key(whole(0, limits.SHIFT), None)  # pixels; colour images 4, grey ones 1
    flip: bool | None = key(SWITCH, None)  # left-right; colour images true, grey ones false
    rotate: float = key(number("a number from 0 to 360", lambda v: 0 <= v <= 360), 0.0)  # degrees either way
    zoom: float = key(BELOW_1, 0.0)  # 0.1: by 0.9 to 1.1
    cutout: int = key(whole(0, limits.IMAGE_SIDE), 0)  # side of the hole in pixels
    mixup: float = key(FROM_0, 0.0)  # alpha of the Beta distribution

    test_flips: bool = key(SWITCH, False)  # test each image beside its mirror image
    ensemble: int = key(whole(1, limits.MEMBERS), 1)  # networks, of seed, seed + 1, ...
    bagging: bool = key(SWITCH, False)  # each network draws its training images with replacement

    def write_recipe(self, folder: Path, device: str = "cpu") -> None:
        """Write recipe.toml into the run folder: `gpunn train --recipe` of it is the same run, on the same device."""
        values = asdict(self)
        lines = [
            f"{name} = {_toml(values[name])}" for name in (f.name for f in fields(Recipe)) if values[name] is not None
        ]
        where = "" if device == "cpu" else f" --device {device}"
        text = "\n".join([f"# This run again: gpunn train --recipe <this file>{where}", *lines, ""])
        write_atomically(folder / FILE, lambda file: file.write(text.encode("utf-8", "surrogateescape")), "recipe")


KINDS: dict[str, Kind] = {f.name: f.metadata["kind"] for f in fields(Recipe)}


def _toml(value: Any) -> str:
    """A value as TOML writes it: as JSON does, but for tables."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(one)}' for name, one in value.items())} }}"
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")  # which TOML does not take as it is


def toml_value(text: str) -> Any:
    """What `text` is after "=" in a TOML file, or itself where it is nothing there: a word without quotes."""
    try:
        return _parsed(f"value = {text}")["value"]
    except ValueError:
        return text


def _parsed(text: str) -> dict[str, Any]:
    """What a TOML file holds. ValueError where it is none, is long or nests deep: its parser takes quadratic time."""
    if len(text) > limits.RECIPE_BYTES:
        raise ValueError(f"it has more than {limits.RECIPE_BYTES:,} characters")
    if any(part.count(".") > limits.DEPTH for part in re.split(r"[=,{}\[\]\n]", text)):
        raise ValueError(f"a key has more than {limits.DEPTH} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def shipped() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def own_recipe(model: str) -> Path:
    """The shipped recipe of a network, whatever lies in the working folder under its name."""
    return SHIPPED / f"{RECIPES[model]}.toml"


def recipe_file(text: str) -> Path:
    """The file that `--recipe` names: a path, a run folder, or a shipped recipe's name."""
    path = Path(text)
    if (path / FILE).is_file() or (path.is_dir() and text not in shipped()):
        return path / FILE
    if path.suffix == ".toml" or path.is_file() or len(path.parts) > 1:
        return path
    if text not in shipped():
        raise unknown_name("recipe", text, [*shipped(), "or a file, such as my.toml"])
    return SHIPPED / f"{text}.toml"


def read_recipe(path: Path) -> dict[str, Any]:
    """The keys of a recipe file, checked. UsageError names the file and the key."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:  # as a path in it may have been
            values = _parsed(file.read(limits.RECIPE_BYTES + 1))
    except OSError as error:
        raise UsageError(f"recipe {path} cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise UsageError(f"recipe {path} is no TOML file ({plain(str(error))}); mend the line") from error
    return {name: _checked(path, name, value) for name, value in values.items()}


def _checked(path: Path, name: str, value: Any) -> Any:
    if name not in KINDS:
        raise unknown_name(f"key in recipe {path}:", plain(name), KINDS)
    kind = KINDS[name]
    if not kind.holds(value):
        hint = suggestion(value, kind.words.removeprefix("one of ").split(", "), 0.6) if isinstance(value, str) else ""
        raise UsageError(f"recipe {path}: {name} is {brief(value)}, expected {kind.words}{hint}")
    if isinstance(value, list):
        return tuple(map(float, value))
    default = Recipe.__dataclass_fields__[name].type
    return float(value) if str(default).startswith("float") else value
