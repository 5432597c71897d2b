"""Blocks that wait for each other: grid barriers, locks and loops that look at memory, and those that can never end."""

import os

import numpy as np
import pytest

from gpunn import emulator
from gpunn.emulator import KernelError
from tests.emulator.ptx import with_ptx

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of threads that wait: in CI")
SWAP, BY_HAND, SLEEP, LOCK, FLAG, TWO_FLAGS, EARLY, UNEVEN, INSIDE, BOUNDED = range(10)
SOURCE = with_ptx(
    """
// A grid barrier as kernels write it by hand: thread 0 counts the blocks that have come, and looks until all have.
__device__ void meet(unsigned* counter, unsigned times, bool sleep) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(counter, 1u);
        while (*(volatile unsigned*)counter < times * gridDim.x) {
            if (sleep) __nanosleep(100);
        }
        __threadfence();
    }
    __syncthreads();
}
extern "C" __global__ void k(int which, const float* x, float* y, unsigned* counter, int wait) {
    __shared__ float own[64];
    extern __shared__ float more[];
    const int t = threadIdx.x, b = blockIdx.x, next = (b + 1) % gridDim.x;
    if (which <= 2) {                                   // a block's shared memory is its own, also while others run
        own[t] = x[b * 64 + t];
        more[t] = 2 * own[t];
        y[b * 64 + t] = own[t];
        for (int i = 1; i <= 2; i++) {
            if (wait && which == 0) grid_barrier(counter);
            if (wait && which > 0) meet(counter, 2 * i - 1, which == 2);
            const float v = y[next * 64 + t];
            if (which == 0) grid_barrier(counter);
            else meet(counter, wait ? 2 * i : i, which == 2);
            y[b * 64 + t] = v + own[t] + more[63 - t];
        }
    } else if (which == 3 && t == 0) {                  // a lock
        while (atomicCAS(counter, 0u, 1u)) {}
        const float before = y[0];
        __nanosleep(100);                               // while it is held, others try
        y[0] = before + 1;
        atomicExch(counter, 0u);
    } else if (which == 4) {                            // a warp that waits for another of its block
        volatile float* flag = more;
        if (t == 0) flag[0] = 0;
        __syncthreads();
        if (t >= 32) while (flag[0] == 0) {}
        if (t == 0) flag[0] = 1;
    } else if (which == 5 && t == 0) {                  // a block that waits for either of two places
        volatile unsigned* c = counter;
        while (b == 0 && c[0] == 0 && c[1] == 0) {}
        if (b == 1) c[1] = 1;
    } else if (which == 6) {
        if (b == 2) return;
        grid_barrier(counter);
    } else if (which == 7) {
        grid_barrier(counter);
        if (b != 1) grid_barrier(counter);
        else grid_barrier(counter + 1);
    } else if (which == 8) {
        if (b == 1 && t < 32) __syncthreads();
        grid_barrier(counter);
    } else if (which == 9 && t == 0) {                  // a loop that counts its tries ends
        for (int tries = 0; tries < 300 && *(volatile unsigned*)counter == 0; tries++) {}
        y[b] = 1;
    }
}
""",
    "barrier",
)


def run(which: int, wait: bool = True, blocks: int = 8, counter=None, **options) -> np.ndarray:
    x, y = np.arange(64 * blocks, dtype=np.float32), emulator.empty(64 * blocks)
    y[...] = 0
    counter = np.zeros(2, np.uint32) if counter is None else counter
    kernel = emulator.load(SOURCE, "k", filename="k.cu")
    kernel(blocks, 64, (which, x, y, counter, int(wait)), shared_bytes=256, **{"cooperative": True, **options})
    return np.asarray(y).reshape(blocks, 64)


def exchanged(blocks: int = 8) -> np.ndarray:
    x = np.arange(64 * blocks, dtype=np.float32).reshape(blocks, 64)
    y = x
    for _ in range(2):
        y = np.roll(y, -1, axis=0) + x + 2 * x[:, ::-1]
    return y


@pytest.mark.parametrize("which", [SWAP, BY_HAND, SLEEP])
def test_blocks_meet_at_a_grid_barrier(which):
    for schedule in emulator.schedules:
        np.testing.assert_array_equal(run(which, schedule=schedule), exchanged())


def test_a_grid_barrier_may_be_used_again_and_is_order():
    counter = np.zeros(2, np.uint32)
    for _ in range(2):
        np.testing.assert_array_equal(run(SWAP, counter=counter, strict=True), exchanged())


