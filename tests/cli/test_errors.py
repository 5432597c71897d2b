"""Every mistake on the command line gets one line, and exit status 2."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

import gpunn
from gpunn import data
from gpunn.cli import main
from tests.tiny_runs import tiny_dataset

LOAD = data.load
OPTIONS = ("data", "device", "epochs", "batch-size", "lr", "optimizer", "precision", "seed", "limit", "out", "resume")
MISTAKES = [
    ("train lenet55", "unknown model 'lenet55'; did you mean 'lenet5'? choose from mlp, lenet5, lenet_20_50_500"),
    ("train", "train: which network? choose from mlp, lenet5"),
    ("train lenet5 --data mnits", "no data set is called 'mnits'; did you mean 'mnist'? (known: "),
    ("train lenet5 --device cdua", "'cdua' is no device; expected 'cpu', 'cuda', 'cuda:1' or 'emulator'; did you mean"),
    ("train lenet5 --optimizer adm", "unknown optimizer 'adm'; did you mean 'adam'? choose from sgd, adam, adamw"),
    ("train lenet5 --precision fp23", "unknown precision 'fp23'; did you mean 'fp32'? choose from fp32, tf32"),
    ("verify --device cpu", "verify: --device cpu runs no kernel; expected cuda or emulator"),
    ("verify --device emulate", "'emulate' is no device; expected 'cpu', 'cuda', 'cuda:1' or 'emulator'; did you mean"),
    ("train --resume nowhere", "nowhere is no run folder: config.json cannot be read"),
    ("evaluate nowhere", "nowhere does not exist; give a run folder such as runs/<time>, or a weights file"),
    ("evaluate", "there is no finished epoch in runs/; train first: gpunn train lenet5"),
    ("evaluate empty", "empty holds no best.npz and no checkpoint.npz; give the folder of a run"),
    ("evaluate text.npz", "text.npz is damaged or cut short"),
    ("train --resume damaged", "config.json is damaged"),
    ("train --resume foreign", "config.json does not say how it was trained (it lacks batch_size"),
    ("train lenet5 --out text.npz/sub", "cannot make the folder text.npz/sub"),
    *((f"{command} {'a' * 300}", "aaa... is a longer path than the system takes; give a shorter one")
      for command in ("train lenet5 --out", "train lenet5 --recipe", "evaluate", "report")),
]


@pytest.fixture
def folders(here):
    for name, text in (("empty", None), ("damaged", "{"), ("foreign", '{"model": "lenet5"}')):
        (here / name).mkdir()
        if text:
            (here / name / "config.json").write_text(text)
    (here / "text.npz").write_text("hello")
    return here


@pytest.mark.parametrize(("command", "words"), MISTAKES, ids=[command for command, _ in MISTAKES])
def test_one_line_and_status_2(folders, capsys, monkeypatch, command, words):
    if "--data" in command:
        monkeypatch.setattr(data, "load", LOAD)
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("gpunn: error: ") and words in err


NUMBERS = ["--epochs 0", "--batch-size -3", "--limit x", "--lr 0", "--lr nan", "--seed -1", "--ensemble 1000000000"]


@pytest.mark.parametrize("option", NUMBERS)
def test_numbers_are_checked(capsys, option):
    name, value = option.split()
    with pytest.raises(SystemExit) as exit_:
        main(["train", "lenet5", f"{name}={value}"])
    assert exit_.value.code == 2
    assert f"argument {name}: {value!r} is no " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--resume"])
def test_an_empty_name_is_not_the_working_folder(here, capsys, option):
    with pytest.raises(SystemExit) as exit_:
        main(["train", "mlp", option, ""])
    assert exit_.value.code == 2 and not os.listdir(here)
    assert f"argument {option}: the name is empty; give a folder, or . for this one" in capsys.readouterr().err


def test_a_run_is_not_overwritten_nor_changed_by_resume(here, capsys):
    assert main(["train", "mlp", "--epochs", "1", "--out", "a"]) == 0
    capsys.readouterr()
    for command, words in [
        ("train mlp --out a", "a already holds a run; go on with --resume a, or choose another --out"),
        ("train lenet5 --resume a", "NAME lenet5 differs from the mlp of the run in a; leave it away"),
        ("train --resume a --lr 3", "--lr 3.0 differs from the 0.05 of the run in a; leave it away"),
        ("train --resume a --out b", "--resume writes on into a; leave --out away"),
    ]:
        assert main(command.split()) == 2
        assert words in capsys.readouterr().err


def test_images_that_a_network_does_not_take(here, capsys, monkeypatch):
    monkeypatch.setattr(data, "load", lambda name, limit=None: tiny_dataset(32))
    assert main(["train", "lenet5"]) == 2
    assert "lenet5 takes 28x28 images, mnist has 32x32; choose from alexnet_lite, res" in capsys.readouterr().err
    assert not (here / "runs").exists()
    assert main(["train", "alexnet_lite", "--epochs", "1", "--batch-size", "60"]) == 0


def test_images_larger_than_those_trained_on(here, capsys, monkeypatch):
    assert main(["train", "lenet5", "--epochs", "1", "--out", "a"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(data, "load", lambda name, limit=None: tiny_dataset(32))
    assert main(["evaluate", "a"]) == 2
    assert "images of 32x32 are larger than the 28x28 that the network was trained on" in capsys.readouterr().err


def test_a_single_class_is_none_to_learn(here, capsys, monkeypatch):
    one = replace(tiny_dataset(), classes=("ant",))
    monkeypatch.setattr(data, "load", lambda name, limit=None: one)
    assert main(["train", "lenet5"]) == 2
    assert "train: mnist has the one class ant; give data of at least 2 classes" in capsys.readouterr().err


def test_no_batch_of_one_image_is_trained_on(here, capsys, monkeypatch):
    """Of 22 images one would be left over, and of it one pixel: batch norm finds no variance there."""
    few = tiny_dataset()
    few = replace(few, train=few.train[:24], train_labels=few.train_labels[:24])
    monkeypatch.setattr(data, "load", lambda name, limit=None: few)
    assert main(["train", "resnet18", "--epochs", "1", "--batch-size", "7"]) == 0
    assert "mnist: 22 + 2 + 40 images" in capsys.readouterr().err  # 3 batches of 7, and 1


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for option in OPTIONS:
        assert f"--{option}" in text
    assert "lenet_20_50_500" in text and "folder:PATH" in text


def python_m(*args, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "gpunn", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, **options
    )


def test_python_m_gpunn_is_the_command():
    out, err = python_m("--version").communicate(timeout=60)
    assert out.decode().strip() == f"gpunn {gpunn.__version__}" and err == b""


def test_a_closed_pipe_is_quiet():
    process = python_m("doctor")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()  # as `gpunn doctor | true` does
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141 and err == b""
