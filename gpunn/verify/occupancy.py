"""How well a launch fills an H200, and the time it should take, from its plan alone: no array, no compiler, no GPU.

A launch of tiles (macros BM, BN) multiplies in steps of depth. Its arithmetic takes

    FLOP / (PEAK x share x tile fill x depth fill x wave efficiency x latency factor)

- share: FFMA among the instructions of the main loop (kernels/sass.json).
- tile fill: outputs over the places of all tiles. depth fill: the multiply-adds of an output over the depth that its
  block walks: whole steps, the halo's too, and EDGE steps more for the first fetch and the last store.
- waves: a multiprocessor holds so many blocks at once (kernels/resources.json has their registers); the grid runs as
  full waves, and a last one of what is left. Wave efficiency: mean blocks of a multiprocessor over the most of any.
- latency factor: of w warps that are there together a quarter of the lanes has ceil(w / 4), and they multiply at
  w / (w + WARPS) of the rate: barriers and fetches leave gaps that only other warps fill.

Memory takes the bytes of the kernel's header at COPY. The larger of the two counts, and a graph's node. The floor is
all FLOP at PEAK or all bytes at COPY. PEAK, COPY and NODE are measured on an H200 (2026-11-26: multiply-adds in
registers, a copy, graphs of 40 to 700 nodes). WARPS and EDGE are fitted to the convolutions of ResNet-50 of
bench/results/conv2d-cuda-h200-2026-11-26.json, which tests/kernels/test_occupancy.py compares.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from gpunn.cuda import conv_variants, gemm, source
from gpunn.cuda.conv_pool_variants import ConvPool, best_share
from gpunn.cuda.dtypes import pack
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv, Problem
from gpunn.cuda.products import LinearBackward, Product
from gpunn.verify.launches import label

PEAK, COPY, NODE = 55.6e12, 4.23e12, 1.75e-6  # FLOP a second, bytes a second, seconds
WARPS, EDGE, LANE_GROUPS = 1.5, 2, 4
UNTILED = 0.03  # share of a thread an output, both operands from memory: 0.5 to 6 TFLOP/s were measured
MULTIPROCESSORS, REGISTERS, SHARED, MOST_WARPS, MOST_BLOCKS = 132, 65536, 228 * 1024, 64, 32  # sm_90's
RESERVED = 1024  # bytes of shared memory a block that the driver keeps
ARCHITECTURE = "90"


class Work(NamedTuple):
    """What so many blocks do: all their outputs; of each the depth it walks, in steps of ``step``, and its places."""

    blocks: int
    outputs: int
    depth: float
    step: int
    places: int

    @property
    def walked(self) -> int:
        """Depth, whole steps and EDGE more."""
        return (math.ceil(self.depth / self.step - 1e-9) + EDGE) * self.step


class Fit(NamedTuple):
    """A launch on the card: the warps that a multiprocessor holds, the factors above, FLOP and bytes."""

    warps: int
    share: float
    tile: float
    depth: float
    wave: float
    latency: float
    flops: int
    bytes: int

    @property
    def arithmetic(self) -> float:
        """Seconds."""
        return self.flops / (PEAK * self.share * self.tile * self.depth * self.wave * self.latency)

    @property
    def memory(self) -> float:
        """Seconds."""
        return self.bytes / COPY

    @property
    def seconds(self) -> float:
        """Of the launch as a graph's node."""
        return max(self.arithmetic, self.memory) + NODE

    @property
    def bound(self) -> str:
        """What costs most: the node, memory, or the smallest factor of the arithmetic."""
        if max(self.arithmetic, self.memory) <= NODE:
            return "node"
        factors = {name: getattr(self, name) for name in ("share", "tile", "depth", "wave", "latency")}
        return "memory" if self.memory > self.arithmetic else min(factors, key=factors.__getitem__)


@cache
def _table(name: str) -> Mapping[str, Mapping[str, Mapping[str, list[int] | float]]]:
    return json.loads((source.folder() / name).read_text())


def _kept(name: str, launch: Launch, dtype: str) -> list[int] | float:
    """A table's entry for sm_90. Raises KeyError with the remedy where a plan's macros are new."""
    macros = label(dtype, dict(launch.macros))
    try:
        return _table(name)[launch.kernel][macros][ARCHITECTURE]
    except KeyError:
        remedy = "run `python -m gpunn.verify.builds --table kernels/resources.json`; the shape table may lack a case"
        raise KeyError(f"kernels/{name}: no {launch.kernel} {macros} for sm_{ARCHITECTURE}; {remedy}") from None


