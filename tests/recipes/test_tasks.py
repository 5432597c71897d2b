"""What a recipe may say of networks that do not name whole images, and which data they take."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gpunn import data as sets
from gpunn import models, ops, train
from gpunn.cli import main
from gpunn.errors import UsageError
from gpunn.recipes.batches import check_enough, check_fits
from gpunn.recipes.config import Config
from gpunn.recipes.recipe import Recipe
from gpunn.recipes.tasks import task_of, within

REFUSED = [
    ("lenet5", "shapes", "", "lenet5 names whole images, but shapes has a label for each pixel; choose from unet"),
    ("unet", "digits", "", "unet names each pixel, but digits has one label an image; give data with masks, such as "),
    ("unet", "shapes", "label_smoothing = 0.1", "unet names each pixel: label_smoothing = 0.1 is not for it; leave it"),
    ("unet", "shapes", "rotate = 10", "unet names each pixel: rotate = 10.0 is not for it; leave it away"),
    ("unet", "shapes", "ensemble = 2", "unet names each pixel: ensemble = 2 is not for it; leave it away"),
    (
        "unet",
        "shapes",
        "class_weights = [1, 2]",
        "class_weights has 2 numbers, shapes has 3 classes (background, disc, ",
    ),
    (
        "unet",
        "shapes",
        'loss = "dice"\nclass_weights = [1, 2, 3]',
        "class_weights are of cross_entropy, which loss = 'dice' is without; leave them away, or take",
    ),
    ("lenet5", "digits", 'loss = "dice"', "lenet5 names whole images: loss = 'dice' is not for it; leave it away"),
    ("lenet5_1998", "digits", "mixup = 0.2", "lenet5_1998 has a loss of its own: mixup = 0.2 is not for it; leave it"),
]
FILES = [
    ('loss = "dic"', "loss is 'dic', expected one of cross_entropy, dice, cross_entropy+dice; did you mean 'dice'?"),
    ("class_weights = [0, 0]", "class_weights is [0, 0], expected a list of numbers of at least 0, one of them above"),
    ("class_weights = 3", "class_weights is 3, expected a list of numbers of at least 0"),
]


@pytest.fixture(scope="module")
def loaded():
    """Few images of each set, made once."""
    return {name: sets.load(name, limit=20) for name in ("digits", "shapes")}


@pytest.mark.parametrize(("model", "data", "key", "words"), REFUSED)
def test_what_means_nothing_is_refused_before_there_is_a_folder(
    tmp_path, monkeypatch, capsys, loaded, model, data, key, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sets, "load", lambda name, limit=None: loaded[name])
    (tmp_path / "my.toml").write_text(f'model = "{model}"\ndata = "{data}"\nlimit = 20\n{key}\n')
    assert main(["train", "--recipe", "my.toml", "--out", "a"]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("line", "words"), FILES)
def test_values_of_the_new_keys(tmp_path, monkeypatch, capsys, line, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(f'model = "unet"\n{line}\n')
    assert main(["train", "--recipe", "my.toml", "--out", "a"]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def config(**keys):
    about = {"device": "cpu", "classes": ("a", "b", "c"), "channels": 3, "size": 8, "mean": (0,), "std": (1,)}
    return Config(**{"model": "unet", **about, "gpunn": "0", **keys})


def test_losses_of_pixels_add_up_and_know_the_classes_weights():
    rng = np.random.default_rng(0)
    scores, masks = rng.normal(size=(2, 3, 8, 8)), rng.integers(0, 3, (2, 8, 8))
    model = models.create("unet", 3, depth=1, width=1).double()
    task, found = task_of("unet"), {}
    for name in ("cross_entropy", "dice", "cross_entropy+dice"):
        found[name] = float(task.loss(config(loss=name, class_weights=(1.0, 2.0, 0.5)), model)(scores, masks))
    weights = np.array([1.0, 2.0, 0.5])
    assert found["cross_entropy"] == pytest.approx(float(ops.cross_entropy(scores, masks, weights)))
    assert found["dice"] == pytest.approx(float(ops.dice_loss(scores, masks)))
    assert found["cross_entropy+dice"] == pytest.approx(found["cross_entropy"] + found["dice"])


def test_a_smaller_answer_is_of_the_middle():
    masks = np.arange(2 * 6 * 7).reshape(2, 6, 7)
    np.testing.assert_array_equal(within(np.zeros((2, 3, 2, 3)), masks), masks[:, 2:4, 2:5])
    assert within(np.zeros((2, 3, 6, 7)), masks) is masks
    scores = np.zeros((1, 2, 2, 2))
    scores[0, 1] = [[1, 1], [-1, -1]]
    around = np.zeros((1, 4, 4), np.int64)
    around[0, 1, 1:3] = 1
    metrics = task_of("unet").metrics
    assert metrics["accuracy"](scores, around) == 1.0 and metrics["iou"](scores, around) == 1.0


def test_every_key_that_is_refused_is_one():
    for task in map(task_of, models.names()):
        assert set(task.refused) <= set(vars(Recipe(model="unet")))
    assert {models.task(name) for name in models.names()} >= {"classification", "segmentation"}
    assert re.match("names", task_of("unet").words) and task_of("lenet5").metrics["accuracy"] is train.accuracy


def test_words_name_the_command_that_was_given(loaded):
    facts = {"device": "cpu", "gpunn": "", "size": 64, "channels": 3, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    config = Config(model="unet", data="shapes", classes=("a", "b", "c"), **facts)
    with pytest.raises(UsageError, match=r"^evaluate: unet names each pixel, but digits has one label an image"):
        check_fits(loaded["digits"], config, "evaluate", "u/best.npz", "leave --data away")


def test_images_of_one_class_will_do_where_classes_do_not_count(loaded):
    one = replace(loaded["digits"], classes=("all",))
    facts = {"device": "cpu", "gpunn": "", "size": 28, "channels": 1, "mean": (0.0,), "std": (1.0,)}
    vae, lenet = (Config(model=name, data="digits", classes=("a", "b"), **facts) for name in ("vae", "lenet5"))
    check_enough(one, vae)
    check_fits(one, vae, "evaluate", "v/best.npz", "leave --data away")
    with pytest.raises(UsageError, match="has the one class all; give data of at least 2 classes"):
        check_enough(one, lenet)
    with pytest.raises(UsageError, match=r"1 channels and 1 classes, but l/best.npz was trained on 1 and 2"):
        check_fits(one, lenet, "evaluate", "l/best.npz", "leave --data away")
