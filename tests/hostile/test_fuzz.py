"""Whatever a file holds, reading it ends well: read, or refused in one line; soon, in little memory, in its folder."""

from __future__ import annotations

import os
import random
import resource
import shutil
import time
import traceback

import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

from gpunn import data, seals
from gpunn.errors import GpunnError
from tests.hostile.formats import FORMATS, Refused
from tests.hostile.good import make_cache, make_good, make_runs
from tests.tiny_runs import tiny_dataset

LOAD = data.load
# By default 5 s in all, in CI 60 s; each mutation is from its format and number alone.
SECONDS = 60 / len(FORMATS) if os.environ.get("CI") else 5 / len(FORMATS)
MOST = int(os.environ.get("GPUNN_FUZZ", 2000))  # of each format; with a number given, however long it takes
MEMORY = 500 << 10  # KB


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The folders of good files."""
    root = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(data, "load", tiny)
        patched.setattr("gpunn.train.callbacks.draw_curves", lambda history, path, metric: None)
        make_good(root)
        make_runs(root)
        patched.setenv("XDG_CACHE_HOME", str(root / "cache"))
        make_cache(root / "cache")
    return root


def tiny(name, limit=None):
    """The tiny data set under the name mnist; of other names what there is."""
    return LOAD(name, limit, download=False) if name.startswith("folder:") else tiny_dataset()


def outcome(use, folder):
    """Why this ended badly, or ""."""
    started, begun = time.monotonic(), time.process_time()
    try:
        use(folder)
        words = ""
    except (GpunnError, Refused) as error:
        words = str(error).rstrip("\n")
        if "\n" in words or len(words) > 3000 or "Traceback" in words:
            return f"no short line: {words[:300]!r}"
    except Exception:
        return traceback.format_exc(limit=-4)
    # Of the processor, which others may keep busy; a wait for nothing takes the clock's.
    worked, seconds = time.process_time() - begun, time.monotonic() - started
    return f"took {worked:.1f} of {seconds:.1f} s: {words[:200]}" if worked > 2 or seconds > 20 else ""


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files_are_read_or_refused(good, tmp_path, monkeypatch, name):
    kind = FORMATS[name]
    monkeypatch.setattr(data, "load", tiny)
    monkeypatch.setattr(seals, "say", lambda line: None)
    monkeypatch.setenv("GPUNN_TRACEBACK", "1")  # an exception that nobody foresaw comes through
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "box"
    bad, most, ends = {}, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic() + SECONDS
    for number in range(MOST):
        if time.monotonic() > ends and "GPUNN_FUZZ" not in os.environ:
            break
        shutil.copytree(good / kind.good, folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder if kind.good == "cache" else tmp_path / "cache"))
        rng = random.Random(f"{name} {number}")
        kind.mutate(rng, folder / kind.file)
        if problem := outcome(kind.use, folder):
            bad[number] = problem
        now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if now - most > MEMORY:
            bad[number] = f"took {(now - most) >> 10} MB"
        shutil.rmtree(folder)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        most = max(now, most)
        if outside := [path for path in tmp_path.iterdir()]:
            bad[number] = f"left {outside}"
    if log := os.environ.get("GPUNN_FUZZ_LOG"):
        with open(log, "a") as file:
            file.write(f"{name}: {len(bad)} of {number + 1}\n" + "".join(f"--{n}: {text}\n" for n, text in bad.items()))
    assert not bad, f"{len(bad)} of {number + 1}; {next(iter(bad.items()))}"
