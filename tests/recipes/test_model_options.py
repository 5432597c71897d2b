"""A network's own options: from the command line, from a recipe, in the record, and what is wrong with them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpunn.cli import main
from gpunn.recipes.config import Config


def options(folder):
    return Config.read(folder).model_options


def test_an_option_reaches_the_network_the_record_and_every_later_command(here, capsys):
    short = ["--epochs", "1", "--batch-size", "60"]
    assert main(["train", "lenet5", *short, "--model-option", "partial=true", "--out", "a"]) == 0
    assert "60,806 parameters" in capsys.readouterr().err  # all channels: 61,706
    assert "model_options = { partial = true }" in (here / "a" / "recipe.toml").read_text()
    assert main(["train", "--recipe", "a", "--out", "b"]) == 0
    assert "60,806 parameters" in capsys.readouterr().err
    assert options(here / "a") == options(here / "b") == {"partial": True}
    assert main(["evaluate", "b"]) == 0
    assert main(["train", "--resume", "b", "--epochs", "2", "--model-option", "partial=true"]) == 0
    assert main(["train", "--resume", "b", "--epochs", "3", "--model-option", "partial=false"]) == 2
    assert "--model-option {'partial': False} differs from the {'partial': True} of the run" in capsys.readouterr().err


def test_an_option_comes_before_the_recipe_s_own_and_leaves_its_others(here):
    (here / "my.toml").write_text("model_options = { hidden = [20], image_size = 28 }\n")
    given = ["--recipe", "my.toml", "--epochs", "1", "--model-option", "hidden=[12]"]
    assert main(["train", "mlp", *given, "--out", "a"]) == 0
    assert options(here / "a") == {"hidden": [12], "image_size": 28}


def test_a_file_of_before_has_none(here):
    assert main(["train", "mlp", "--epochs", "1", "--out", "a"]) == 0
    path = here / "a" / "config.json"
    saved = json.loads(path.read_text())
    del saved["model_options"]
    path.write_text(json.dumps(saved))
    assert options(here / "a") is None


def test_words_numbers_and_lists(here):
    given = ["--model-option", "hidden=[20, 12]", "--model-option", "image-size=28"]
    assert main(["train", "mlp", "--epochs", "1", *given, "--out", "a"]) == 0
    assert options(here / "a") == {"hidden": [20, 12], "image_size": 28}
    assert Config.read(here / "a").build(np.dtype(np.float32)).state_dict()["1.weight"].shape == (20, 784)


@pytest.mark.parametrize(
    ("model", "text", "words"),
    [
        ("lenet5", "parital=true", "unknown option of lenet5 'parital'; did you mean 'partial'?"),
        ("lenet5", "partial=yes", "lenet5: partial is 'yes', expected true or false; false is the default"),
        ("lenet5", "partial=1", "lenet5: partial is 1, expected true or false"),
        ("lenet5", "num_classes=4", "unknown option of lenet5 'num_classes'; choose from partial"),
        ("lenet_20_50_500", "x=4", "unknown option of lenet_20_50_500 'x'; there are none"),
        ("mlp", "hidden=5", "mlp: hidden is 5, expected a list, such as (500, 150)"),
        ("mlp", "image_size=32", "model option of mlp: linear: x has 784 features but w expects 1024"),
        ("resnet20", "shortcut=C", "model option of resnet20: BasicBlock: shortcut is 'C'; expected 'A'"),
        ("resnet50", "version=2", "version is '2'; expected '1' (stride in the 1x1) or '1.5'"),
        ("alexnet_lite", "dropout=much", "alexnet_lite: dropout is 'much', expected a number, such as 0.5"),
        ("alexnet_lite", "dropout=true", "alexnet_lite: dropout is True, expected a number"),
        ("alexnet", "towers=3", "model option of alexnet: AlexNet: towers is 3, expected 1 (one tower) or 2"),
    ],
)
def test_mistakes_are_named_and_leave_no_folder(here, capsys, model, text, words):
    assert main(["train", model, "--model-option", text]) == 2
    assert words in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_half_an_option(here, capsys):
    with pytest.raises(SystemExit):
        main(["train", "lenet5", "--model-option", "partial"])
    assert "'partial' is no KEY=VALUE" in capsys.readouterr().err


def test_a_table_is_asked_for(here, capsys):
    (here / "my.toml").write_text('model = "lenet5"\nmodel_options = "partial"\n')
    assert main(["train", "--recipe", "my.toml"]) == 2
    assert "model_options is 'partial', expected a table, such as { partial = true }" in capsys.readouterr().err
