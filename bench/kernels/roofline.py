"""The limits of this machine, measured at the start of a run, and how near a time comes to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.clocks import Call
from gpunn.cpu.matmul import matmul
from gpunn.cpu.threads import parallel_for

TRIES = 5
CHAINS, STEPS = 8, 4096  # of peak.cu
DEPTHS = {"f16": 16, "bf16": 16, "tf32": 8}  # of one instruction of the matrix units, 16 rows by 8 columns
HOST_PRECISIONS = ("fp32", "fp64")  # that NumPy's twins compute in
NOT_ON_HOST = "{} on cpu is fp32, then rounded: its time says nothing"
TYPES = {"fp32": "float", "fp64": "double", "fp16": "f16", "bf16": "bf16", "tf32": "tf32"}


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


def measure(kind: str, precisions: list[str], clock: Any) -> Roof:
    """The roof of the device "cpu" or "cuda", for the precisions it computes in."""
    copy, peak = (_host_copy, _host_peak) if kind == "cpu" else (_cuda_copy, _cuda_peak)
    roof = Roof(copy(clock))
    for name in precisions:
        if kind == "cuda" or name in HOST_PRECISIONS:
            roof.peaks[name], roof.how[name] = peak(name, clock)
    return roof


def _seconds(call: Call, clock: Any) -> float:
    return min(clock.once(call)[0] for _ in range(TRIES))


def _host_copy(clock: Any) -> float:
    """A copy of 64 MB on all threads: well past the caches of most processors."""
    a, b = np.ones((16, 1 << 20), np.float32), np.zeros((16, 1 << 20), np.float32)
    return 2 * a.nbytes / _seconds(lambda: parallel_for(lambda i: np.copyto(b[i], a[i]), 16), clock)


def _cuda_copy(clock: Any) -> float:
    a = clock.cupy.zeros(1 << 28, "float32")
    b, stream = clock.cupy.empty_like(a), clock.cupy.cuda.get_current_stream()
    return 2 * a.nbytes / _seconds(lambda: b.data.copy_from_device_async(a.data, a.nbytes, stream), clock)


def _host_peak(precision: str, clock: Any) -> tuple[float, str]:
    a = np.ones((1024, 1024), "float64" if precision == "fp64" else "float32")
    return 2 * 1024**3 / _seconds(lambda: matmul(a, a), clock), "BLAS, a product of 1024x1024"


def _cuda_peak(precision: str, clock: Any) -> tuple[float, str]:
    """The better of a chain of multiply-adds in registers and a large matrix product of CuPy's cuBLAS."""
    found = [(_register_rate(precision, clock), "multiply-adds in registers (bench/kernels/peak.cu)")]
    try:
        found.append((_product_rate(precision, clock), "cuBLAS, a product of 8192x8192"))
    except Exception as error:  # cuBLAS may be missing in many ways, and takes not every type
        found.append((0.0, f"cuBLAS: {error}"))
    return max(found)


def register_macros(precision: str) -> dict[str, str]:
    """The macros of peak.cu: 16-bit types and TF32 through the matrix units, the others through plain multiply-adds."""
    name = TYPES[precision]
    return {"T": "float", "MMA": f'"{name}"', "SHAPE": f'"m16n8k{DEPTHS[name]}"'} if name in DEPTHS else {"T": name}


def register_source(macros: dict[str, str]) -> str:
    text = (Path(__file__).parent / "peak.cu").read_text()
    return "".join(f"#define {key} {value}\n" for key, value in macros.items()) + text


def _register_rate(precision: str, clock: Any) -> float:
    cupy, macros = clock.cupy, register_macros(precision)
    device = cupy.cuda.Device()
    if "MMA" in macros and int(device.compute_capability) < 80:
        macros = {"T": "float"}
    kernel = cupy.RawModule(code=register_source(macros), options=("-std=c++17",)).get_function("peak")
    grid, threads = 8 * device.attributes["MultiProcessorCount"], 256
    out = cupy.zeros(grid * threads, "float64" if macros["T"] == "double" else "float32")
    seconds = _seconds(lambda: kernel((grid,), (threads,), (out, np.int32(STEPS))), clock)
    each = 2 * 16 * 8 * DEPTHS[TYPES[precision]] / 32 if "MMA" in macros else 2
    return grid * threads * CHAINS * STEPS * each / seconds


def _product_rate(precision: str, clock: Any) -> float:
    from bench.kernels.subjects import PRECISIONS
    from gpunn.verify import numpy_dtype

    if precision == "tf32":
        raise ValueError("CuPy multiplies float32 as it is")
    n = 8192 if precision != "fp64" else 4096
    a = clock.cupy.ones((n, n), numpy_dtype(PRECISIONS[precision]))
    return 2 * n**3 / _seconds(lambda: clock.cupy.matmul(a, a), clock)
