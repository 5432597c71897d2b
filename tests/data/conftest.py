"""An empty cache folder for every test here, and the place of the real MNIST where there is one."""

import os
from pathlib import Path

import pytest

REAL = os.environ.get("GPUNN_DATA") or str(Path(__file__).resolve().parents[3] / "shared" / "data")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The cache folder of this test, not made yet; GPUNN_DATA is unset."""
    monkeypatch.delenv("GPUNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gpunn"


@pytest.fixture
def real_mnist() -> Path:
    """The folder with MNIST's four files."""
    folder = Path(REAL) / "mnist"
    if not any(folder.glob("train-images*")):
        pytest.skip(f"no MNIST in {folder}: set GPUNN_DATA to the folder that holds mnist/")
    return folder
