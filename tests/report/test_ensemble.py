"""`gpunn report` of an ensemble: one page on what its networks reach alone and together."""

from __future__ import annotations

import re
import shutil

import pytest

pytest.importorskip("matplotlib", reason="the report's pictures need matplotlib")

from gpunn import data, pictures
from gpunn.cli import main
from tests.browser import chromium
from tests.report.test_run import Outside, damaged_labels
from tests.tiny_runs import trained_in

TRAIN = ["train", "mlp", "--ensemble", "3", "--batch-size", "40", "--epochs", "2", "--seed", "7", "--out", "runs/a"]
PICTURES = ["Learning curves", "Confusion", "Worst mistakes"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_in(tmp_path_factory.mktemp("trained"), TRAIN)


@pytest.fixture
def ensemble(here, monkeypatch, trained):
    monkeypatch.setattr(data, "load", damaged_labels)
    return shutil.copytree(trained / "runs/a", here / "runs/a")


def test_a_browser_shows_the_networks_and_the_pictures(ensemble):
    assert main(["report"]) == 0
    with chromium() as browser:
        browser.get((ensemble / "report.html").as_uri())
        assert browser.title == "3 x mlp on mnist"
        images = browser.find_elements("css selector", "img")
        assert len(images) == len(PICTURES)
        assert all(int(image.get_property("naturalWidth")) > 400 and image.is_displayed() for image in images)
        headings = [h.text for h in browser.find_elements("css selector", "h2")]
        assert headings == ["Networks", *PICTURES, "Layers", "Configuration", "Provenance"]
        first, *rows = [row.text.split() for row in browser.find_elements("css selector", "table")[0]
                        .find_elements("css selector", "tr")]  # fmt: skip
        assert first[:2] == ["network", "seed"]
        assert [row[:5] for row in rows] == [[f"member-{i}", str(6 + i), "2", "of", "2"] for i in (1, 2, 3)]
        assert browser.get_log("browser") == []
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("flips", [False, True])
def test_the_page_has_the_accuracies_that_evaluate_prints(ensemble, capsys, flips):
    if flips:
        config = ensemble / "config.json"
        config.write_text(config.read_text().replace('"test_flips": false', '"test_flips": true'))
    main(["evaluate", "--limit", "23"])
    printed = re.findall(r"[\d.]+%", capsys.readouterr().out)
    assert len(printed) == 6
    assert main(["report", "--limit", "23"]) == 0
    assert f"runs/a/report.html: {printed[4]} of 23 test images right" in capsys.readouterr().out
    text = (ensemble / "report.html").read_text()
    for part in [
        *(f"<td>{share}</td></tr>" for share in printed[:3]),
        f"<b>{printed[3]}</b> mean of the networks alone",
        f"<b>{printed[4]}</b> by averaged probabilities",
        f"<b>{printed[5]}</b> by votes",
        f"Accuracies on 23 test images{', mirror images averaged' if flips else ''}.",
        "<b>1,407,480</b> parameters in all",
        "gpunn report runs/a/member-1",
    ]:
        assert part in text
    outside = Outside()
    outside.feed(text)
    assert outside.found == []


def test_the_pictures_are_the_ensemble_s(ensemble, monkeypatch):
    """What is drawn: all networks' histories, and one set of scores that is no single network's."""
    drawn = {}
    for name in ("learning_curves", "confusion_matrix"):
        original = getattr(pictures, name)
        monkeypatch.setattr(pictures, name, lambda *a, n=name, f=original: drawn.setdefault(n, a) and f(*a))
    assert main(["report"]) == 0
    histories, scores = drawn["learning_curves"][0], drawn["confusion_matrix"][0]
    assert list(histories) == ["member-1", "member-2", "member-3"] and len(histories["member-2"]) == 2
    from gpunn import backend, train
    from gpunn.recipes.folders import load_predictor

    _, models, config = load_predictor("runs/a", backend.device("cpu"))
    x = data.normalise(damaged_labels("").test, config.mean, config.std)
    assert abs(scores - train.predict(train.Ensemble(models), x)).max() < 1e-5


def test_each_network_has_its_own_report_too(ensemble):
    assert main(["report", "runs/a/member-2"]) == 0
    assert "the run member-2, seed 8." in (ensemble / "member-2/report.html").read_text()


def test_networks_of_different_lengths(ensemble):
    """Early stopping ends one sooner: the curves are as long as each was trained."""
    path = ensemble / "member-2/history.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    assert main(["report"]) == 0
    assert "<td>member-2</td><td>8</td><td>1 of 2</td>" in (ensemble / "report.html").read_text()


def test_bagging_is_told(here):
    main([*TRAIN, "--bagging", "--epochs", "1"])
    main(["report"])
    assert "drew its training images with replacement (bagging)" in (here / "runs/a/report.html").read_text()


def test_mistakes(ensemble, capsys, monkeypatch):
    (ensemble / "member-2/history.csv").unlink()
    assert main(["report"]) == 2
    assert "report: runs/a/member-2 has no finished epoch in history.csv" in capsys.readouterr().err
    (ensemble / "config.json").unlink()
    assert main(["report"]) == 2
    assert "runs/a is no run folder: config.json cannot be read" in capsys.readouterr().err


def test_without_matplotlib_the_extra_is_named(ensemble, capsys, without_matplotlib):
    assert main(["report"]) == 2
    assert 'pip install "gpunn[plot]"' in capsys.readouterr().err
