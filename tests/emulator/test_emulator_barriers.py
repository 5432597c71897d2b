"""Named barriers and mbarriers (kernels/ptx/barrier.cuh): the order that they make, and each misuse named."""

import os
import re

import numpy as np
import pytest

from gpunn import emulator
from gpunn.cuda import nvrtc
from gpunn.emulator import KernelError
from tests.emulator.ptx import with_ptx

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of NVRTC: in CI")

# One producer warp fills two stages in turn, two consumer warps take rows from them; one wait may be left out.
NAMED, MBARRIER, COPIES = range(3)
PIPELINE = """
__device__ void named(const float* x, float* y, int steps, int left_out) {
    __shared__ __align__(16) float stage[2][64];
    const int t = threadIdx.x % 64;
    for (int i = 0; i < steps; i++) {
        const int s = i % 2;
        if (threadIdx.x >= 64) {
            if (i > 1 && left_out != 1) barrier_wait(3 + s, 96);
            for (int j = t; j < 64; j += 32) stage[s][j] = x[i * 64 + j];
            barrier_arrive(1 + s, 96);
        } else {
            if (left_out != 2) barrier_wait(1 + s, 96);
            y[i * 64 + t] = stage[s][63 - t];
            if (i + 2 < steps && left_out != 1) barrier_arrive(3 + s, 96);
        }
    }
}
__device__ void counted(const float* x, float* y, int steps, int left_out, bool copies) {
    __shared__ __align__(16) float stage[2][64];
    __shared__ unsigned long long bars[4];     // full, full, empty, empty
    const int t = threadIdx.x % 64;
    Shared bar[4];
    for (int i = 0; i < 4; i++) bar[i] = shared_address(bars + i);
    if (threadIdx.x == 0) for (int i = 0; i < 4; i++) mbarrier_init(bar[i], i < 2 ? 32 : 2);
    if (left_out != 3) __syncthreads();
    for (int i = 0; i < steps; i++) {
        const int s = i % 2, parity = i / 2 % 2;
        if (threadIdx.x >= 64) {
            if (left_out != 1) mbarrier_wait(bar[2 + s], parity ^ 1);
            for (int j = t; j < 64 && !copies; j += 32) stage[s][j] = x[i * 64 + j];
            if (copies && t < 16) copy_async(shared_address(&stage[s][4 * t]), x + i * 64 + 4 * t, true);
            if (copies) mbarrier_arrive_copies(bar[s]);
            else mbarrier_arrive(bar[s]);
        } else {
            while (left_out != 2 && !mbarrier_test(bar[s], parity)) {}
            y[i * 64 + t] = stage[s][63 - t];
            __syncwarp();
            if (t % 32 == 0) mbarrier_arrive(bar[2 + s]);
        }
    }
}
extern "C" __global__ void k(int which, const float* x, float* y, int steps, int left_out) {
    y += blockIdx.x * 64 * steps;
    if (which == 0) named(x, y, steps, left_out);
    else counted(x, y, steps, left_out, which == 2);
}
"""
SOURCE = with_ptx(PIPELINE, "barrier", "copy")


def run_pipeline(which: int, left_out: int = 0, **options) -> None:
    steps = 5
    x, y = np.arange(64 * steps, dtype=np.float32), emulator.empty(2 * 64 * steps)
    emulator.load(SOURCE, "k", filename="k.cu")(2, 96, (which, x, y, steps, left_out), **options)
    np.testing.assert_array_equal(y.reshape(2, -1), [x.reshape(steps, 64)[:, ::-1].ravel()] * 2)


@pytest.mark.parametrize("which", [NAMED, MBARRIER, COPIES], ids=["named", "mbarrier", "copies"])
def test_producer_and_consumer_warps_keep_their_order(which):
    for schedule in emulator.schedules:
        run_pipeline(which, schedule=schedule)
    run_pipeline(which, strict=True)


@pytest.mark.parametrize("which", [NAMED, MBARRIER, COPIES], ids=["named", "mbarrier", "copies"])
@pytest.mark.parametrize("left_out", [1, 2])
def test_a_wait_left_out_is_found(which, left_out):
    words = r"k: race: .* shared stage|still filling|twice before its 96|of which two have ended"
    with pytest.raises(KernelError, match=words):
        run_pipeline(which, left_out, strict=True)


def test_an_mbarrier_wants_a_barrier_between_its_making_and_its_use():
    words = r"k: uses the mbarrier shared bars at byte \d+ with no __syncthreads since at ptx/barrier.cuh:\d+ from k.cu"
    with pytest.raises(KernelError, match=words + r":\d+; thread \(0, 0, 0\) made it at ptx/barrier.cuh"):
        run_pipeline(MBARRIER, left_out=3, strict=True)


