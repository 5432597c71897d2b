"""What the README prints, runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpunn.cli import build_parser
from gpunn.recipes.recipe import KINDS, read_recipe, shipped

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RECIPES = (ROOT / "gpunn/recipes/README.md").read_text()


def test_the_script_runs_as_printed(tmp_path):
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(script.splitlines()) <= 30
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accuracies = [float(share) for share in re.findall(r"test accuracy ([\d.]+)%", done.stdout)]
    assert len(accuracies) == 4 and max(accuracies) > 60  # chance is 10, a linear model stays under 92


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^    .*\bgpunn (\w+)", README, re.MULTILINE))))
def test_the_commands_exist(command):
    with pytest.raises(SystemExit) as exit_:
        build_parser().parse_args([command, "--help"])
    assert exit_.value.code == 0


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets and [target for target in targets if not (ROOT / target).exists()] == []


def test_extras_are_those_of_the_package():
    declared = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    named = {extra for extras in re.findall(r"gpunn\[([\w,]+)\]", README) for extra in extras.split(",")}
    assert named and named <= set(declared)


def test_it_is_short():
    """But for the tables that `python -m bench report` writes."""
    text = re.sub(r"<!-- bench:(\S+) -->.*?<!-- /bench:\1 -->", "", README, flags=re.DOTALL)
    assert len(text.splitlines()) < 140


def test_the_recipe_is_one(tmp_path):
    (recipe,) = re.findall(r"```toml\n(.*?)```", RECIPES, re.DOTALL)
    (tmp_path / "my.toml").write_text(recipe)
    assert read_recipe(tmp_path / "my.toml")["model"] == "resnet20"
    assert [key for key in KINDS if not re.search(rf"\b{key}\b", RECIPES)] == []
    named = re.search(r"`--recipe NAME` knows:(.*?)An ensemble", RECIPES, re.DOTALL)
    assert named and set(re.findall(r"`(\w+)`", named[1])) <= set(shipped())
