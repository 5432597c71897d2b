"""`gpunn report`: one page with every picture in it, which a browser shows as it stands."""

from __future__ import annotations

import html.parser
import json
import re
import shutil

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the report's pictures need matplotlib")

from gpunn import data
from gpunn.cli import main
from gpunn.report import page
from tests.browser import chromium
from tests.tiny_runs import tiny_dataset, trained_in

TRAIN = ["train", "--batch-size", "20", "--epochs", "2", "--out", "runs/a"]
HEADINGS = ["Learning curves", "Gradients", "First layer", "Feature maps", "Confusion", "Worst mistakes"]
TABLES = ["History", "Layers", "Configuration"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_in(tmp_path_factory.mktemp("trained"), [*TRAIN, "lenet5"])


@pytest.fixture
def run(here, trained):
    return shutil.copytree(trained / "runs/a", here / "runs/a")


def damaged_labels(name, limit=None):
    """The tiny data with some test labels changed, so that there are mistakes to show."""
    dataset = tiny_dataset()
    dataset.test_labels[:5] = (dataset.test_labels[:5] + 1) % 10
    return dataset


def test_a_browser_shows_every_picture_and_fetches_nothing(run, capsys, monkeypatch):
    monkeypatch.setattr(data, "load", damaged_labels)
    assert main(["report"]) == 0
    assert "runs/a/report.html: " in capsys.readouterr().out
    with chromium() as browser:
        browser.get((run / "report.html").as_uri())
        images = browser.find_elements("css selector", "img")
        assert len(images) == len(HEADINGS)
        for image in images:
            assert int(image.get_property("naturalWidth")) > 400 and image.is_displayed(), image.get_attribute("alt")
        assert [h.text for h in browser.find_elements("css selector", "h2")] == HEADINGS + TABLES
        assert browser.title == "lenet5 on mnist"
        cells = [cell.text for cell in browser.find_elements("css selector", "td")]
        assert "61,706" in browser.page_source and "lenet5" in cells
        fetched = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [name for name in fetched if not name.startswith("data:")] == []
        assert browser.get_log("browser") == []  # no complaint, such as of something blocked
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


class Outside(html.parser.HTMLParser):
    """Collects what a page would fetch or run."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]
        if tag in ("script", "link", "iframe", "object"):
            self.found.append(tag)


def test_the_page_is_one_file(run):
    main(["report", "runs/a", "--limit", "7"])
    text = (run / "report.html").read_text()
    outside = Outside()
    outside.feed(text)
    assert outside.found == [] and "url(" not in text and "@import" not in text
    assert "test accuracy, 7 images" in text
    assert "<th>learning rate</th>" in text and "<th>batch_size</th><td>20</td>" in text
    assert "<th>weight_decay</th><td>0.0005</td>" in text  # what was trained with, though the recipe left it open


def test_mirrored_tests_are_reported_as_they_are_evaluated(here, capsys):
    (here / "recipe.toml").write_text('model = "mlp"\ntest_flips = true\n')
    main([*TRAIN, "--recipe", "recipe.toml"])
    main(["evaluate"])
    accuracy = re.findall(r"accuracy ([\d.]+%)", capsys.readouterr().out)[-1]
    assert main(["report"]) == 0
    assert f"{accuracy} of 40 test images right" in capsys.readouterr().out
    assert "seed 0, mirror images averaged" in (here / "runs/a/report.html").read_text()


def test_a_run_that_ended_early_says_so(run):
    shorter = [line for line in (run / "history.csv").read_text().splitlines() if not line.startswith("2,")]
    (run / "history.csv").write_text("\n".join(shorter) + "\n")
    main(["report"])
    assert "seed 0. The run ended after 1 of its 2 epochs." in (run / "report.html").read_text()


def test_losses_of_changed_targets_are_called_so(here):
    (here / "recipe.toml").write_text('model = "mlp"\nlabel_smoothing = 0.1\nmixup = 0.2\n')
    main([*TRAIN, "--recipe", "recipe.toml"])
    main(["report"])
    words = "validation images; as trained, with labels smoothed by 0.1 and training images mixed in pairs."
    assert words in (here / "runs/a/report.html").read_text()


def test_a_history_without_validation_claims_no_accuracy(run):
    rows = [",".join(line.split(",")[:2]) for line in (run / "history.csv").read_text().splitlines()]
    (run / "history.csv").write_text("\n".join(rows) + "\n")
    assert main(["report"]) == 0
    text = (run / "report.html").read_text()
    assert "test accuracy" in text and "validation accuracy, best epoch" not in text


def test_what_is_not_there_is_said_in_words(here, capsys):
    main([*TRAIN, "mlp"])
    (here / "runs/a/gradients.csv").unlink()
    assert main(["report"]) == 0
    text = (here / "runs/a/report.html").read_text()
    assert "the network has no convolution" in text
    assert "no step is recorded; train with train.LayerGradientLog()" in text


def test_names_from_outside_are_escaped():
    text = page.page("<b>&", [page.words({"<i>": "<script>"}), page.note("a < b"), page.picture(b"", 'say "<x>"')])
    assert "<title>&lt;b&gt;&amp;</title>" in text and "<script>" not in text and "<i>" not in text
    assert 'alt="say &quot;&lt;x&gt;&quot;"' in text


MISTAKES = [
    ("nowhere", lambda run: None, "nowhere does not exist; give a run folder such as runs/<time>"),
    ("runs/a/best.npz", lambda run: None, "report: runs/a/best.npz is a file; give its run folder"),
    (
        "runs/a",
        lambda run: [p.unlink() for p in run.glob("*.npz")],
        "runs/a holds no best.npz and no checkpoint.npz; give the folder of a run with a finished epoch",
    ),
    ("runs/a", lambda run: (run / "history.csv").unlink(), "runs/a has no finished epoch in history.csv"),
    ("runs/a", lambda run: (run / "history.csv").write_text("epoch,seconds\n1,x\n"), "history.csv cannot be read"),
    ("runs/a", lambda run: (run / "history.csv").write_text("a,b\n1,2\n"), "no whole number in the column epoch"),
    ("runs/a", lambda run: (run / "gradients.csv").write_text("step,fc\n,2\n"), "no whole number in the column step"),
    ("runs/a", lambda run: (run / "gradients.csv").write_bytes(b"\xff\xfe"), "gradients.csv cannot be read"),
    ("runs/a", lambda run: (run / "best.npz").write_bytes(b"PK"), "best.npz is damaged or cut short"),
    ("runs/a", lambda run: (run / "report.html").mkdir(), "report.html"),
]


@pytest.mark.parametrize(("target", "harm", "words"), MISTAKES, ids=[words[:30] for _, _, words in MISTAKES])
def test_mistakes(run, capsys, target, harm, words):
    harm(run)
    assert main(["report", target]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_other_data_than_it_was_trained_on(run, capsys, monkeypatch):
    colour = tiny_dataset()
    three = data.Dataset(**{**vars(colour), "test": np.repeat(colour.test, 3, axis=1)})
    monkeypatch.setattr(data, "load", lambda name, limit=None: three)
    assert main(["report"]) == 2
    assert "report: mnist has 3 channels and 10 classes, but the run was trained on 1 and 10" in capsys.readouterr().err


def test_without_matplotlib_the_extra_is_named(run, capsys, without_matplotlib):
    assert main(["report"]) == 2
    assert 'pip install "gpunn[plot]"' in capsys.readouterr().err


def test_a_run_moved_elsewhere(run, here):
    shutil.move(run, here / "kept")
    assert main(["report", "kept"]) == 0
    assert json.loads((here / "kept/config.json").read_text())["model"] == "lenet5"