def resident(launch: Launch, dtype: str) -> int:
    """Blocks that a multiprocessor holds at once."""
    found = _kept("resources.json", launch, dtype)
    assert isinstance(found, list)
    registers, shared = found
    warps = blocks(math.prod(launch.block), 32)
    by_registers = REGISTERS // (blocks(registers, 8) * 8 * 32 * warps)
    by_shared = SHARED // (shared + launch.shared_bytes + RESERVED)
    return min(by_registers, by_shared, MOST_WARPS // warps, MOST_BLOCKS)


def work(problem: Problem, launch: Launch) -> list[Work]:
    """What the blocks of a tiled launch share; empty for a kernel without tiles."""
    count = math.prod(launch.grid)
    if isinstance(problem, ConvPool):
        share = best_share(problem)
        places = share.tile_rows * share.cols * share.filters
        return [Work(count, math.prod(problem.y), math.prod(problem.w[1:]), 8, places)]
    rows, columns = launch.macros.get("BM"), launch.macros.get("BN")
    if not isinstance(rows, int) or not isinstance(columns, int):
        return []
    tile = rows * columns
    if isinstance(problem, Product | LinearBackward):
        step = gemm.step(problem, rows)
        return [
            Work(gemm.tiles(one, rows) * parts, one.M * one.columns * one.G * parts, one.K / parts, step, tile)
            for one, (parts, _) in zip(gemm.products(problem), gemm.shares(problem, rows), strict=True)
        ]
    assert isinstance(problem, Conv)
    name, taps = launch.kernel, math.prod(problem.win.size)
    if name.endswith("grad_weight"):
        parts = launch.grid[0] // blocks(taps * problem.w[1], columns)
        pixels = problem.y[0] * math.prod(problem.y[2:])
        return [Work(count, math.prod(problem.w) * parts, pixels / parts, 8, tile)]
    product = (conv_variants.forward if name.endswith("forward") else conv_variants.grad_input)(problem)
    outputs = math.prod(product.pixels)
    if "gather" in name or "narrow" in name:
        parts = launch.grid[0] // blocks(product.rows, rows)  # of the depth
        return [Work(count, outputs * parts, taps * product.depth / parts, 8, tile)]
    step, classes = 2 * pack(problem.dtype), launch.grid[2] // problem.groups  # classes: of pixels modulo the stride
    return [Work(count, outputs, taps * blocks(product.depth, step) * step / classes, step, tile)]


def _rate(warps: int) -> float:
    """What is left of the rate where a multiprocessor has so many warps."""
    return warps / (LANE_GROUPS * blocks(warps, LANE_GROUPS)) * warps / (warps + WARPS)


def fit(launch: Launch, problem: Problem) -> Fit:
    """A launch of a plan for this problem on the card."""
    text = source.read(launch.kernel)
    numbers = {p.name: arg for p, arg in zip(text.parameters, launch.args, strict=True) if isinstance(arg, int)}
    letters = {**problem.letters, **numbers, **launch.macros}
    flops, moved = text.formula("flops", letters), text.formula("bytes", letters)
    count, held = math.prod(launch.grid), resident(launch, problem.dtype)
    warps = blocks(math.prod(launch.block), 32)
    full, rest = divmod(count, held * MULTIPROCESSORS)
    last = blocks(rest, MULTIPROCESSORS)
    most = full * held + last
    wave = count / MULTIPROCESSORS / most
    latency = most / (full * held / _rate(held * warps) + (last / _rate(last * warps) if last else 0))
    tile = depth = 1.0
    share = UNTILED
    if jobs := work(problem, launch):
        found = _kept("sass.json", launch, problem.dtype)
        assert isinstance(found, float)
        share, done = found, sum(job.outputs * job.walked for job in jobs)
        tile = done / sum(job.places * job.blocks * job.walked for job in jobs)
        depth = flops / 2 / done
    return Fit((held if full else last) * warps, share, tile, depth, wave, latency, flops, moved)


def seconds(launches: tuple[Launch, ...], problem: Problem) -> float:
    """Of all launches of a plan."""
    return sum(fit(launch, problem).seconds for launch in launches)


def floor(flops: int, moved: int) -> float:
    """Seconds that no kernel in float32 can beat."""
    return max(flops / PEAK, moved / COPY)
