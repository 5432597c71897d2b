"""Probes of this machine: NumPy, CuPy, the driver, the GPU, each CUDA library, the host's compiler.

Each probe stands alone: one that fails, in whatever way, says so in its own line and leaves the others be.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from gpunn import backend
from gpunn.backend.loading import nccl_of
from gpunn.errors import DeviceError
from gpunn.pictures.canvas import any_backend


@dataclass(frozen=True)
class Finding:
    """What a probe found: ``detail`` in words, and where it is not well the ``remedy``."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def report() -> str:
    """All findings as an aligned text. Never raises."""
    lines = [f"gpunn doctor: Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    for finding in examine():
        lines.append(f"  {'ok' if finding.ok else '--'}  {finding.name:<13} {finding.detail}")
        if not finding.ok and finding.remedy:
            lines.append(f"      {'':<13} mend: {finding.remedy}")
    return "\n".join(lines)


def examine() -> list[Finding]:
    """One finding a probe, in order from what everything needs to what few do."""
    return [_probe(name, probe, remedy()) for name, probe, remedy in PROBES]


def _probe(name: str, probe: Callable[[], str], remedy: str) -> Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy warns of what the finding itself says
            return Finding(name, True, probe())
    except (Exception, SystemExit) as error:
        first = (str(error).strip().splitlines() or ["says nothing"])[0]
        return Finding(name, False, first if isinstance(error, Missing) else f"{type(error).__name__}: {first}", remedy)


class Missing(Exception):
    """A probe's own words for what is not there."""


def _numpy() -> str:
    return f"{np.__version__}, {np.show_config(mode='dicts')['Build Dependencies']['blas']['name']}"


def _extra(module: str) -> Callable[[], str]:
    """A probe of an optional package."""

    def probe() -> str:
        found = importlib.import_module(module)
        return str(getattr(found, "__version__", "imports"))

    return probe


def _matplotlib() -> str:
    with any_backend():
        return str(importlib.import_module("matplotlib").__version__)


def _cupy() -> str:
    return str(_whole_cupy().__version__)


def _whole_cupy():
    """CuPy, or a short account of why not: each probe's line repeats it, so it has to be short."""
    try:
        return backend.require_cupy()
    except DeviceError as error:
        raise Missing(str(error).partition("; install")[0].removeprefix("device 'cuda': ")) from error


def _driver() -> str:
    """The driver's own library, so that a driver is found where CuPy is not."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise Missing(f"{name} does not load: no NVIDIA driver here") from error
    version = ctypes.c_int(0)
    status = library.cuDriverGetVersion(ctypes.byref(version))
    if status != 0 or version.value == 0:
        raise Missing(f"{name} loads but answers with error {status}")
    return f"takes CUDA up to {_cuda_version(version.value)}"


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _devices() -> str:
    runtime = _whole_cupy().cuda.runtime
    found = []
    for index in range(runtime.getDeviceCount()):
        properties = runtime.getDeviceProperties(index)
        gib = properties["totalGlobalMem"] / 2**30
        name = properties["name"].decode()
        found.append(f"cuda:{index} {name}, sm_{properties['major']}{properties['minor']}, {gib:.0f} GiB")
    if not found:
        raise Missing("CuPy finds no GPU")
    return "; ".join(found)


KERNEL = 'extern "C" __global__ void probe(float *x) { x[threadIdx.x] += 1.0f; }'


def _nvrtc() -> str:
    nvrtc = _whole_cupy().cuda.nvrtc
    _compile(nvrtc, KERNEL)
    return "compiles, version {}.{}".format(*nvrtc.getVersion())


def _headers() -> str:
    cupy = _whole_cupy()
    folder = _header_folder(cupy)
    _compile(cupy.cuda.nvrtc, f"#include <cuda_fp16.h>\n{KERNEL}", f"-I{folder}")
    return folder


def _header_folder(cupy) -> str:
    """The folder of cuda_fp16.h: the wheels' by way of cuda.pathfinder, which CuPy brings, else that of CUDA_PATH."""
    try:
        found = importlib.import_module("cuda.pathfinder").find_nvidia_header_directory("cudart")
    except ImportError:
        found = None
    root = found or (f"{path}/include" if (path := cupy.cuda.get_cuda_path()) else None)
    if not root:
        raise Missing("no folder with cuda_fp16.h was found")
    return str(root)


def _compile(nvrtc, source: str, *options: str) -> None:
    program = nvrtc.createProgram(source, "probe.cu", (), ())
    try:
        nvrtc.compileProgram(program, ("-arch=compute_80", *options))
    except Exception as error:
        log = nvrtc.getProgramLog(program).strip().splitlines()
        raise Missing(log[0] if log else str(error)) from error
    finally:
        nvrtc.destroyProgram(program)


def _cupy_module(name: str) -> Callable[[], str]:
    """A probe of a CUDA library through the CuPy module that binds it."""

    def probe() -> str:
        # By name, and only here: a broken library must not keep the rest of CuPy from being used.
        module = importlib.import_module(f"{_whole_cupy().__name__}.{name}")
        if not getattr(module, "available", True):
            raise Missing("the library does not load")
        return "loads"

    return probe


def _nccl() -> str:
    try:
        number = nccl_of(_whole_cupy()).get_version()
    except DeviceError as error:
        raise Missing("libnccl.so.2 does not load") from error
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


ASK_MPI = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"


def _mpi() -> str:
    """In a process of its own: an MPI that is not well may end the one that asks it."""
    try:
        found = f"mpi4py {metadata.version('mpi4py')}"
    except metadata.PackageNotFoundError as error:
        raise Missing("mpi4py is not installed") from error
    run = subprocess.run([sys.executable, "-c", ASK_MPI], capture_output=True, text=True, timeout=20)
    if run.returncode:
        raise Missing(f"{found} finds no MPI: {(run.stderr.strip().splitlines() or ['it says nothing'])[-1]}")
    library = " ".join(run.stdout.strip("\0\n").splitlines()[0].partition(",")[0].replace(" Version:", "").split())
    path = shutil.which("mpiexec", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))
    if path is None:
        raise Missing(f"{found}, {library}, but no mpiexec beside Python or on the PATH")
    return f"{found}, {library}, {path}"


