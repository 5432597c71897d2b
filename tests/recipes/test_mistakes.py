"""What is wrong in a recipe is said in one line, with its file and its key."""

from __future__ import annotations

import pytest

from gpunn.cli import main
from gpunn.recipes.recipe import read_recipe

BAD = [
    ("epoch = 3", "unknown key in recipe bad.toml: 'epoch'; did you mean 'epochs'? choose from model, model_options"),
    ("epochs = 0", "recipe bad.toml: epochs is 0, expected a whole number of at least 1"),
    ("epochs = 2.5", "recipe bad.toml: epochs is 2.5, expected a whole number of at least 1"),
    ("epochs = true", "recipe bad.toml: epochs is True, expected a whole number"),
    ('lr = "0.1"', "recipe bad.toml: lr is '0.1', expected a number above 0"),
    ("lr = nan", "recipe bad.toml: lr is nan, expected a number above 0"),
    ("lr = [0.1]", "recipe bad.toml: lr is [0.1], expected a number above 0"),
    ("flip = 1", "recipe bad.toml: flip is 1, expected true or false"),
    ("ema = 1.0", "recipe bad.toml: ema is 1.0, expected a number of at least 0 and below 1"),
    ('schedule = "cosin"', "schedule is 'cosin', expected one of constant, linear, cosine, steps, one_cycle; did you"),
    ('optimizer = "sdg"', "optimizer is 'sdg', expected one of sgd, adam, adamw, rmsprop; did you mean 'sgd'?"),
    ("milestones = [0.8, 0.5]", "milestones is [0.8, 0.5], expected a list of rising numbers between 0 and 1"),
    ("milestones = [0.5, 0.5]", "milestones is [0.5, 0.5], expected a list of rising numbers between 0 and 1"),
    ('milestones = ["a"]', "milestones is ['a'], expected a list of rising numbers between 0 and 1"),
    ("milestones = 5", "milestones is 5, expected a list of rising numbers"),
    ("[lr]\nx = 1", "recipe bad.toml: lr is {'x': 1}, expected a number above 0"),
    ("lr = ", "recipe bad.toml is no TOML file ("),
    ("nesterov = true\nmomentum = 0", "nesterov = true needs momentum above 0, the recipe has 0; set momentum = 0.9"),
    ('model = "lenet55"', "unknown model 'lenet55'; did you mean 'lenet5'?"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[text for text, _ in BAD])
def test_mistakes_are_named_with_file_and_key(here, capsys, text, words):
    (here / "bad.toml").write_text(text)
    name = [] if "model" in text else ["mlp"]
    assert main(["train", *name, "--recipe", "bad.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and words in err
    assert not (here / "runs").exists()


def test_other_mistakes(here, capsys):
    assert main(["train", "mlp", "--epochs", "1", "--out", "a"]) == 0
    (here / "bytes.toml").write_bytes(b"\xff\xfe")
    capsys.readouterr()
    for command, words in [
        ("train --recipe one_cycel", "unknown recipe 'one_cycel'; did you mean 'one_cycle'?"),
        ("train --recipe no.toml", "recipe no.toml cannot be read (No such file or directory); check the path"),
        ("train --recipe bytes.toml", "recipe bytes.toml is no TOML file ("),
        ("train --recipe one_cycle", "train: which network? choose from mlp"),
        ("train --resume a --recipe one_cycle", "--resume goes on by the recipe of the run in a; leave --recipe away"),
        ("train --resume a --ensemble 3", "--ensemble 3 differs from the 1 of the run in a"),
    ]:
        assert main(command.split()) == 2
        assert words in capsys.readouterr().err
    assert main(["train", "mlp", "--recipe", ""]) == 2
    assert "recipe recipe.toml cannot be read" in capsys.readouterr().err


def test_a_recipe_from_a_windows_editor(here):
    """A byte-order mark, and line ends of two characters."""
    (here / "my.toml").write_bytes(b'\xef\xbb\xbfmodel = "mlp"\r\nepochs = 1\r\n')
    assert read_recipe(here / "my.toml") == {"model": "mlp", "epochs": 1}
