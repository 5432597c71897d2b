"""A run on a part of the data says how many test images it is measured on."""

import pytest

from gpunn.cli import main
from gpunn.data import catalogue, make_digits


@pytest.fixture
def digits(monkeypatch, tmp_path):
    images = catalogue.ImageSet(*make_digits(60), *make_digits(30, part="test"))
    monkeypatch.setattr(catalogue, "load_digits", lambda: images)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_and_evaluate_say_how_much_of_the_test_images_they_look_at(digits, capsys):
    limited = "limit 20: the first 20 of 60 training images, and the first 10 of 30 test images"
    assert main(["train", "mlp", "--data", "digits", "--limit", "20", "--epochs", "1", "--out", "run"]) == 0
    out, err = capsys.readouterr()
    assert limited in err.splitlines() and ", of 10 test images" in out
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    assert limited in capsys.readouterr().err.splitlines()
    assert main(["evaluate", "run"]) == 0
    assert "on 30 test images of digits" in capsys.readouterr().out
    assert main(["evaluate", "run", "--limit", "8"]) == 0
    assert "on the first 8 of 30 test images of digits" in capsys.readouterr().out
    assert main(["evaluate", "run", "--limit", "30"]) == 0
    assert "on 30 test images of digits" in capsys.readouterr().out


def test_the_report_says_it_too(digits):
    pytest.importorskip("matplotlib", reason="a report needs matplotlib")
    assert main(["train", "mlp", "--data", "digits", "--limit", "20", "--epochs", "1", "--out", "run"]) == 0
    assert main(["report", "run"]) == 0
    text = (digits / "run/report.html").read_text()
    assert "limit 20: the first 20 of 60 training images, and the first 10 of 30 test images" in text
