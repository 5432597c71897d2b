"""The limits of this machine, measured at the start of a run, and how near a time comes to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.clocks import CudaClock
from bench.kernels.subjects import PRECISIONS
from gpunn import backend

TRIES = 5
CHAINS, STEPS = 8, 4096  # of peak.cu
MMA_FLOPS = 2 * 16 * 8 * 16  # of one instruction of a warp


@dataclass
class Roof:
    """copy: bytes a second, read and written; peaks: FLOP a second by precision; how: what reached each of them."""

    copy: float
    peaks: dict[str, float] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)

    def floor(self, flops: float, bytes_: float, precision: str) -> tuple[float, str]:
        """The fewest seconds for this work, and which limit binds: "memory" or "arithmetic"."""
        memory, arithmetic = bytes_ / self.copy, flops / self.peaks[precision]
        return (memory, "memory") if memory >= arithmetic else (arithmetic, "arithmetic")

    def json(self) -> dict[str, Any]:
        return asdict(self)


def measure(device: str, precisions: list[str], clock: Any) -> Roof | None:
    """The roof of a device for the precisions it computes; None on the emulator, whose time means nothing."""
    kind = backend.device(device).type
    if kind == "emulator":
        return None
    copy, peak = (_host_copy, _host_peak) if kind == "cpu" else (_cuda_copy, _cuda_peak)
    roof = Roof(copy(clock))
    for precision in precisions:
        if kind == "cuda" or precision in ("fp32", "fp64"):
            roof.peaks[precision], roof.how[precision] = peak(precision, clock)
    return roof


def _best(call: Callable[[], Any]) -> float:
    def once() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return min(once() for _ in range(TRIES + 1))


def _host_copy(clock: Any) -> float:
    """Copies 64 MB on all threads, well past the caches of most processors."""
    from gpunn.cpu.threads import parallel_for

    a, b = np.ones(16 << 20, np.float32), np.zeros(16 << 20, np.float32)
    pieces = 16
    step = a.size // pieces

    def copy(i: int) -> None:
        np.copyto(b[i * step :][:step], a[i * step :][:step])

    return 2 * a.nbytes / _best(lambda: parallel_for(copy, pieces))


def _host_peak(precision: str, clock: Any) -> tuple[float, str]:
    from gpunn.cpu.matmul import matmul

    n = 1024
    a = np.ones((n, n), PRECISIONS[precision])
    return 2 * n**3 / _best(lambda: matmul(a, a)), f"BLAS, a product of {n}x{n}"


def _cuda_copy(clock: CudaClock) -> float:
    a = clock.cupy.zeros(1 << 28, "float32")
    b = clock.cupy.empty_like(a)

    def copy() -> None:
        b.data.copy_from_device_async(a.data, a.nbytes, clock.cupy.cuda.get_current_stream())

    return 2 * a.nbytes / min(clock.once(copy)[0] for _ in range(TRIES))


def _cuda_peak(precision: str, clock: CudaClock) -> tuple[float, str]:
    """The better of a chain of multiply-adds in registers and a large matrix product of CuPy's cuBLAS."""
    found = [(_register_rate(precision, clock), "multiply-adds in registers (bench/kernels/peak.cu)")]
    try:
        found.append((_product_rate(precision, clock), "cuBLAS, a product of 8192x8192"))
    except Exception as error:  # cuBLAS may be missing in many ways, and takes not every type
        found.append((0.0, f"cuBLAS: {error}"))
    return max(found)


def register_macros(precision: str) -> dict[str, str]:
    """The macros of peak.cu: 16-bit types through the matrix units, the others through plain multiply-adds."""
    types = {"fp32": "float", "fp64": "double", "fp16": "f16", "bf16": "bf16"}
    name = types[precision]
    return {"T": "float", "MMA": f'"{name}"'} if name.endswith("f16") else {"T": name}


def register_source() -> str:
    return (Path(__file__).parent / "peak.cu").read_text()


def _register_rate(precision: str, clock: CudaClock) -> float:
    cupy = clock.cupy
    device = cupy.cuda.Device()
    macros = register_macros(precision)
    if "MMA" in macros and int(device.compute_capability) < 80:
        macros = {"T": "float"}
    text = "".join(f"#define {key} {value}\n" for key, value in macros.items()) + register_source()
    kernel = cupy.RawModule(code=text, options=("-std=c++17",)).get_function("peak")
    grid, threads = 8 * device.attributes["MultiProcessorCount"], 256
    out = cupy.zeros(grid * threads, "float64" if macros["T"] == "double" else "float32")
    seconds = min(clock.once(lambda: kernel((grid,), (threads,), (out, np.int32(STEPS))))[0] for _ in range(TRIES))
    each = MMA_FLOPS / 32 if "MMA" in macros else 2
    return grid * threads * CHAINS * STEPS * each / seconds


def _product_rate(precision: str, clock: CudaClock) -> float:
    from gpunn.verify import numpy_dtype

    n = 8192 if precision != "fp64" else 4096
    a = clock.cupy.ones((n, n), numpy_dtype(PRECISIONS[precision]))
    return 2 * n**3 / min(clock.once(lambda: clock.cupy.matmul(a, a))[0] for _ in range(TRIES))