@pytest.mark.parametrize("which", [SWAP, BY_HAND])
def test_a_grid_barrier_left_out_is_found(which):
    with pytest.raises(KernelError, match=r"k: (y depends on the order|race: )"):
        run(which, wait=False, strict=True)


def test_a_lock_keeps_blocks_apart():
    for schedule in emulator.schedules:
        assert run(LOCK, schedule=schedule)[0, 0] == 8


def test_loops_that_look_at_memory_let_others_go_on():
    for schedule in emulator.schedules:
        run(FLAG, schedule=schedule, cooperative=False)
        run(TWO_FLAGS, schedule=schedule)
        assert (run(BOUNDED, schedule=schedule, cooperative=False).ravel()[:8] == 1).all()


def test_fewer_blocks_than_the_grid_run_together():
    assert run(LOCK, together=3, cooperative=False)[0, 0] == 8


SPIN = r"waits for counter\[0\] to change, which nothing can any more at ptx/barrier.cuh:\d+ from k.cu:\d+; "
NEVER = [
    (EARLY, {}, SPIN + r"block \(2, 0, 0\) has left the kernel; block \(0, 0, 0\), thread \(0, 0, 0\)"),
    (
        UNEVEN,
        {},
        SPIN + r"block \(1, 0, 0\), thread \(0, 0, 0\) waits at ptx/barrier.cuh:\d+ from k.cu:\d+; block \(0, 0, 0\)",
    ),
    (
        INSIDE,
        {},
        r"divergent barrier: \(0, 0, 0\) waits at k.cu:\d+, \(32, 0, 0\) at ptx/barrier.cuh:\d+; block \(1, 0, 0\)",
    ),
    (
        SWAP,
        {"cooperative": False},
        SPIN + r"blocks run one after the other here: if another is to change it, launch with cooperative=True; block",
    ),
    (
        BY_HAND,
        {"cooperative": False},
        r"waits for counter\[0\] to change, which nothing can any more at k.cu:8; blocks run one after the other here",
    ),
    (SLEEP, {"cooperative": False}, r"waits for (counter\[0\]|memory) to change, .* at k.cu:[89]; blocks run one "),
    (
        SWAP,
        {"cooperative": False, "together": 4},
        SPIN + r"block \(4, 0, 0\) has not begun: not all blocks may run together; block \(0, 0, 0\), thread",
    ),
]


@pytest.mark.parametrize(("which", "options", "words"), NEVER, ids=range(len(NEVER)))
def test_what_can_never_be_met_is_an_error_with_both_sides(which, options, words):
    with pytest.raises(KernelError, match="k: " + words):
        run(which, **options)


@in_ci
def test_a_loop_that_looks_at_two_places_ends():
    with pytest.raises(KernelError, match=r"k: waits for memory to change, which nothing can any more at k.cu:\d+"):
        run(TWO_FLAGS, blocks=1)


def test_accesses_of_blocks_that_run_together_are_counted_by_warps():
    with emulator.counting() as counts:
        run(SWAP)
    whole = [site for site in counts["k"].sites if site.space == "global" and site.lanes in (512, 1024)]
    assert len(whole) >= 4 and all(site.sectors == site.lanes // 8 for site in whole)


def test_a_kernel_built_without_checks_names_the_sides_without_their_lines():
    kernel = emulator.load(SOURCE, "k", filename="k.cu", checked=False)
    x, counter = np.arange(512, dtype=np.float32), np.zeros(2, np.uint32)
    y = emulator.empty(512)
    kernel((8,), (64,), (SWAP, x, y, counter, 1), shared_bytes=256, cooperative=True)
    np.testing.assert_array_equal(np.asarray(y).reshape(8, 64), exchanged())
    with pytest.raises(KernelError, match=r"can any more; block \(2, 0, 0\) has left the kernel; block \(0, 0"):
        kernel((8,), (64,), (EARLY, x, y, counter, 1), shared_bytes=256, cooperative=True)


def test_too_many_blocks_are_refused():
    with pytest.raises(ValueError, match=r"k: 300 blocks of 64 threads are to run together; the emulator runs at most"):
        run(SWAP, blocks=300)
    with pytest.raises(ValueError, match=r"k: together is 0; expected at least 1 block"):
        run(SWAP, together=0)
    with emulator.last_blocks(2), pytest.raises(ValueError, match=r"k: blocks that run together cannot be left out"):
        run(SWAP)


@in_ci
def test_as_many_as_may_run_together():
    np.testing.assert_array_equal(run(SWAP, blocks=256), exchanged(256))
