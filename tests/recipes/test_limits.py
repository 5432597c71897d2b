"""Small files have small effects: sizes that a recipe, config.json or a checkpoint names are compared, not believed."""

from __future__ import annotations

import json
import shutil
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from gpunn import models, train
from gpunn.cli import main
from gpunn.errors import CheckpointError
from gpunn.train import save_checkpoint
from tests.tiny_runs import trained_in

RECIPES = [
    ("seed = " + "9" * 4000, "seed is a whole number of 13288 bits, expected a whole number of at least 0 and at most"),
    ("seed = " + "9" * 5000, "is no TOML file (Exceeds the limit (4300"),
    ("epochs = 10_000_000_000", "epochs is 10000000000, expected a whole number of at least 1 and at most 1,000,000,0"),
    ("shift = 1_000_000_000", "shift is 1000000000, expected a whole number of at least 0 and at most 256"),
    ("cutout = 60000", "cutout is 60000, expected a whole number of at least 0 and at most 1,024"),
    ("ensemble = 1_000_000", "ensemble is 1000000, expected a whole number of at least 1 and at most 1,000"),
    ("lr = inf", "lr is inf, expected a number above 0"),
    ("lr = " + "9" * 400, "lr is a whole number of 1329 bits, expected a number above 0"),
    ("rotate = 1e300", "rotate is 1e+300, expected a number from 0 to 360"),
    ("milestones = " + "[" * 5000 + "]" * 5000, "is no TOML file (it nests too deep); mend the line"),
    ("a" + ".a" * 50_000 + " = 1", "is no TOML file (it has more than 65,536 characters); mend the line"),
    ("a" + ".a" * 30_000 + " = 1", "is no TOML file (a key has more than 64 parts); mend the line"),
    ("[a" + " . a" * 10_000 + "]", "is no TOML file (a key has more than 64 parts); mend the line"),
    ("x = {" + "a={" * 5000, "is no TOML file (it nests too deep); mend the line"),
    ("a\x1b[2J = 1", "is no TOML file ("),
    ('"a\\u001b[2J" = 1', "unknown key in recipe my.toml: 'a\\\\x1b[2J'"),
    ('model = "' + "x" * 10_000 + '"', "model is 'xxxxx"),
    ("model_options = { hidden = [1000000000] }", "mlp: parameters of shape (1000000000, 784) make more than the 500,"),
    ("model_options = { hidden = [" + "1," * 5000 + "] }", "mlp: hidden is a list of 5000, expected a list, such as "),
    ("model_options = { image_size = 1000000000 }", "mlp: parameters of shape (500, 1000000000000000000) make more th"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), RECIPES, ids=[text[:14] for text, _ in RECIPES])
