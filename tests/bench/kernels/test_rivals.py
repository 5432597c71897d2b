"""Other programs: they compute what the oracle does, or say why not."""

import numpy as np
import pytest

from bench import measure
from bench.__main__ import main
from bench.kernels import cases, oracle, rivals
from bench.kernels.subjects import FAMILIES, Subject, operations
from gpunn import backend
from gpunn.errors import UsageError
from tests import cupy_stand_in


def test_rivals_are_verified_too(capsys, monkeypatch):
    monkeypatch.setattr(rivals, "present", lambda names, device: dict.fromkeys(names, "9.9"))
    monkeypatch.setattr(rivals, "call", lambda name, subject, device: lambda: np.zeros((64, 120), np.float32))
    argv = ["--device", "cpu", "--cases", "lenet5 fc1", "--repeats", "2", "--against", "torch"]
    assert main(["gemm", *argv]) == 0
    assert "no figure of torch: its result differs from the oracle's" in capsys.readouterr().out


def _subjects(family):
    wanted = ",".join(group for group in ("lenet", "resnet20") if group in cases.groups(family))
    for case in cases.choose(family, wanted, "cpu", 2):
        yield from FAMILIES[family](case, "cpu", "fp32", operations(family))


def _check(subject: Subject, rival):
    try:
        found = rivals.call(rival, subject, "cpu")()
    except measure.Unsupported:
        return 0
    assert oracle.near(found, subject.expected, "float32"), f"{subject.operation} of {subject.case}"
    return 1


@pytest.mark.parametrize("family", list(FAMILIES))
def test_torch_computes_the_same(family):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    assert all(_check(subject, "torch") for subject in _subjects(family))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "conv3d"])  # im2col is of two dimensions
def test_array_expressions_compute_the_same(family):
    assert sum(_check(subject, "cupy") for subject in _subjects(family)) >= 2


def test_missing_rivals_say_so():
    said = rivals.present(["cupy"], "cpu")
    assert all(text.startswith("missing: ") for text in said.values())
    assert rivals.names_of(None, "cuda") == ["torch", "cupy"]  # torch.compile where asked for alone
    assert rivals.names_of("torch,compiled", "cuda") == ["torch", "compiled"]
    assert rivals.names_of("none", "cuda") == []
    with pytest.raises(UsageError, match="unknown rival"):
        rivals.names_of("jax", "cpu")


def test_a_result_in_host_memory_is_compared_there(monkeypatch):
    """PyTorch's results come back as NumPy arrays, among which CuPy's indices have no place."""
    monkeypatch.setattr(backend.loading, "_load_cupy", lambda: (cupy_stand_in.module(), ""))
    (case,) = cases.choose("gemm", "lenet5 fc1", "cpu", None)
    (subject,) = FAMILIES["gemm"](case, "cuda", "fp32", ["matmul.product"])
    assert oracle.near(subject.given.x @ subject.given.w, subject.expected, "float32")
    assert not oracle.near(subject.given.x @ subject.given.w * 2, subject.expected, "float32")


@pytest.mark.parametrize(("name", "channels_last"), [("3x3, stride 2, padded", False), ("2x2", True)])
def test_torch_takes_no_padded_average_gradient_in_channels_last(name, channels_last, monkeypatch):
    """pytorch/pytorch#188344: on CUDA it is wrong."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    taken = []
    monkeypatch.setattr(torch.ops.aten, "avg_pool2d_backward", lambda gy, x, *how: taken.extend((gy, x)))
    (case,) = (c for c in cases.TABLES["pool2d"] if c.name == name)
    (subject,) = FAMILIES["pool2d"](case, "cpu", "fp32", ["pool.avg_backward"])
    rivals.call("torch", subject, "cpu")()
    assert [array.is_contiguous(memory_format=torch.channels_last) for array in taken] == [channels_last] * 2
