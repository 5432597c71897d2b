"""The chapters of the lectures run from top to bottom, and their exercises tell right answers from wrong ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

matplotlib = pytest.importorskip("matplotlib", reason="the lectures draw pictures")

ROOT = Path(__file__).parents[2]
LECTURES = ROOT / "examples" / "lectures"
CHAPTERS = sorted(path.stem for path in LECTURES.glob("[0-9][0-9]_*.md"))
CHEAP = ("01_neuron", "09_kernels")  # the others only in CI
NINE = [
    "01_neuron", "02_backprop", "03_training", "04_regularisation", "05_convolution", "06_architectures",
    "07_segmentation", "08_sequences", "09_kernels",
]  # fmt: skip
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of training: in CI")
each_chapter = pytest.mark.parametrize(
    "name", [name if name in CHEAP else pytest.param(name, marks=in_ci) for name in CHAPTERS]
)


def run(*command, **more):
    env = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def lecture():
    """The module, and matplotlib's style as it was afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(LECTURES))
    with matplotlib.rc_context():
        import lecture

        yield lecture
    sys.path[:] = path
    for name in set(sys.modules) - modules:  # the examples that exercises import
        if str(LECTURES.parent) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@in_ci
def test_all_nine_are_here():
    assert CHAPTERS == NINE


@each_chapter
def test_runs_from_top_to_bottom(name, tmp_path):
    done = run("-W", "error", str(LECTURES / "run.py"), name, "--out", str(tmp_path), CI="")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    *said, last = done.stdout.splitlines()
    cells, pictures, seconds = map(float, re.findall(r"[\d.]+", last.removeprefix(name)))
    assert cells >= 4 and 1 <= pictures <= 20 and seconds < 40
    assert len(list(tmp_path.glob("*.png"))) == pictures
    assert all(path.stat().st_size > 1000 for path in tmp_path.glob("*.png"))
    words = [line.split(":")[1].strip() for line in said if re.match(r"exercise \d:", line)]
    assert words == ["not yet"] * 3, "exactly the three exercises are left to the reader"


@pytest.mark.parametrize("name", CHAPTERS)
def test_has_the_parts_of_a_chapter(name):
    text = (LECTURES / f"{name}.md").read_text()
    assert text.startswith("---\njupytext:\n") and text.count("\n# ") >= 1
    assert re.findall(r"^## .*", text, re.MULTILINE)[-1] == "## Exercises"
    assert f'exercises("{name}")' in text and len(re.findall(r"^exercise\(\d, ", text, re.MULTILINE)) == 3
    assert not re.search(r"^[%!]", text, re.MULTILINE), "a magic command runs in Jupyter alone"
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    unknown = [
        target for target in linked if not (LECTURES / target).exists() and target[:2] not in {n[:2] for n in NINE}
    ]
    assert unknown == []


@each_chapter
@pytest.mark.parametrize("number", [1, 2, 3])
def test_exercise(name, number, lecture):
    if name == "09_kernels" and number == 3 and not shutil.which("g++"):
        pytest.skip("no g++")
    answers = lecture.load(ROOT / "tests" / "lectures" / "solutions" / f"{name}.py")
    assert lecture.verdict(name, number, answers.SOLUTIONS[number]) == ("right", "")
    assert answers.WRONG[number]
    for wrong in answers.WRONG[number]:
        word, hint = lecture.verdict(name, number, wrong)
        assert word == "not right" and len(hint) > 10, f"{wrong} is taken: {word}"
    for nothing in (..., None):
        assert lecture.verdict(name, number, nothing)[0] == "not yet"


def test_what_a_reader_is_told(lecture, tmp_path, monkeypatch, capsys):
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / "a.py").write_text(
        "from lecture import differs\ndef check_1(answer):\n    return differs(answer(3), [1, 2, 4.0])\n"
    )
    monkeypatch.setattr(lecture, "LECTURES", tmp_path)
    exercise = lecture.exercises("a")
    for answer in (lambda n: [1, 2, 4], lambda n: ..., lambda n: None, None, lambda n: [1, 2], lambda n: "four"):
        exercise(1, answer)
    exercise(1, lambda n: [1, 2, 3])
    exercise(1, lambda n: [1, 2, float("nan")])
    exec(compile("def answer(n):\n    return 1 / 0\n", "<cell>", "exec"), space := {})
    exercise(1, space["answer"])
    not_yet = "exercise 1: not yet: put your answer in place of the dots"
    assert capsys.readouterr().out.splitlines() == [
        "exercise 1: right",
        *[not_yet] * 3,
        "exercise 1: not right: the result has the shape (2,); it should have (3,)",
        "exercise 1: not right: the result should be numbers, not str",
        "exercise 1: not right: the result is 3 at (2,), which is 1 off",
        "exercise 1: not right: the result is not finite everywhere",
        "exercise 1: not right: it stops with ZeroDivisionError: division by zero (line 2 of your cell)",
    ]


def test_saved_figures_are_small_made_by_a_command_and_shown(lecture, monkeypatch):
    figures = lecture.load(LECTURES / "figures.py")
    made = figures.makers()
    assert {path.stem for path in lecture.FIGURES.glob("*.png")} == set(made)
    assert all(path.stat().st_size < figures.LIMIT for path in lecture.FIGURES.glob("*.png"))
    assert all(make.__doc__ for make in made.values())
    shown = [
        name for path in LECTURES.glob("*.md") for name in re.findall(r'^saved\("(\w+)"\)', path.read_text(), re.M)
    ]
    assert set(shown) == set(made)


def test_a_figure_that_is_not_there(lecture, capsys):
    with pytest.raises(lecture.gpunn.UsageError, match=r"there is no figure 'nosuch' .*figures.py nosuch"):
        lecture.saved("nosuch")
    with pytest.raises(SystemExit):
        lecture.load(LECTURES / "figures.py").main(["nosuch"])
    assert "there is no figure 'nosuch'; there are: " in capsys.readouterr().err


def test_a_saved_figure_says_its_command(lecture, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lecture, "FIGURES", tmp_path)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert lecture.saved("a")._repr_png_() == b"\x89PNG"
    assert capsys.readouterr().out == "A saved figure. It is made by: python examples/lectures/figures.py a\n"


def test_without_matplotlib(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('none here')")
    done = run("-c", "import lecture", PYTHONPATH=f"{tmp_path}:{ROOT}:{LECTURES}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        'UsageError: lectures: matplotlib is missing (none here); pip install "gpunn[plot]"'
    )
    done = run(str(LECTURES / "run.py"), "01_neuron", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.stderr == 'run.py: matplotlib is missing (none here); pip install "gpunn[plot]"\n'
    assert done.returncode == 1


def test_a_failing_cell_is_named(lecture, tmp_path):
    runner = lecture.load(LECTURES / "run.py")
    (tmp_path / "a.md").write_text(
        "# A\n\n```{code-cell} ipython3\nx = 1\n```\n\n```{code-cell} ipython3\n:tags: [a]\n\n1 / 0\n```\n"
    )
    with pytest.raises(RuntimeError, match=r"a.md: cell 2 fails at line 10: ZeroDivisionError: division by zero"):
        runner.run(tmp_path / "a.md", tmp_path)
