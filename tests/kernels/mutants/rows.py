"""Mutants of what normalises rows."""

from tests.kernels.mutants.table import (
    BARRIER,
    BITS,
    EDGE,
    INDEX,
    NAN,
    PARTS,
    RULE,
    START,
    of_file,
)  # fmt: skip

ROWS = [
    *of_file(
        "row/row.cuh",
        (INDEX, "(packs - 1 - rank) / (KEEP * size)", "(packs - 1) / (KEEP * size)"),
        (EDGE, "return rank < packs ? rank", "return rank <= packs ? rank"),
        (PARTS, "room[k][warp / warps * warps + lane % warps]", "room[k][lane % warps]"),
        (BARRIER, "room[k][warp] = v[k];\n        }\n        __syncthreads();", "room[k][warp] = v[k];\n        }"),
        (INDEX, "room[k][threadIdx.x + half * count]", "room[k][threadIdx.x + half]"),
        (BARRIER, "            __syncthreads();\n            if (rank >= half)", "            if (rank >= half)"),
        only="softmax.forward",
    ),
    *of_file(
        "row/scores.cuh",
        (BITS, "outer * C * L + column * VEC", "(int)(outer * C * L + column * VEC)"),
        (BITS, "row < M ? row * C : 0", "row < M ? (int)(row * C) : 0"),
        (EDGE, "real = column < wide", "real = column <= wide"),
        (NAN, "score == peak && peak > 0 && isinf(peak) ? (ACC)0 : ", ""),
        (NAN, "(peak == least() ? (ACC)0 : peak)", "peak"),
        only="softmax.forward",
    ),
    *of_file(
        "row/softmax_forward.cu",
        (RULE, "sum[k] *= exp(below(peak[k], top[k])), peak[k] = top[k];", "peak[k] = top[k];"),
        (RULE, "sum[k] *= exp(below(peak[k], top[k]));\n    own", "own"),
        (START, "peak[k] = least();", "peak[k] = 0;"),
        (BITS, "y + line.start + (base", "y + (int)line.start + (base"),
    ),
    *of_file(
        "row/softmax_backward.cu",
        (RULE, "log_of ? g[j] : g[j] * v[j]", "g[j] * v[j]"),
        (RULE, "v[j] * (g[j] - all)", "g[j] - v[j] * all"),
    ),
    *of_file(
        "row/moments.cuh",
        (RULE, "delta * delta * count * part", "delta * delta * part"),
        (RULE, "more += (v[j] * unit - middle) * (v[j] * unit - middle)", "more += v[j] * unit * (v[j] * unit)"),
        (PARTS, "smaller(packs, KEEP) * VEC", "KEEP * VEC"),
        (RULE, "mine.m2 + mine.count * off * off", "mine.m2"),
        (RULE, "eps * unit * unit", "(ACC)0"),
        (EDGE, "return far ? again : near;", "return near;"),
    ),
    *of_file(
        "row/layer_norm_forward.cu",
        (BITS, "x + (real ? row : 0) * L", "x + (int)((real ? row : 0) * L)"),
        (BITS, "y + row * L + at", "y + (int)(row * L) + at"),
        (INDEX, "if (base != last) own.fetch", "if (base == last) own.fetch"),
        (RULE, "v[j] += w[j]", "v[j] -= w[j]"),
    ),
    *of_file(
        "row/layer_norm_backward.cu",
        (BITS, "start = (real ? row : 0) * L", "start = (int)((real ? row : 0) * L)"),
        (RULE, "- level - unit * slope", "- unit * slope"),
        (PARTS, "(row != blockIdx.x ? part[at + j] : (ACC)0)", "part[at + j]"),
        (PARTS, "for (int other = 1;", "for (int other = 2;"),
        (START, "slopes[KEEP][VEC] = {}, levels[KEEP][VEC] = {};", "slopes[KEEP][VEC] = {}, levels[KEEP][VEC] = {1};"),
        (EDGE, "if (own.index != 0 || at >= L) continue;", "if (own.index != 0) continue;"),
    ),
    *of_file(
        "row/join_parts.cu",
        (INDEX, "j < J && column < width; j += 32", "j < J && column < width; j += 64"),
        (PARTS, "if (j + l < J) lane[l]", "lane[l]"),
        (BARRIER, "    __syncthreads();\n", ""),
        (INDEX, "gbeta + (column - L)", "gbeta + column"),
    ),
]
