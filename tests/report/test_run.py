"""`gpunn report`: one page with every picture in it, which a browser shows as it stands."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the report's pictures need matplotlib")

import gpunn
from gpunn import data, models, pictures
from gpunn.cli import main
from gpunn.pictures.canvas import new_figure
from gpunn.recipes.config import Config
from gpunn.recipes.starts import note_start, starts
from gpunn.report import page
from gpunn.report.parts import description, draw, settings
from gpunn.report.run import _table
from tests.browser import chromium
from tests.thinned import one_in
from tests.tiny_runs import tiny_dataset, trained_in

TRAIN = ["train", "--batch-size", "20", "--epochs", "2", "--out", "runs/a"]
HEADINGS = ["Learning curves", "Gradients", "First layer", "Feature maps", "Confusion", "Worst mistakes", "Saliency"]
TABLES = ["History", "Layers", "Configuration", "Provenance"]


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
        links = browser.find_elements("css selector", "nav a")
        assert [link.text for link in links] == HEADINGS + TABLES
        links[-1].click()
        assert browser.execute_script("return window.scrollY") > 1000
        confusion = browser.find_elements("css selector", "img")[4].rect
        column = browser.find_element("css selector", "body").rect
        middle = [rect["x"] + rect["width"] / 2 for rect in (confusion, column)]
        assert abs(middle[0] - middle[1]) < 2
        scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        ink, paper = (
            browser.find_element("css selector", "body").value_of_css_property(name)
            for name in ("color", "background-color")
        )
        assert min(map(int, re.findall(r"\d+", ink)[:3])) > 180 and max(map(int, re.findall(r"\d+", paper)[:3])) < 60


class Outside(html.parser.HTMLParser):
    """Collects what a page would fetch or run."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        inside = ("data:", "#")
        self.found += [v for name, v in attrs if name in ("src", "href") and not (v or "").startswith(inside)]
        if tag in ("script", "link", "iframe", "object"):
            self.found.append(tag)


def test_the_page_is_one_file(run, here, capsys):
    assert main(["report", "runs/a", "--limit", "7", "--out", "page.html"]) == 0 and not (run / "report.html").exists()
    assert capsys.readouterr().out.startswith("page.html: ")
    text = (here / "page.html").read_text()
    outside = Outside()
    outside.feed(text)
    assert outside.found == [] and "url(" not in text and "@import" not in text
    assert "test accuracy, 7 images" in text and "report --limit 7: the first 7 of 40 test images" in text
    assert "<th>learning rate</th>" in text and "<th>batch_size</th><td>20</td>" in text
    assert "<th>weight_decay</th><td>0.0005</td>" in text  # what was trained with, though the recipe left it open


def test_a_run_in_16_bits_says_so(run):
    """Among the settings and in the table of layers; at the top by Config.conditions, as `gpunn evaluate` does."""
    config, sections = replace(Config.read(run), precision="bf16"), page.Sections()
    assert config.conditions() == ", in bf16" and replace(config, test_flips=True).conditions().endswith("d, in bf16")
    description(sections, models.create("lenet5"), config, run)
    assert "<th>precision</th><td>bf16</td>" in sections.parts["Configuration"]
    assert "products in bf16" in sections.parts["Layers"] and "(1, 10) bfloat16" in sections.parts["Layers"]


def test_settings_are_those_that_had_an_effect(run):
    config = Config.read(run)
    plain = settings(config)
    assert plain["momentum"] == 0.9 and plain["last"] == 0.01 and plain["seed"] == 0 and plain["weight_decay"] == 5e-4
    unused = {"milestones", "gamma", "rise", "nesterov", "mixup", "ema", "flip", "ensemble", "accumulate", "limit"}
    assert not unused & plain.keys()
    steps = settings(replace(config, optimizer="adam", schedule="steps", mixup=0.2, accumulate=2))
    assert {"milestones", "gamma", "mixup", "accumulate"} <= steps.keys() and not {"momentum", "last"} & steps.keys()
    assert {"rise"} == settings(replace(config, schedule="one_cycle")).keys() - plain.keys()
    assert "loss" in plain and "loss" not in settings(replace(config, model="vae"))  # which brings its own


