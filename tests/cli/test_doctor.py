"""The doctor never raises, whatever state CuPy is in, and each probe stands alone."""

from __future__ import annotations

import sys
import types
from unittest.mock import Mock

import pytest

from gpunn import backend, doctor
from gpunn.backend import loading
from gpunn.cli import main
from gpunn.errors import DeviceError

CUDA = ("cupy", "device", "nvrtc", "CUDA headers", "cuBLAS", "NCCL")


def findings():
    return {finding.name: finding for finding in doctor.examine()}


def test_every_probe_reports(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for name, *_ in doctor.PROBES:
        assert f"  {name} " in out
    assert "ok  numpy" in out


def test_without_cupy(monkeypatch):
    def absent():
        raise DeviceError("device 'cuda': CuPy is not installed; install it with pip")

    monkeypatch.setattr(backend, "require_cupy", absent)
    monkeypatch.setattr(doctor, "_cuda_major", lambda: 12)
    found = findings()
    for name in CUDA:
        assert not found[name].ok and found[name].detail == "CuPy is not installed"
    assert found["cupy"].remedy == 'pip install "gpunn[cuda12]"'
    assert found["numpy"].ok


def test_cupy_with_a_broken_part_leaves_the_others(monkeypatch):
    nvrtc = types.SimpleNamespace(
        createProgram=lambda *args: 1,
        compileProgram=lambda *args: None,
        destroyProgram=lambda program: None,
        getVersion=lambda: (13, 1),
    )

    def count():
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected\nmore")

    cuda = types.SimpleNamespace(nvrtc=nvrtc, runtime=types.SimpleNamespace(getDeviceCount=count))
    monkeypatch.setattr(
        backend, "require_cupy", lambda: types.SimpleNamespace(__name__="no_such_cupy", __version__="14.9", cuda=cuda)
    )
    monkeypatch.setattr(doctor, "_cuda_major", lambda: 13)
    found = findings()
    assert found["cupy"].ok and found["cupy"].detail == "14.9"
    assert found["nvrtc"].ok and found["nvrtc"].detail == "compiles, version 13.1"
    assert found["device"].detail == "RuntimeError: cudaErrorNoDevice: no CUDA-capable device is detected"
    assert found["cuBLAS"].detail.startswith("ModuleNotFoundError")
    assert found["cuBLAS"].remedy == 'pip install "nvidia-cublas"'
    assert found["NCCL"].remedy == 'pip install "nvidia-nccl-cu13"'


@pytest.mark.parametrize("error", [SystemExit(3), ImportError(""), RuntimeError("broken"), OSError("x\ny")])
def test_whatever_a_probe_raises(monkeypatch, error):
    def broken():
        raise error

    monkeypatch.setattr(backend, "require_cupy", broken)
    assert not any(findings()[name].ok for name in CUDA)
    assert "Traceback" not in doctor.report()


def test_without_the_numbers_of_bfloat16(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    found = findings()["ml_dtypes"]
    assert not found.ok and found.remedy == "pip install ml_dtypes; bfloat16 needs it"


def test_without_a_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = findings()["compiler"]
    assert found.detail == "neither g++ nor clang++ is on the PATH" and "apt-get install g++" in found.remedy


def test_the_libraries_of_several_processes(monkeypatch):
    cuda = types.SimpleNamespace(nccl=types.SimpleNamespace(available=True, get_version=lambda: 22705))
    monkeypatch.setattr(backend, "require_cupy", lambda: types.SimpleNamespace(cuda=cuda))
    assert doctor._nccl() == "2.27.5"
    cuda.nccl.available = False
    with pytest.raises(doctor.Missing, match=r"^libnccl\.so\.2 does not load$"):
        doctor._nccl()
    with pytest.raises(DeviceError, match=r'NCCL.*pip install "gpunn\[nccl\]"'):
        loading.nccl_of(backend.require_cupy())
    monkeypatch.setattr(doctor.metadata, "version", Mock(side_effect=doctor.metadata.PackageNotFoundError("mpi4py")))
    assert doctor._probe("MPI", doctor._mpi, "").detail == "mpi4py is not installed"
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "4.1")
    monkeypatch.setattr(doctor.shutil, "which", lambda name, path: f"/bin/{name}")
    monkeypatch.setattr(doctor, "ASK_MPI", "print('MPICH Version:      5.0.2\\nMPICH ABI:  17')")
    assert doctor._mpi() == "mpi4py 4.1, MPICH 5.0.2, /bin/mpiexec"
    monkeypatch.setattr(doctor, "ASK_MPI", "print('Open MPI v5.0.8, package: x\\n\\0')")
    assert doctor._mpi() == "mpi4py 4.1, Open MPI v5.0.8, /bin/mpiexec"
    monkeypatch.setattr(doctor.shutil, "which", lambda name, path: None)
    with pytest.raises(doctor.Missing, match=r"Open MPI v5\.0\.8, but no mpiexec"):
        doctor._mpi()
    monkeypatch.setattr(doctor, "ASK_MPI", "raise RuntimeError('cannot load MPI library')")
    with pytest.raises(doctor.Missing, match=r"mpi4py 4\.1 finds no MPI: RuntimeError: cannot load MPI library"):
        doctor._mpi()