def test_a_recipe_is_refused_at_once(here, capsys, text, words):
    (here / "my.toml").write_text(text)
    started = time.monotonic()
    assert main(["train", "mlp", "--recipe", "my.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and words in err and len(err) < 1000
    assert time.monotonic() - started < 2
    assert not (here / "runs").exists()


@pytest.mark.parametrize("option", ["--epochs=" + "9" * 5000, "--seed=" + "9" * 4000, "--limit=9999999999", "--lr=²"])
def test_an_option_is_refused_at_once(capsys, option):
    with pytest.raises(SystemExit):
        main(["train", "mlp", option])
    err = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option.partition('=')[0]}: '" in err and "is no " in err
    assert len(err) < 300


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of mlp."""
    folder = tmp_path_factory.mktemp("run")
    return trained_in(folder, ["train", "mlp", "--epochs", "1", "--out", "a"]) / "a"


CONFIGS = [
    ("seed", -1, "seed is -1, expected a whole number of at least 0 and at most 9,223,372,036,854,775,807"),
    ("seed", {"a": 1}, "seed is {'a': 1}, expected a whole number of at least 0"),
    ("size", 60000, "size is 60000, expected a whole number of at least 1 and at most 1,024"),
    ("size", 32, "size is 32, which mlp does not take"),
    ("channels", 10**9, "channels is 1000000000, expected a whole number of at least 1 and at most 1,024"),
    ("classes", ["a"] * 200_000, "classes is a list of 200000, expected a list of 1 to 100,000 of: a class name of at"),
    ("classes", ["a", 3], "classes[1] is 3, expected a class name of at most 1,000 characters"),
    ("classes", "abc", "classes is 'abc', expected a list of 1 to 100,000 of: a class name of at most 1,000"),
    ("mean", [0.1, 0.2], "mean has 2 values for 1 channels"),
    ("mean", ["x"], "mean[0] is 'x', expected a finite number"),
    ("std", [0.0], "std[0] is 0.0, expected a number above 0"),
    ("precision", "fp128", "precision is 'fp128', expected one of fp32, tf32, bf16, fp16, fp64"),
    ("model", "resnet21", "model is 'resnet21', expected one of mlp, lenet5"),
    ("model", ["mlp"], "model is ['mlp'], expected one of mlp, lenet5"),
    ("model_options", [1], "model_options is [1], expected none, or a table, such as"),
    ("batch_size", 0, "batch_size is 0, expected a whole number of at least 1"),
    ("lr", None, "lr is None, expected a number above 0"),
    ("data", 3, "data is 3, expected a word in quotes"),
    ("device", 3, "device is 3, expected words of at most 1,000 characters"),
    ("milestones", 5, "milestones is 5, expected a list of rising numbers between 0 and 1"),
]


@pytest.mark.parametrize(("key", "value", "words"), CONFIGS, ids=[f"{key}-{i}" for i, (key, *_) in enumerate(CONFIGS)])
def test_what_a_run_says_of_itself_is_checked(here, run, capsys, key, value, words):
    shutil.copytree(run, "b")
    config = json.loads((here / "b/config.json").read_text()) | {key: value}
    (here / "b/config.json").write_text(json.dumps(config))
    state = train.load_checkpoint("b/best.npz")
    save_checkpoint("b/best.npz", {**state, "info": {**state["info"], key: value}})
    commands = {"train --resume b": "b/config.json", "evaluate b": "b/best.npz", "report b": "b/best.npz"}
    for command, file in commands.items():
        assert main(command.split()) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"gpunn: error: {file}: {words}") and err.count("\n") == 1
        assert "; use another weights file of the run, or train anew" in err


def with_info(path, **changed):
    state = train.load_checkpoint(path)
    save_checkpoint(path, {**state, "info": {**state["info"], **changed}})


def traced(call):
    """What `call` returns, and how many bytes it held at once."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "changed",
    [{"model_options": {"hidden": [100_000, 1000]}}, {"model_options": {"hidden": [10**9]}},
     {"classes": [str(i) for i in range(9000)], "model": "vgg16", "size": 224}],
    ids=["hidden", "absurd", "classes"],
)  # fmt: skip
def test_weights_are_no_larger_than_their_file(here, run, capsys, changed):
    shutil.copytree(run, "b")
    with_info("b/best.npz", **changed)
    status, most = traced(lambda: main(["evaluate", "b"]))
    err = capsys.readouterr().err
    assert status == 2 and most < 50e6 and err.count("\n") == 1
    assert "b/best.npz is of no network that its options make: " in err
    assert "make more than the 469,160 numbers that the network may have; use another weights file" in err


def test_images_are_not_padded_to_any_size(here, capsys, monkeypatch):
    """A network that takes any size: a damaged file may say one for which the padded images take gigabytes."""
    assert main(["train", "resnet20", "--limit", "20", "--epochs", "1", "--out", "b"]) == 0
    with_info("b/best.npz", size=1000)
    status, most = traced(lambda: main(["evaluate", "b"]))
    assert status == 2 and most < 50e6
    assert "mnist has images of 28 pixels, but b/best.npz was trained on 1000x1000, more" in capsys.readouterr().err


def test_options_that_a_network_does_not_take_are_refused(here, run, capsys):
    shutil.copytree(run, "b")
    for options, words in [
        ({"hidden": ["a"]}, "Linear: out_features is 'a', expected an int"),
        ({"hidden": [0]}, "Linear: out_features is 0, expected at least 1"),
        ({"depth": 3}, "unknown option of mlp 'depth'"),
        ({"hidden": {}}, "mlp: hidden is {}, expected a list, such as (500, 150), of at most 1000"),
    ]:
        with_info("b/best.npz", model_options=options)
        assert main(["evaluate", "b"]) == 2
        err = capsys.readouterr().err
        assert words in err and err.count("\n") == 1