def _compiler() -> str:
    path = shutil.which("g++") or shutil.which("clang++")
    if path is None:
        raise Missing("neither g++ nor clang++ is on the PATH")
    run = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True)
    return run.stdout.splitlines()[0]


def _cuda_major() -> int:
    """12 or 13: that of the CuPy that is installed, else of the newest CUDA that the driver takes, else 12."""
    for major in (13, 12):
        with suppress(metadata.PackageNotFoundError):
            metadata.version(f"cupy-cuda{major}x")
            return major
    try:
        return 13 if int(_driver().rsplit(" ", 1)[1].split(".")[0]) >= 13 else 12
    except Exception:
        return 12


def _pip(twelve: str, thirteen: str | None = None) -> Callable[[], str]:
    """The pip line for the CUDA version at hand."""
    return lambda: f'pip install "{twelve if _cuda_major() == 12 or thirteen is None else thirteen}"'


def _words(text: str) -> Callable[[], str]:
    return lambda: text


PROBES: list[tuple[str, Callable[[], str], Callable[[], str]]] = [
    ("numpy", _numpy, _pip("numpy>=2.0")),
    ("tqdm", _extra("tqdm"), _pip("tqdm")),
    ("matplotlib", _matplotlib, _pip("gpunn[plot]")),
    ("safetensors", _extra("safetensors"), _pip("gpunn[io]")),
    ("Pillow", _extra("PIL"), _pip("gpunn[image]")),
    ("ml_dtypes", _extra("ml_dtypes"), _words("pip install ml_dtypes; bfloat16 needs it")),
    ("compiler", _compiler, _words("apt-get install g++ (or your system's own package); the emulator needs it")),
    ("driver", _driver, _words("install NVIDIA's driver with your system's package manager; pip has none")),
    ("cupy", _cupy, _pip("gpunn[cuda12]", "gpunn[cuda13]")),
    ("device", _devices, _words("needs a CUDA GPU, its driver and CuPy; without one use --device cpu")),
    ("nvrtc", _nvrtc, _pip("nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc")),
    ("CUDA headers", _headers, _pip("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime")),
    ("cuBLAS", _cupy_module("cublas"), _pip("nvidia-cublas-cu12", "nvidia-cublas")),
    ("NCCL", _nccl, _pip("gpunn[nccl]", "nvidia-nccl-cu13")),
    ("MPI", _mpi, _pip("gpunn[mpi]")),
]
