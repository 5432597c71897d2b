"""Mutants of the kernels that filter images."""

from tests.kernels.mutants.table import BARRIER, BITS, EDGE, HALO, INDEX, PARTS, RULE, START, STRIDE, TAIL, of_file

FILTERS = [
    *of_file(
        "filter/planes.cuh",
        (HALO, "if (border == ZEROS) return -1;", "if (border == ZEROS) return 0;"),
        (HALO, "return i < 0 ? 0 : n - 1;", "return 0;"),
        (RULE, "border == SYMMETRIC ? 2ll * n : n > 1", "border == SYMMETRIC ? 2ll * n - 1 : n > 1"),
        (EDGE, "n > 1 ? 2ll * (n - 1) : 1", "n > 1 ? 2ll * (n - 1) : 2"),
        (EDGE, " + (i % period < 0 ? period : 0)", ""),
        (RULE, "border == SYMMETRIC ? period - 1 - at", "border == SYMMETRIC ? period - at"),
        only="filter.forward",
        variant="naive",
    ),
    *of_file(
        "filter/naive_forward.cu",
        (STRIDE, "x += own.n * g.D * g.H * g.W;", "x += own.n * g.H * g.W;"),
        (BITS, "x += own.n * g.D * g.H * g.W;", "x += (int)(own.n * g.D * g.H * g.W);"),
        (INDEX, "own.w - g.left + s", "own.w - g.left - s"),
        (INDEX, "kernel + (a * g.R + r) * g.S + s", "kernel + (a * g.S + r) * g.R + s"),
    ),
    *of_file(
        "filter/tile_forward.cu",
        (START, "TAPS_W / 2,\n    TOP = FLIP ? (TAPS_H - 1) / 2", "TAPS_W / 2,\n    TOP = FLIP ? TAPS_H / 2"),
        (START, "LEFT = FLIP ? (TAPS_W - 1) / 2", "LEFT = FLIP ? TAPS_W / 2"),
        (RULE, "(FLIP ? TAPS_W - 1 - s : s)", "s"),
        (HALO, "mapped(top - TOP + row, g.H, g.border)", "mapped(top - TOP + row, g.H, ZEROS)"),
        (HALO, "deep = ceil_div(rows, TM) * TM + TAPS_H - 1", "deep = ceil_div(rows, TM) * TM"),
        (HALO, "    bring_packs<0, BEFORE>(x + plane, tile, g, top, left, deep, read);\n", ""),
        (TAIL, "ceil_div(columns, PACK) + AFTER", "columns / PACK + AFTER"),
        (BARRIER, "    __syncthreads();\n", ""),
        (EDGE, "if (own + j >= columns) break;", ""),
        (EDGE, "if (row + m >= rows) break;", ""),
        (PARTS, "blockIdx.x / across % down * BM", "blockIdx.x / across * BM"),
        (BITS, "plane = (i64)(blockIdx.x / across / down)", "plane = (int)(blockIdx.x / across / down)"),
        (BITS, "to = y + plane + (i64)(top + row) * g.W", "to = y + plane + (int)((top + row) * g.W)"),
        (INDEX, "tap[i - m][s]", "tap[TAPS_H - 1 - i + m][s]"),
    ),
    *of_file(
        "filter/naive_grad_input.cu",
        (EDGE, "own < n - 1 - before - after", "own < n - 1"),
        (HALO, "n + number - before - 1", "n + number - before"),
        (HALO, "number != before && mapped", "number > before && mapped"),
        (STRIDE, "gy += own.n * g.D * g.H * g.W;", "gy += own.n * g.H * g.W;"),
        (EDGE, "if (!within(j + g.top - r, g.H)) continue;", "if (j + g.top - r < 0) continue;"),
        (RULE, "if (mapped(j, g.H, g.border) != own.h) continue;", "if (j != own.h) continue;"),
    ),
    *of_file(
        "filter/grad_kernel.cu",
        (PARTS, "begin + each < rows ? begin + each : rows", "begin + each"),
        (PARTS, "warp < 8; ++warp", "warp < 7; ++warp"),
        (BARRIER, "    __syncthreads();\n", ""),
        (HALO, "if (d < 0 || h < 0) continue;", "if (d < 0) continue;"),
        (INDEX, "first = blockIdx.z * TAPS_W;", "first = blockIdx.z;"),
        (EDGE, "own >= TAPS_W || first + own >= g.S", "own >= TAPS_W"),
    ),
]