def test_weights_that_are_not_finite_are_refused_by_every_command(here, run, capsys):
    shutil.copytree(run, "b")
    state = train.load_checkpoint("b/best.npz")
    name = next(iter(state["model"]))
    state["model"][name][0, 3] = np.nan
    save_checkpoint("b/best.npz", state)
    for command in ("evaluate b", "report b", "predict x.png --run b"):
        assert main(command.split()) == 2
        err = capsys.readouterr().err
        where = f"gpunn: error: b/best.npz: model.{name} is an array of float32 (500, 784)"
        assert f"{where}, expected an array of finite numbers; train it again, with a lower" in err


def test_a_model_larger_than_any_is_not_made():
    with pytest.raises(ValueError, match=r"\(20000000, 784\) make more than the 500,000,000 numbers that"):
        models.create("mlp", hidden=[20_000_000])


def packed(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def header(descr="<f4", shape="(2,)"):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def tree(state, **arrays):
    meta = {"format": "gpunn-checkpoint", "version": 1, "state": state}
    return {"meta.json": json.dumps(meta), **{f"{name}.npy": content for name, content in arrays.items()}}


ONE = {"a": {"__array__": "a"}}
BOMBS = [
    ("packed", tree(ONE, a=header(shape="(25000000,)") + bytes(10**8)), zipfile.ZIP_DEFLATED, "is packed, expected al"),
    ("shape", tree(ONE, a=header(shape="(1000000000,)") + bytes(8)), 0, "an array of float32 (1000000000,) has 8 byte"),
    ("negative", tree(ONE, a=header(shape="(-1, -2)") + bytes(8)), 0, "an array is announced as float32 (-1, -2)"),
    ("zero", tree(ONE, a=header(shape="(0, 9999999999999999999)")), 0, "an array of float32 (0, 9999999999999999999)"),
    ("wide", tree(ONE, a=header("<U0", "(1000000000,)")), 0, "an array is announced as <U0 (1000000000,)"),
    ("object", tree(ONE, a=header("|O") + bytes(16)), 0, "Object arrays cannot be loaded"),
    ("nested", tree(ONE, a=header(shape="(" * 900 + ")" * 900)), 0, "an array's header is damaged ("),
    ("date", tree(ONE, a=header("<M8[s]") + bytes(16)), 0, "an array is announced as datetime64[s] (2,)"),
    ("deep", {"meta.json": "[" * 100_000}, 0, "it nests too deep"),
    ("list", tree([1]), 0, "state is [1], expected a table"),
    ("version", {"meta.json": '{"format": "gpunn-checkpoint", "version": "1", "state": {}}'}, 0, "version is '1', exp"),
    ("member", tree({"a": {"__array__": 3}}), 0, "is no gpunn checkpoint (it lacks "),
    ("unhashable", tree({"a": {"__array__": []}}), 0, "is damaged or cut short (TypeError"),
]


@pytest.mark.parametrize(("members", "method", "words"), [row[1:] for row in BOMBS], ids=[row[0] for row in BOMBS])
def test_a_checkpoint_holds_what_its_bytes_say(tmp_path, members, method, words):
    packed(tmp_path / "c.npz", members, method)

    def load():
        with pytest.raises(CheckpointError) as caught:
            train.load_checkpoint(tmp_path / "c.npz")
        return str(caught.value)

    message, most = traced(load)
    assert words in message and "\n" not in message and len(message) < 400
    assert most < 20e6


def test_an_array_that_stands_in_many_places_is_read_once(tmp_path):
    members = tree({str(i): {"__array__": "a"} for i in range(10_000)}, a=header(shape="(250000,)") + bytes(10**6))
    packed(tmp_path / "c.npz", members, zipfile.ZIP_STORED)
    state, most = traced(lambda: train.load_checkpoint(tmp_path / "c.npz"))
    assert len(state) == 10_000 and most < 30e6
