"""Planted bugs, more than twelve kinds: a strict launch names each, with its array, its element and its lines."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gpunn import emulator
from gpunn.emulator import KernelError

F = 'extern "C" __global__ void k(const float* x, float* y, int n) {\n'
WAIT, MEET, FENCE = "gpunn_host::cp_async_wait(1);", "__syncthreads();", "__threadfence();"


def staged(wait: str, behind: str) -> str:
    """Sums of rows of x, reversed, through two stages: each is copied into while the other is read."""
    return f"""{F}__shared__ float stage[2][64];
    int t = threadIdx.x;
    float sum = 0;
    gpunn_host::cp_async(&stage[0][t], x + t, 4, 4);
    gpunn_host::cp_async_commit();
    for (int i = 0; i < n; i++) {{
        if (i + 1 < n) gpunn_host::cp_async(&stage[(i + 1) % 2][t], x + (i + 1) * 64 + t, 4, 4);
        gpunn_host::cp_async_commit(); {wait}
        sum += stage[i % 2][63 - t]; {behind}
    }}
    y[t] = sum;
}}"""


def ticket(before: str, after: str) -> str:
    """The sum of x by the last block to come: the others leave their parts in y."""
    return f"""{F}__shared__ bool last;
    if (threadIdx.x == 9) y[1 + blockIdx.x] = x[blockIdx.x];
    {before}
    if (threadIdx.x == 0) last = atomicAdd((int*)y, 1) == gridDim.x - 1;
    {after} __syncthreads();
    if (!last || threadIdx.x != 5) return;
    float sum = 0;
    for (int i = 0; i < gridDim.x; i++) sum += y[1 + i];
    y[0] = sum;
}}"""


HALO = f"""{F}__shared__ float tile[66];
    int t = threadIdx.x, at = blockIdx.x * 64 + t;
    tile[t + 1] = x[at];
    if (t == 0) tile[0] = at ? x[at - 1 + n] : 0;
    if (t == 63 && FILLED) tile[65] = at < 127 ? x[at + 1] : 0;
    __syncthreads();
    y[at] = tile[t] + tile[t + 2];
}}"""
REVERSED = f"""{F}__shared__ float tile[64]; tile[threadIdx.x] = x[threadIdx.x];
    BARRIER y[threadIdx.x] = tile[63 - threadIdx.x];
}}"""
PARTS = f"""{F}__shared__ float part[8]; float sum = 0;
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x[threadIdx.x];
    __syncthreads();
    for (int i = 0; i < n; i++) sum += part[i];
    y[threadIdx.x] = sum;
}}"""
OVER = f"""{F}__shared__ float s[32]; int t = threadIdx.x;
    gpunn_host::cp_async(&s[t], x + t, 4, 4);
    s[t] = 0;
    gpunn_host::cp_async_wait_all(); y[t] = s[t];
}}"""

BUGS = {  # kind: kernel, grid, block, n, words
    "missing barrier": (
        REVERSED.replace("BARRIER", ""), 1, 64, 0,
        r"race: writes shared tile at byte \d+ at k\.cu:2, which thread \(\d+, 0, 0\) read at k\.cu:3 with no barrier",
    ),
    "copy into a stage that is still read": (
        staged(WAIT + MEET, ""), 1, 64, 4,
        r"reads shared stage at byte \d+ at k\.cu:10, which a cp\.async of thread \(\d+, 0, 0\) at k\.cu:8 is still",
    ),
    "copy read before its wait": (
        staged(MEET, MEET), 1, 64, 4,
        r"reads shared stage at byte 252 at k\.cu:10, which a cp\.async of thread \(63, 0, 0\) at k\.cu:5 is still",
    ),
    "copy waited for, and no barrier": (
        staged("gpunn_host::cp_async_wait(0);", MEET), 1, 64, 1,
        r"race: .* shared stage at byte \d+ at k\.cu:\d+, which thread \(\d+, 0, 0\) (read|wrote) at k\.cu:\d+ with no",
    ),
    "copy written over": (
        OVER, 1, 32, 0,
        r"writes shared s at byte 0 at k\.cu:4, which a cp\.async of thread \(0, 0, 0\) at k\.cu:3 is still filling",
    ),
    "halo left out": (
        HALO.replace("FILLED", "blockIdx.x"), 2, 64, 0,
        r"reads shared tile at byte 260 at k\.cu:8, which no thread of the block has written, and a result",
    ),
    "tile off by one": (
        F + "for (int i = threadIdx.x; i <= n; i += 32) y[i] = x[i]; }", 1, 32, 256,
        r"reads x\[256\] past the end at k\.cu:2: x has 256 elements of float32, shape \(256,\)",
    ),
    "store past the end": (
        F + "y[threadIdx.x + n] = x[threadIdx.x]; }", 1, 32, 240, r"writes y\[256\] past the end at k\.cu:2: y has 256"
    ),
    "store through const": (F + "const_cast<float*>(x)[n] = 1; }", 1, 1, 3, r"writes x\[3\] at k\.cu:2, but takes x"),
    "misaligned vector": (
        F + "*(float4*)(y + n + 4 * threadIdx.x) = float4(); }", 1, 4, 1,
        r"writes 16 bytes of y from element 1 at k\.cu:2, which is no multiple of 16 bytes in memory",
    ),
    "uninitialised shared memory": (
        PARTS, 1, 128, 8, r"reads shared part at byte 16 at k\.cu:5, which no thread of the block has written, and"
    ),
    "race in a block": (
        F + "y[n] += 1; }", 1, 512, 0,
        r"race: reads y\[0\] at k\.cu:2, which thread \(0, 0, 0\) wrote at k\.cu:2 with no barrier between; "
        r"block \(0, 0, 0\), thread \(1, 0, 0\)",
    ),
    "race between blocks": (
        F + "y[n] += 1; }", 2, 1, 7,
        r"race: reads y\[7\] at k\.cu:2, which thread \(0, 0, 0\) of block \(0, 0, 0\) wrote at k\.cu:2, and nothing "
        r"orders the blocks: .*; block \(1, 0, 0\), thread \(0, 0, 0\)",
    ),
    "no fence before the ticket": (
        ticket(MEET, FENCE), 4, 32, 0,
        r"race: reads y\[1\] at k\.cu:9, which thread \(9, 0, 0\) of block \(0, 0, 0\) wrote at k\.cu:3, and nothing",
    ),
    "no fence after the ticket": (
        ticket(FENCE + MEET, ""), 4, 32, 0, r"race: reads y\[1\] at k\.cu:9, .* nothing orders the blocks: one has to"
    ),
    "ticket drawn before all have written": (
        ticket(FENCE, FENCE), 4, 32, 0, r"race: reads y\[1\] at k\.cu:9, .* nothing orders the blocks"
    ),
    "divergent barrier": (
        F + "if (threadIdx.x < 7) __syncthreads();\ny[threadIdx.x] = 0; }", 1, 32, 0,
        r"divergent barrier: 7 of 32 threads wait at k\.cu:2, 25 have left the kernel",
    ),
}  # fmt: skip
X = np.arange(256, dtype=np.float32)


def run(kernel: str, grid: int, block: int, n: int, y: np.ndarray | None = None, **options) -> np.ndarray:
    y = np.zeros(256, np.float32) if y is None else y
    emulator.load(kernel, "k", filename="k.cu")(grid, block, (X, y, n), strict=True, **options)
    return y


@pytest.mark.parametrize("kind", BUGS)
def test_a_strict_launch_names_the_bug(kind):
    *launch, words = BUGS[kind]
    with pytest.raises(KernelError, match=rf"^k: {words}"):
        run(*launch)


def test_an_uninitialised_sum_is_named():
    kernel = F + "for (int i = 0; i < n; i++) y[threadIdx.x] += x[i]; }"
    words = (
        r"^k: reads y\[0\] at k\.cu:2, which neither the caller nor a kernel has written, and a result shows it; fill"
    )
    with pytest.raises(KernelError, match=words):
        run(kernel, 1, 32, 8, emulator.empty(32))
    assert run(kernel, 1, 32, 8)[0] == X[:8].sum()


def test_without_rules_the_arrival_of_copies_still_tells():
    """A copy into a stage that is still read passes wherever its data come late."""
    words = r"^k: y depends on when copies arrive: element \d+ in memory is .* when the data of cp\.async come at its w"
    with pytest.raises(KernelError, match=words + r"ait and .* when they come at its issue; a stage is copied into"):
        run(staged(WAIT + MEET, ""), 1, 64, 4, races=False)


def test_a_halo_from_the_wrong_row_is_left_to_the_oracle():
    """It lies inside its array: no rule is broken, and `gpunn verify` compares."""
    want = np.concatenate([[0], X[:127]]) + np.concatenate([X[1:128], [0]])
    kernel = HALO.replace("FILLED", "true")
    np.testing.assert_array_equal(run(kernel, 2, 64, 0)[:128], want)
    assert np.flatnonzero(run(kernel, 2, 64, 1)[:128] != want).tolist() == [64]


def test_the_same_kernels_mended_pass():
    rows = X.reshape(4, 64).sum(0)[::-1]
    np.testing.assert_array_equal(run(staged(WAIT + MEET, MEET), 1, 64, 4)[:64], rows)
    np.testing.assert_array_equal(run(REVERSED.replace("BARRIER", MEET), 1, 64, 0)[:64], X[63::-1])
    assert run(PARTS, 1, 128, 4)[0] == 32 + 64 + 96
    for kernel in (ticket(FENCE + MEET, FENCE), ticket(MEET + FENCE, FENCE)):
        assert run(kernel, 4, 32, 0)[0] == 6


# Blocks 0 and 1 leave parts, and so do 2 and 3; the last of a pair adds its two, the last pair those.
TWO_ROUNDS = f"""
__device__ bool last(int* ticket, int count) {{
    DREW
}}
{F}int* tickets = (int*)y; float* part = y + 4;
    part[blockIdx.x] = x[blockIdx.x];
    int pair = blockIdx.x / 2 * 2;
    if (!last(tickets + pair, 2)) return;
    part[pair] += part[pair + 1];
    if (last(tickets + 1, 2)) y[8] = part[0] + part[2];
}}"""
DREW = "__threadfence(); bool is = atomicAdd(ticket, 1) == count - 1; __threadfence(); return is;"


def test_order_goes_through_tickets_of_two_rounds():
    assert run(TWO_ROUNDS.replace("DREW", DREW), 4, 1, 0)[8] == 6
    for fence in (DREW.replace("__threadfence(); bool", "bool"), DREW.replace("1; __threadfence();", "1;")):
        with pytest.raises(KernelError, match=r"k: race: reads y\[[4567]\] at .*, and nothing orders the blocks"):
            run(TWO_ROUNDS.replace("DREW", fence), 4, 1, 0)


@pytest.mark.parametrize(
    ("body", "grid", "block", "words"),
    [
        ("atomicAdd(y, 1.0f); }", 2, 64, ""),
        ("atomicAdd(y, 1.0f);\nif (threadIdx.x == 40) y[0] = 0; }", 1, 64, r"race: writes y\[0\] at k\.cu:[23], which"),
        ("atomicAdd(y, 1.0f); __syncthreads();\nif (threadIdx.x == 40) y[0] = 0; }", 1, 64, ""),
        ("y[threadIdx.x] = y[threadIdx.x + 1]; }", 1, 64, r"race: .* y\[\d+\] at k\.cu:2, .* with no barrier between"),
        ("float v = y[threadIdx.x + 1]; __syncthreads(); y[threadIdx.x] = v; }", 1, 64, ""),
        ("float v = y[threadIdx.x + 1]; __syncwarp(); y[threadIdx.x] = v; }", 1, 32, ""),
        ("float v = y[threadIdx.x + 1]; __syncwarp(); y[threadIdx.x] = v; }", 1, 64, r"race: .* y\[32\] at k\.cu:2"),
        ("int i = blockIdx.x * 32 + threadIdx.x; float v = y[i + 1]; __syncthreads(); y[i] = v; }", 2, 32, r"race: "),
    ],
)  # fmt: skip
def test_what_orders_accesses_of_global_memory(body, grid, block, words):
    if not words:
        run(F + body, grid, block, 0)
        return
    with pytest.raises(KernelError, match=f"^k: {words}"):
        run(F + body, grid, block, 0)


HALVES = F + "((short*)y)[threadIdx.x] = n; if (n) __syncthreads(); y[64 + threadIdx.x] = y[threadIdx.x / 4]; }"


def test_neighbours_in_one_word_do_not_race():
    """Two threads write a half each; who reads the word before a barrier races with the other."""
    run(HALVES, 1, 64, 1)
    with pytest.raises(KernelError, match=r"k: race: (reads|writes) y\[\d+\] at k\.cu:2, which thread"):
        run(HALVES, 1, 64, 0)


def test_what_launches_leave_unwritten_is_kept():
    fill, read = F + "if (threadIdx.x != 3) y[threadIdx.x] = -1; }", F + "y[threadIdx.x] = -y[threadIdx.x]; }"
    y = emulator.empty(32)
    run(fill, 1, 32, 0, y)
    with pytest.raises(KernelError, match=r"k: reads y\[3\] at k\.cu:2, which neither the caller nor a kernel has wr"):
        run(read, 1, 32, 0, y)
    y[3] = 2
    assert run(read, 1, 32, 0, y)[3] == -2
    y = emulator.empty(32)
    emulator.load(fill, "k")(1, 32, (X, y, 0))  # not strict: who knows what it wrote
    run(read, 1, 32, 0, y)
    for write in (lambda a: a.fill(-1), lambda a: np.copyto(a, -1), lambda a: np.subtract(a, a + 1, out=a)):
        y = emulator.empty(32, np.int32)
        write(y)  # 0xFF bytes, written
        run(F + "((int*)y)[threadIdx.x] += 1; }", 1, 32, 0, y.view(np.float32))
    y = emulator.empty(32, np.int32)
    y.view(np.ndarray)[...] = 0
    for _ in range(2):  # what the first one makes of it is 0xFF bytes
        run(F + "((int*)y)[threadIdx.x] -= 1; }", 1, 32, 0, y.view(np.float32))


def test_a_part_of_a_vector_may_be_unwritten():
    y = emulator.empty(32)
    y[:9] = 1
    kernel = F + "float4 v = ((float4*)y)[threadIdx.x]; y[16 + threadIdx.x] = v.x; }"
    assert run(kernel, 1, 3, 0, y)[16:19].tolist() == [1, 1, 1]
    with pytest.raises(KernelError, match=re.escape("k: reads y[12] at k.cu:2, which neither the caller nor a kernel")):
        run(kernel, 1, 4, 0, y)