HALF = r"which can never open: 32 of its 64 threads have come at ptx/barrier.cuh:\d+ from "
UNMADE = r"as an mbarrier, which was never initialised \(mbarrier_init\) at ptx/barrier.cuh:\d+ from LINE0; block"
UNENDED = r"waits for the mbarrier shared bars at byte 0, whose phase 0 can never end: "
MAKE = "if (t == 0) mbarrier_init(bar, 64);\n__syncthreads();\n"
MISUSE = [  # a body, each line of which becomes one of k.cu's; what is said of it, LINEi being its i-th
    ("barrier_wait(1, 48);", r"named barrier 1 for 48 threads: expected a multiple of 32, at most the block's 64 at"),
    ("barrier_wait(1, 96);", r"named barrier 1 for 96 threads: expected a multiple of 32, at most the block's 64"),
    ("barrier_wait(0, 64);", r"there is no named barrier 0; expected 1 to 15 \(0 is __syncthreads's\) at .*LINE0;"),
    (
        "barrier_wait(1, warp ? 32 : 64);",
        r"comes to named barrier 1 for 32 threads at .*LINE0; thread \(0, 0, 0\) came to it for 64 at "
        r"ptx/barrier.cuh:\d+ from LINE0; block \(0, 0, 0\), thread \(32, 0, 0\)",
    ),
    (
        "barrier_arrive(1, 64); barrier_arrive(1, 64);",
        r"comes to named barrier 1 twice before its 64 threads have come \(1 have\): more arrivals than the count; ",
    ),
    (
        "if (warp) barrier_wait(1, 64);",
        rf"waits for named barrier 1, {HALF}LINE0; thread \(0, 0, 0\) has left the kernel; block \(0, 0, 0\), thread "
        r"\(32, 0, 0\)",
    ),
    (
        "if (warp) barrier_wait(3, 64);\nelse barrier_wait(2, 64);",
        rf"waits for named barrier 2, {HALF}LINE1; thread \(32, 0, 0\) waits at ptx/barrier.cuh:\d+ from LINE0",
    ),
    (
        "if (warp) barrier_wait(4, 64);\nelse __syncthreads();",
        rf"waits for named barrier 4, {HALF}LINE0; thread \(0, 0, 0\) waits at LINE1",
    ),
    ("mbarrier_arrive(bar);", rf"uses shared bars at byte 0 {UNMADE}"),
    ("mbarrier_wait(bar + 8, 0);", rf"uses shared bars at byte 8 {UNMADE}"),
    (
        "mbarrier_init(bar + 8, 64);",
        r"initialises shared bars at byte 8, which is an mbarrier already at .*; thread \(0, 0, 0\) made it at "
        r"ptx/barrier.cuh:\d+ from LINE0",
    ),
    ("mbarrier_init(bar, 0);", r"an mbarrier for 0 arrivals: expected 1 to 1048575 at .*LINE0"),
    ("mbarrier_init(bar + 4, 1);", r"writes 8 bytes of shared bars from element 4 .*, which is no multiple of 8 bytes"),
    (
        MAKE.replace("64", "65") + "mbarrier_arrive(bar);\nif (t == 7) mbarrier_wait(bar, 0);",
        rf"{UNENDED}64 of its 65 arrivals have come at ptx/barrier.cuh:\d+ from LINE3; thread \(0, 0, 0\) has left the "
        r"kernel; block \(0, 0, 0\), thread \(7, 0, 0\)",
    ),
    (f"{MAKE}while (t && !mbarrier_test(bar, 0)) {{}}", rf"{UNENDED}0 of its 64 arrivals have come at .*LINE2"),
    (
        f"{MAKE}if (t == 0) bars[0] = 0;\n__syncthreads(); mbarrier_arrive(bar);",
        r"finds the mbarrier shared bars at byte 0 overwritten by data at .*LINE3; thread \(0, 0, 0\) made it",
    ),
    (
        f"{MAKE}for (int i = 0; i < 4 && warp; i++) mbarrier_arrive(bar);\nif (!warp) mbarrier_wait(bar, 0);",
        r"waits for a phase of the mbarrier shared bars at byte 0, of which two have ended before it went on: on a GPU",
    ),
]


def kernel_of_misuse() -> tuple[str, list[int]]:
    """One kernel of all the bodies, `which` choosing, and the line on which each begins."""
    lines = ['extern "C" __global__ void k(int which) {', "__shared__ unsigned long long bars[2];"]
    lines += ["const int t = threadIdx.x, warp = t / 32; const Shared bar = shared_address(bars);"]
    begins = []
    for i, (body, _) in enumerate(MISUSE):
        lines.append(f"if (which == {i}) {{")
        begins.append(len(lines) + 1)
        lines += [*body.split("\n"), "}"]
    return with_ptx("\n".join([*lines, "}"]), "barrier"), begins


@pytest.mark.parametrize("which", range(len(MISUSE)))
def test_misuse_of_a_barrier_is_named(which):
    source, begins = kernel_of_misuse()
    words = re.sub(r"LINE(\d)", lambda m: f"k.cu:{begins[which] + int(m[1])}", MISUSE[which][1])
    with pytest.raises(KernelError, match="k: " + words):
        emulator.load(source, "k", filename="k.cu")(1, 64, (which,))


@in_ci
@pytest.mark.parametrize("architecture", [80, "90a"])
def test_the_wrappers_compile(architecture):
    cubin, log = nvrtc.Compiler().cubin(SOURCE, "k.cu", architecture)
    assert cubin and " 0 bytes spill stores" in log