def test_every_start_is_noted_with_its_command(run):
    assert main(["train", "--resume", "runs/a", "--epochs", "3"]) == 0
    first, second = starts(run)
    assert first.command == "gpunn train --batch-size 20 --epochs 2 --out runs/a lenet5"
    assert second.command == "gpunn train --resume runs/a --epochs 3" and second.date >= first.date
    assert first.machine.startswith("cpu; ") and "NumPy" in first.machine
    main(["report"])
    text = (run / "report.html").read_text()
    assert f"<th>started</th><td>{first.date}: {first.command}, on {first.machine}" in text
    assert f"<th>resumed, 1</th><td>{second.date}: " in text and f"by gpunn {gpunn.__version__}" in text
    ways = (b"{", b'{"date": 1, "command": "a", "machine": "b"}', b"[" * 9999, b"\xff", b"1\n")
    for damaged in ways:
        (run / "starts.jsonl").write_bytes(damaged)
        assert starts(run) == []
        if damaged in one_in(5, ways):
            assert main(["report"]) == 0


def test_a_run_resumed_often_keeps_its_first_and_last_starts(tmp_path):
    for i in range(30):
        note_start(tmp_path, ["train", str(i)], "cpu")
    assert [start.command.split()[-1] for start in starts(tmp_path)] == [*map(str, range(10)), *map(str, range(20, 30))]


def test_gradients_are_named_by_layer_and_shape(run, monkeypatch):
    seen = []
    monkeypatch.setattr(pictures, "gradient_norms", lambda rows: seen.append(rows) or new_figure(5, 2))
    main(["report"])
    assert [*seen[0][0]] == ["step", "conv1 6x1x5x5", "conv2 16x6x5x5", "fc1 120x400", "fc2 84x120", "fc3 10x84"]


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


def test_what_is_not_there_is_said_in_words(here):
    main([*TRAIN, "mlp"])
    (here / "runs/a/gradients.csv").unlink()
    assert main(["report"]) == 0
    text = (here / "runs/a/report.html").read_text()
    end = text[text.index("Not on this page: ") :]
    assert "Feature maps: feature_maps: the network has no convolution" in end
    assert "Gradients: gradient_norms: no step is recorded; train with train.LayerGradientLog()" in end
    assert "<h2" not in end and ">Gradients<" not in text and ">Feature maps<" not in text


def test_names_from_outside_are_escaped():
    sections = page.Sections()
    sections.add("<h>", page.words({"<i>": "<script>"}), page.picture(b"", 'say "<x>"'))
    sections.add("empty", "")
    sections.leave_out("<u>", "<why>")
    text = page.page("<b>&", [page.note("a < b")], sections)
    assert '<a href="#&lt;h&gt;">&lt;h&gt;</a>' in text and "&lt;u&gt;: &lt;why&gt;." in text and "empty" not in text
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
    ("runs/a", lambda run: (run / "history.csv").write_text("a,b\n1,2\n"), "[0].epoch is missing, expected a"),
    ("runs/a", lambda run: (run / "gradients.csv").write_text("step,fc\n,2\n"), "[0].step is None, expected a who"),
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
    three = data.Loaded(**{**vars(colour), "test": np.repeat(colour.test, 3, axis=1)})
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


@pytest.mark.parametrize(("epochs", "step"), [(500, 1), (501, 2), (100_000, 200)])
def test_the_table_of_a_long_run_shows_one_epoch_of_many_and_the_last(epochs, step):
    parts = _table([{"epoch": i, "train_loss": 1 / i} for i in range(1, epochs + 1)])
    shown = [int(cell) for cell in re.findall(r"<tr><td>(\d+)</td>", parts[0])]
    assert shown == [*range((epochs - 1) % step + 1, epochs + 1, step)] and shown[-1] == epochs
    words = [f'<p class="note">One epoch of {step}; all {epochs:,} stand in history.csv.</p>']
    assert parts[1:] == (words if step > 1 else [])


def test_a_picture_that_fails_leaves_the_page():
    def fail():
        raise RuntimeError("no\nfonts")

    sections = page.Sections()
    draw(sections, "Confusion", fail, "")
    assert sections.parts == {}
    assert sections.left_out == {"Confusion": r"it could not be drawn (RuntimeError: no\nfonts)"}
