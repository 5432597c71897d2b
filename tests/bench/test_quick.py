"""tests/gpu/quick.sh without a card: every command that it would run parses, and in small (CI=1) runs and writes."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from bench import __main__ as bench
from bench import run as suites
from bench.measure import Plan
from bench.output import results
from bench.training import memory
from gpunn.cli import build_parser
from gpunn.recipes.options import add_options

ROOT = Path(__file__).parents[2]
PARTS = ["checks", "steps", "tune", "roofs", "kernels", "training", "model"]

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="quick.sh needs bash, which is not here")


def quick(*parts, **settings):
    return subprocess.run(["bash", "tests/gpu/quick.sh", *parts], cwd=ROOT, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, **settings})  # fmt: skip


def lines():
    """(name, words) of every command."""
    made = quick(PRINT="1", PYTHON="python")
    assert made.returncode == 0, made.stderr
    return [
        (name, shlex.split(words)) for name, _, words in (line.partition(": ") for line in made.stdout.splitlines())
    ]


def parsed(program, words):
    """Whether the program takes these words; of a suite the cases, passes and precisions that it would measure, too."""
    if program == "gpunn":
        return build_parser().parse_args(words)
    suite, *options = words
    if suite in suites.SUITES:
        args = suites.parser(suite).parse_args(options)
        args.suite, plan = suite, Plan(args, "cuda")
        suites.import_module(f"bench.{suites.SUITES[suite][0]}").choose(plan)
        assert plan.cases and set(suites.rivals.names_of(args.against, "cuda")) <= set(suites.rivals.MODULES)
        return args
    assert suite in bench.OTHERS
    if suite == "memory":
        return memory._arguments(options)
    if suite == "accuracy":
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for name in ("--seeds", "--within", "--json"):
            parser.add_argument(name)
        add_options(parser)
        return parser.parse_args(options)
    assert suite in ("profile", "model") and all(word.endswith(".json") for word in options)
    return options


def test_every_command_parses():
    found = lines()
    assert len({name for name, _ in found}) == len(found) > 30
    programs = {"bench": 0, "gpunn": 0}
    for name, words in found:
        words = words[words.index("python") :]  # behind compute-sanitizer or ncu
        if words[1] == "-m" and words[2] in programs:
            programs[words[2]] += 1
            assert parsed(words[2], words[3:]), name
        elif words[1] not in ("-m", "-c"):
            assert (ROOT / words[1]).is_file(), name
    assert min(programs.values()) > 10


def test_a_part_that_there_is_none_of_is_named():
    made = quick("step")
    assert made.returncode == 2
    assert f"quick.sh: there is no part step; choose from {' '.join(PARTS)}" in made.stderr


in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="waits, or computes for minutes: in CI")


@in_ci
def test_what_is_cut_off_is_kept_and_said(tmp_path):
    """A part of seven seconds: commands that do not fit are left out, and the two files of a part lie in $OUT."""
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\n[ $1 = -c ] && exit 1\necho something\nexec sleep 30\n")
    slow.chmod(0o755)
    kept = tmp_path / "out"
    kept.mkdir()
    made = quick("roofs=7", PYTHON=str(slow), RESULTS=str(tmp_path / "results"), OUT=str(kept))
    assert made.returncode == 1
    assert "cut off at" in made.stdout and "left out" in made.stdout and "something" in (kept / "roofs.txt").read_text()
    assert sorted(path.name for path in kept.iterdir()) == ["roofs.tgz", "roofs.txt"]


@in_ci
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("checks", "model")])
def test_every_command_runs_in_small(part, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"PYTHON": "tests/gpu/rehearse.py", "PATIENCE": "20", "RESULTS": str(tmp_path), "PATH": path}
    if part == "training" and "GPUNN_DATA" not in os.environ:
        pytest.skip("$GPUNN_DATA does not say where MNIST and CIFAR-10 are")
    made = quick(f"{part}=1400", XDG_CACHE_HOME=str(tmp_path / "cache"), **settings)
    assert made.returncode == 0, made.stdout
    files = list(tmp_path.glob("*-cuda-look-alike.json"))
    assert files or part == "tune"
    for file in files:
        assert results.load(file)["rows"], file
