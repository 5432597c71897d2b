"""A wheel built from the sdist, in an environment of its own, trains for a step and finds the kernels' sources."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tqdm

pytest.importorskip("hatchling", reason="hatchling is not installed, so no wheel can be built offline")

ROOT = Path(__file__).parents[2]
KERNELS = sorted(p.relative_to(ROOT / "kernels").as_posix() for p in ROOT.glob("kernels/**/*.cu*"))

TRAIN_A_STEP = """
import numpy as np, gpunn
from gpunn import models, ops, optim
model = models.create("lenet5")
sgd = optim.SGD(model.parameters(), lr=0.1)
x, labels = np.ones((4, 1, 28, 28), np.float32), np.arange(4)
losses = []
for _ in range(2):
    loss = ops.cross_entropy(model(x), labels)
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    losses.append(loss.item())
assert losses[1] < losses[0], losses
print(gpunn.__file__)
"""


def run(*command, cwd) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from the unpacked sdist: what the sdist lacks, the wheel lacks."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        # "data" is the safe filter; Pythons before 3.12 have it only in their later patch releases.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """The interpreter of an environment with the wheel, NumPy and tqdm alone; no network, so the two are linked."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    executable = next(path for path in folder.glob("*/python*") if path.stem == "python")
    print_site = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(executable, "-c", print_site, cwd=folder).strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # a pure wheel is its own installation, but for the commands
    linked = {str(Path(module.__file__ or "").parents[1]) for module in (np, tqdm)}
    (site / "linked.pth").write_text("\n".join(sorted(linked)) + "\n")
    return executable


def test_it_holds_what_is_not_python(wheel):
    """Recipes, kernels, the marker of typed packages, the licence and its name in the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    recipes = {f"gpunn/recipes/{path.name}" for path in (ROOT / "gpunn/recipes").glob("*.toml")}
    assert recipes and recipes | {"gpunn/py.typed", "gpunn/kernels/common.cuh"} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "License-Expression: MIT" in metadata and "License-File: LICENSE" in metadata


def test_trains_a_step(python, tmp_path):
    where = run(python, "-I", "-W", "error", "-c", TRAIN_A_STEP, cwd=tmp_path).strip()
    assert Path(where).parents[2].is_relative_to(python.parents[1]), where


def test_the_command(python, tmp_path):
    assert "gpunn 0." in run(python, "-I", "-m", "gpunn", "--version", cwd=tmp_path)
    assert "ok  numpy" in run(python, "-I", "-m", "gpunn", "doctor", cwd=tmp_path)


def test_the_kernels_travel_and_are_found(wheel, python, tmp_path):
    assert KERNELS
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("gpunn/kernels/") for name in archive.namelist() if "/kernels/" in name}
    assert set(KERNELS) <= packed
    read_all = "from gpunn.cuda import source; print(sum(len(source.read(n).text) > 0 for n in source.names()))"
    found = int(run(python, "-I", "-c", read_all, cwd=tmp_path))
    assert found == sum(name.endswith(".cu") for name in KERNELS)


def test_the_oracle_and_the_shape_table_travel(python, tmp_path):
    names = (
        "import gpunn.reference.naive, gpunn.reference.close, gpunn.reference.cases as cases; print(len(vars(cases)))"
    )
    assert int(run(python, "-I", "-c", names, cwd=tmp_path)) > 10


def test_what_a_wheel_has_no_use_for_stays_out(wheel):
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert {name.split("-")[0] for name in top} == {"gpunn"}
