"""Every example runs and learns, at small settings; each is short and says what it reached."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from gpunn import data, nn
from tests.tiny_runs import tiny_dataset

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


def load(name):
    path = next(path for path in EXAMPLES if path.stem == name)
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_is_short_and_states_what_it_reached(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 200
    docstring = text.split('"""')[1]
    for word in (r"\d(\.\d+)? ?%|loss 0\.\d+", r"[Ss]eeds? \d", r"\d s\b", r"CPU|GPU"):
        assert re.search(word, docstring), f"{path.name}: its docstring lacks {word}"


def test_xor(capsys):
    assert load("xor_mlp").main([])
    assert "1 xor 1 = 0" in capsys.readouterr().out


def test_raw_arrays(capsys):
    assert load("raw_arrays").main(["--steps", "60"]) > 0.9
    error = float(re.findall(r"relative error (\S+)", capsys.readouterr().out)[0])
    assert error < 1e-5


def test_lenet(monkeypatch, capsys):
    example = load("lenet_mnist")
    monkeypatch.setattr(example, "load", lambda name, limit=None: tiny_dataset())
    assert example.main(["--epochs", "10"]) > 0.8
    assert "epoch 10: loss" in capsys.readouterr().out
    assert data.load is not example.load


def test_data_parallel(monkeypatch, capsys):
    example = load("data_parallel")
    monkeypatch.setattr(example, "load", lambda name, limit=None: tiny_dataset())
    assert example.main(["--epochs", "10"]) > 0.8
    assert "epoch 10: test accuracy" in capsys.readouterr().out and not example.dist.is_initialized()


def test_mnist_rows(monkeypatch, capsys):
    example = load("mnist_rows")
    monkeypatch.setattr(example, "load", lambda name, limit=None: tiny_dataset())
    monkeypatch.setattr(example, "BATCH", 20)
    monkeypatch.setattr(example, "HIDDEN", 32)
    assert example.main(["--epochs", "12"]) > 0.8
    assert "epoch 12: loss" in capsys.readouterr().out


def test_mnist_seconds(monkeypatch, capsys):
    example = load("mnist_seconds")
    monkeypatch.setattr(example, "load", lambda name, limit=None: tiny_dataset())
    monkeypatch.setattr(example, "BATCH", 40)
    (score,) = example.main(["--device", "cpu", "--seeds", "1", "--epochs", "8"])
    out = capsys.readouterr().out
    assert score > 0.7 and f"seed 0: {score:.2%} after 48 steps" in out
    assert re.search(r"mean \d+\.\d\d%, \d\.\d{3} s of training on cpu; [01] of 1 seeds reach 99 %", out)


def test_cifar_precision(monkeypatch, capsys):
    example = load("cifar_precision")
    monkeypatch.setattr(example, "load", lambda name: tiny_dataset())
    monkeypatch.setattr(example.models, "create", lambda name: data_mlp())
    found = example.main(["--device", "cpu", "--seeds", "1", "--epochs", "1", "--limit", "200"])
    assert list(found) == ["fp32", "bf16"] and "bf16: mean" in capsys.readouterr().out


def data_mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def test_vanishing_gradient(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    accuracies = load("vanishing_gradient").main(["--limit", "800", "--epochs", "1", "--out", str(tmp_path / "a.png")])
    assert list(accuracies) == ["sigmoid", "ReLU", "sigmoid, batch norm", "sigmoid, residual"]
    shares = [float(share) for share in re.findall(r"gradient is (\S+) of the last", capsys.readouterr().out)]
    assert shares[0] < 1e-5 and min(shares[1:]) > 1e-2
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
