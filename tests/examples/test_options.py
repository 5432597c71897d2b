"""Examples say which of their options is wrong, before they work."""

from __future__ import annotations

import pytest

from tests.examples.test_examples import load


@pytest.mark.parametrize(
    ("name", "argv", "words"),
    [
        ("sequences", ["--steps", "0"], "--steps 0 --lengths 10 20 40 60: expected 1 at least of all"),
        ("sequences", ["--lengths", "5", "0"], "--steps 400 --lengths 5 0: expected 1 at least of all"),
        ("xor_mlp", ["--hidden", "0"], "--steps 300 --hidden 0: expected 1 at least of both"),
        ("xor_mlp", ["--steps", "0"], "--steps 0 --hidden 8: expected 1 at least of both"),
        ("what_units_see", ["--epochs", "0"], "--epochs is 0, expected at least 1"),
        ("what_units_see", ["--limit", "1"], "--limit 1 leaves 1 test images, none of [0, 1, 2, 3"),
        ("autoencoders", ["--limit", "6"], "--epochs 5 --limit 6: expected 1 and 7 at least"),
        ("autoencoders", ["--data", "cifar10"], "argument --data: invalid choice: 'cifar10'"),
    ],
)
def test_a_wrong_option(name, argv, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "what_units_see":
        pytest.importorskip("matplotlib", reason="the example asks for it first")
    with pytest.raises(SystemExit) as stop:
        load(name).main(argv)
    assert stop.value.code == 2 and words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
