"""Mutants of the fast kernels that pool windows."""

from tests.kernels.mutants.table import BARRIER, BITS, EDGE, HALO, INDEX, NAN, PARTS, RULE, START, TAIL, of_file

WINDOWS = [
    *of_file(
        "pool/strip.cuh",
        (PARTS, "end = smaller(first + rows, down)", "end = first + rows"),
        (EDGE, "real = i < g.N", "real = i <= g.N"),
        (HALO, "left + j >= 0 && left + j < right", "left + j < right"),
        (HALO, "left + j < right ?", "left + j <= right ?"),
        (INDEX, "row[t * STRIDE + s], (r - k * STRIDE) * WIN + s", "row[t * STRIDE + s], r * WIN + s"),
        (PARTS, "r < WIN - STRIDE; ++r", "r < WIN - STRIDE - 1; ++r"),
        (START, "open[OPEN - 1][t].begin(g, p + OPEN, at.column + t);", ""),
        (EDGE, "if (at.column + t < g.Q) write", "write"),
        (PARTS, "int u = at.first - OPEN; u", "int u = at.first - 1; u"),
        (START, "            held[0][i] = Held();\n", ""),
        (EDGE, "ceil_div(g.H + g.pad_h, STRIDE)", "(g.H + g.pad_h) / STRIDE"),
    ),
    *of_file(
        "pool/strip_max_forward.cu",
        (NAN, " || value != value", ""),
        (INDEX, "value > best[j]", "value >= best[j]"),
        (START, "larger(-g.row(p, 0), 0) * WIN + ", ""),
        (BITS, "const i64 outputs = g.output", "const int outputs = g.output"),
    ),
    *of_file(
        "pool/strip_max_backward.cu",
        (INDEX, "== r * WIN + s", "== r * STRIDE + s"),
        (HALO, "if (!g.inside(h, w)) return;", "if (h >= g.H || w >= g.W) return;"),
        (BITS, "const i64 outputs = g.output", "const int outputs = g.output"),
        (RULE, "lead_back(held.value, raw.y.item", "lead_back(held.value, raw.gy.item"),
    ),
    *of_file("pool/strip_avg_forward.cu", (RULE, "cells(g, p, q)", "(ACC)(WIN * WIN)")),
    *of_file(
        "pool/strip_avg_backward.cu",
        (EDGE, "i + k * STRIDE >= WIN || j + l * STRIDE >= WIN", "i + k * STRIDE >= WIN"),
        (BITS, "const i64 image = g.input", "const int image = g.input"),
    ),
    *of_file(
        "pool/staged.cuh",
        (TAIL, "return (unsigned long long)p % 16 / sizeof(V);", "return 0;"),
        (TAIL, "if (tail + me < count)", "if (tail + me < count - 1)"),
        (PARTS, "images = smaller(cut.images, g.N - image)", "images = cut.images"),
        (HALO, "larger(g.row(block.first, 0), 0);\n        const int bottom", "0;\n        const int bottom"),
        (INDEX, "q = starts ? pixel / g.stride_w : pixel", "q = pixel / g.stride_w"),
        (PARTS, "block.first - (ceil_div(g.R, g.stride_h) - 1)", "block.first"),
        (PARTS, "row < rows * block.images", "row < rows"),
        (BARRIER, "    __syncthreads();\n    // Threads own", "    // Threads own"),
    ),
    *of_file(
        "pool/staged_max_forward.cu",
        (NAN, " || value != value", ""),
        (START, "first || ", ""),
        (BARRIER, "    __syncthreads();\n", ""),
        (BITS, "const i64 outputs = (block.image", "const int outputs = (int)(block.image"),
    ),
    *of_file(
        "pool/staged_max_backward.cu",
        (INDEX, "winners[out] == r * g.S + s", "winners[out] % g.S == s"),
        (BARRIER, "    __syncthreads();\n\n    // Spread", "\n    // Spread"),
        (EDGE, "if (p >= g.P) continue;", ""),
    ),
    *of_file("pool/staged_avg_forward.cu", (HALO, "smaller(top + g.R, g.H)", "top + g.R")),
    *of_file(
        "pool/staged_avg_backward.cu",
        (EDGE, "q < g.Q && j < g.S", "q < g.Q"),
        (BARRIER, "    __syncthreads();\n    move", "    move"),
    ),
]
