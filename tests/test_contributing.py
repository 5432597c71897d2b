"""CONTRIBUTING's steps, followed in a copy of the repository: its code goes where it says, its commands pass."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
CHAPTERS = {"Add an op": 5, "Add a layer": 4, "Add a kernel variant": 4}  # and their steps
FENCE = re.compile(r"^ *```(\w+)(?: ([^\n]+))?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def chapter(title):
    return re.split(r"^## ", TEXT.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


def blocks(title):
    """(language, what follows it, code) of each block of a chapter, in order."""
    return [(language, place or "", textwrap.dedent(code)) for language, place, code in FENCE.findall(chapter(title))]


def put(copy, place, code):
    """The code in the file that `place` names: a new one, after "+" at its end, or behind the line it begins with."""
    name, added, line = re.fullmatch(r"(\S+)( \+)?(?: (.+))?", place).groups()
    path = copy / name
    if added is None:
        assert not path.exists(), f"{name} is there already; add to it with +"
        path.write_text(code)
    elif line is None:
        path.write_text(path.read_text() + ("\n\n" if code[0] != "f" or "\n" in code.strip() else "") + code)
    else:
        before, found, after = path.read_text().partition(f"\n{line}\n")
        assert found, f"{name} has no line {line!r}"
        path.write_text(before + found + textwrap.indent(code, "    ") + after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository without its history: what the steps change and run."""
    folder = tmp_path_factory.mktemp("copy")
    left_out = shutil.ignore_patterns("__pycache__", "results")
    for name in ("gpunn", "kernels", "tests", "bench"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def missing(title):
    """What the chapter needs and this machine lacks, in words; empty where it can be followed."""
    if title != "Add a kernel variant":
        try:
            import torch  # noqa: F401
        except ImportError:
            return "PyTorch is not installed"
    if title != "Add a layer":
        from gpunn import backend

        return "" if backend.is_available("emulator") else "there is no C++ compiler for the emulator"
    return ""


@pytest.mark.parametrize("title", list(CHAPTERS)[: 3 if os.environ.get("CI") else 2])  # the layer stands on the op
def test_the_steps_lead_there(title, copy):
    if reason := missing(title):
        pytest.skip(reason)
    for language, place, code in blocks(title):
        if language != "sh":
            put(copy, place, code)
            continue
        for command in code.strip().splitlines():
            if "pytest" in command and title == "Add a kernel variant" and not os.environ.get("CI"):
                continue  # every case once more, which `gpunn verify` has just run: in CI
            words = [sys.executable, *shlex.split(command)[1:]]
            words += ["-p", "no:cacheprovider", "-p", "no:xdist"] if "pytest" in words else []
            env = {**os.environ, "PYTHONPATH": str(copy)}
            done = subprocess.run(words, cwd=copy, env=env, capture_output=True, text=True, timeout=240)
            assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
            assert "pytest" not in command or re.search(r"\d+ passed", done.stdout), done.stdout
            assert "pytest" not in command or "failed" not in done.stdout


@pytest.mark.parametrize(("title", "count"), CHAPTERS.items())
def test_the_steps_are_numbered_and_runnable(title, count):
    assert re.findall(r"^(\d+)\. ", chapter(title), re.MULTILINE) == [str(i + 1) for i in range(count)]
    languages = [language for language, _, _ in blocks(title)]
    assert "sh" in languages and len(languages) > 2


GLOBS = ("*.md", "bench/**/*.md", "gpunn/**/*.md", "kernels/**/*.md")
PAGES = sorted(path.relative_to(ROOT).as_posix() for glob in GLOBS for path in ROOT.glob(glob))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page):
    """Files by their path from the root in backquotes, links, and dotted names of the package."""
    prose = FENCE.sub("", (ROOT / page).read_text())
    files = set(re.findall(r"`((?:gpunn|tests|kernels|bench|examples|\.ci)/[\w./]*)`", prose))
    links = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", prose))
    lacking = {name for name in files if not (ROOT / name).exists()}
    lacking |= {link for link in links if not (ROOT / page).parent.joinpath(link).exists()}
    lacking |= {name for name in set(re.findall(r"`(gpunn(?:\.\w+)+)`", prose)) if not there(name)}
    assert not {name for name in lacking if "FAMILY" not in name}


def there(name):
    """Whether a dotted name leads to a module or something in one."""
    found = importlib.import_module("gpunn")
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            try:
                importlib.import_module(f"{found.__name__}.{part}")
            except ImportError:
                return False
        found = getattr(found, part)
    return True


def test_the_pages_are_found():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md", "kernels/README.md"} <= set(PAGES)
    assert there("gpunn.nn.summary") and not there("gpunn.nn.summery")
