"""Mutants of what normalises rows."""

from tests.kernels.mutants.table import (
    BARRIER,
    BITS,
    EDGE,
    INDEX,
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
        (BARRIER, "        __syncthreads();  // who came here before has read\n", ""),
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
