"""The suites as on a GPU, with no GPU: on arrays that refuse what CuPy's refuse, timed by the host's clock."""

import os
import types

import pytest

from bench import clocks, machine, run
from bench.__main__ import main
from bench.kernels import cases, roofline
from bench.output import results
from gpunn import backend
from gpunn.cuda import kernel
from tests import cupy_stand_in


@pytest.fixture(autouse=True)
def cuda(monkeypatch):
    if not backend.is_available("emulator"):
        pytest.skip("the stand-in runs kernels on the emulator, which is not available here (gpunn doctor says why)")
    module = cupy_stand_in.module()
    pool = types.SimpleNamespace(free_all_blocks=lambda: None)
    monkeypatch.setitem(module.__dict__, "get_default_memory_pool", lambda: pool)
    monkeypatch.setattr(backend.loading, "_load_cupy", lambda: (module, ""))
    monkeypatch.setattr(run, "CudaClock", clocks.Clock)
    monkeypatch.setattr(machine, "_gpu", lambda: {"gpu": "a stand-in"})
    roof = roofline.Roof(1e12, {"fp32": 1e13}, {"fp32": "made up"})
    monkeypatch.setattr(roofline, "measure", lambda kind, precisions, clock: roof)
    kernel._compiled.cache_clear()
    yield
    kernel._compiled.cache_clear()


in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="every tile once more, to be compiled: in CI")


@pytest.mark.parametrize(
    ("suite", "case", "alone"),
    [
        pytest.param("conv2d", "groups 2", {"im2col is written for one group and two dimensions"}, marks=in_ci),
        pytest.param("conv2d", "3x3, channels 4 and 8", set(), marks=in_ci),
        ("pool2d", "3x3, stride 2, padded", {"pool.max_backward is not written in array expressions here"}),
        ("batchnorm", "residual and relu", {"batch_norm.backward is not written in array expressions here"}),
        ("gemm", "resnet20 fc", set()),
    ],
)
def test_every_variant_is_timed_beside_cupys_own(suite, case, alone, tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "choose", lambda *how: [one for one in cases.TABLES[suite] if one.name == case])
    file = str(tmp_path / "rows.json")
    argv = ["--device", "cuda", "--repeats", "1", "--budget", "0", "--against", "cupy", "--json", file]
    assert main([suite, *argv]) == 0
    found = results.load(file)
    assert found["gpu"] == "a stand-in" and found["rivals"].keys() == {"cupy"}
    rows = [row for row in found["rows"] if row.status != "refused"]
    assert rows and all(row.status == "ok" and row.seconds and row.roofline for row in rows)
    assert {row.against["cupy"].reason for row in rows} - {None} == alone
    assert alone or all(row.against["cupy"].speed for row in rows)


def test_optimisers(tmp_path):
    file = str(tmp_path / "rows.json")
    argv = ["--device", "cuda", "--cases", "lenet5", "--repeats", "1", "--against", "none", "--json", file]
    assert main(["optim", *argv]) == 0
    assert len([row for row in results.load(file)["rows"] if row.status == "ok"]) == 5
