"""Weights as safetensors files: to PyTorch and back, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import gpunn
from gpunn import models
from gpunn.errors import CheckpointError, UsageError
from gpunn.nn.state import copied

safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")


def test_there_and_back(tmp_path):
    gpunn.manual_seed(1)
    saved, loaded = models.resnet20(), models.resnet20()
    models.save_safetensors(saved, tmp_path / "a.safetensors")
    models.load_safetensors(loaded, tmp_path / "a.safetensors")
    want, got = saved.state_dict(), loaded.state_dict()
    assert all(np.array_equal(want[key], got[key]) for key in want)


def test_pytorch_reads_and_writes_the_same_file(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import load_file, save_file

    from tests.models import twins

    torch.manual_seed(0)
    theirs, ours = twins.CifarResNet(), models.resnet20()
    save_file(theirs.state_dict(), tmp_path / "a.safetensors")
    models.load_safetensors(ours, tmp_path / "a.safetensors")
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        want = theirs.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours.eval()(x).numpy(), want, rtol=1e-3, atol=1e-4)
    models.save_safetensors(ours, tmp_path / "b.safetensors")
    twins.CifarResNet().load_state_dict(load_file(tmp_path / "b.safetensors"))


def test_files_without_batch_counts(tmp_path):
    from safetensors.numpy import save_file

    saved, loaded = models.resnet20(), models.resnet20()
    loaded.bn1.num_batches_tracked += 7
    save_file({k: v for k, v in copied(saved).items() if "tracked" not in k}, tmp_path / "a.safetensors")
    models.load_safetensors(loaded, tmp_path / "a.safetensors")
    got = loaded.state_dict()
    for key, want in saved.state_dict().items():
        assert np.array_equal(got[key], 7 if key == "bn1.num_batches_tracked" else want), key


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_other_floating_types_become_the_models(tmp_path, kind):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import save_file

    saved, loaded = models.resnet20(), models.resnet20()
    theirs = {key: torch.tensor(value) for key, value in copied(saved).items()}
    theirs = {key: v.to(getattr(torch, kind)) if v.is_floating_point() else v for key, v in theirs.items()}
    save_file(theirs, tmp_path / "a.safetensors")
    models.load_safetensors(loaded, tmp_path / "a.safetensors")
    for key, value in loaded.state_dict().items():
        assert value.dtype == saved.state_dict()[key].dtype
        np.testing.assert_array_equal(value, theirs[key].to(torch.float32).numpy(), err_msg=key)


def test_types_that_are_no_weights(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "a.safetensors")
    with pytest.raises(
        CheckpointError, match=r"a.safetensors holds numbers of type F8_E4M3, expected F64, .*; convert"
    ):
        models.load_safetensors(models.lenet5(), tmp_path / "a.safetensors")


def test_another_model_changes_nothing(tmp_path):
    models.save_safetensors(models.lenet5(), tmp_path / "a.safetensors")
    model = models.lenet_20_50_500()
    before = copied(model)
    told = r"load_safetensors: .*a.safetensors is of another model.*unexpected: fc3.*conv1.weight"
    with pytest.raises(CheckpointError, match=told):
        models.load_safetensors(model, tmp_path / "a.safetensors")
    assert all(np.array_equal(before[key], value) for key, value in copied(model).items())


def test_what_is_no_file(tmp_path):
    (tmp_path / "b.safetensors").write_bytes(b"hello")
    with pytest.raises(CheckpointError, match=r"cannot read .*a.safetensors: No such file"):
        models.load_safetensors(models.lenet5(), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"b.safetensors is damaged or no safetensors file"):
        models.load_safetensors(models.lenet5(), tmp_path / "b.safetensors")
    header = b'"' + b"a" * 5000 + b'"'  # which the library quotes whole
    (tmp_path / "c.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match=r"c.safetensors is damaged or no safetensors file") as caught:
        models.load_safetensors(models.lenet5(), tmp_path / "c.safetensors")
    assert len(str(caught.value)) < 500


def test_without_the_library(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(UsageError, match=r'load_safetensors: safetensors does not import.*pip install "gpunn\[io\]"'):
        models.load_safetensors(models.lenet5(), tmp_path / "a.safetensors")
