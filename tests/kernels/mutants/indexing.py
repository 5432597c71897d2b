"""Mutants of the kernels of an index and its gradient, and of those that resample."""

from tests.kernels.mutants.table import BARRIER, BITS, EDGE, INDEX, RULE, START, STRIDE, of_file

INDEXING = [
    *of_file(
        "indexing/rows.cu",
        (EDGE, "smaller(each, M - first)", "each"),
        (EDGE, "i < mine * packs", "i < mine * packs - 1"),
        (INDEX, "(i - m * packs) * VEC, v);", "i * VEC, v);"),
        (BITS, "load_channels(table + row * L", "load_channels(table + (int)(row * L)"),
        (BITS, "y + (first * packs + i) * VEC", "y + (int)((first * packs + i) * VEC)"),
    ),
    *of_file(
        "indexing/order.cu",
        (BARRIER, "    if (lane == 0) met[warp] = __popc(all);\n    __syncthreads();\n",
            "    if (lane == 0) met[warp] = __popc(all);\n"),
        (BARRIER, "places[place] = m;\n            __syncthreads();\n", "places[place] = m;\n"),
        (BARRIER, "room[threadIdx.x] = mine;\n    __syncthreads();\n", "room[threadIdx.x] = mine;\n"),
        (INDEX, "(1u << lane) - 1", "(2u << lane) - 1"),
        (INDEX, "if (w < warp) place += met[w];", ""),
        (RULE, "if (number < 0 && number >= -K) number += K;", ""),
        (EDGE, "number < first + THREADS && number < K", "number < K", "no thread owns what more is gathered"),
        (START, "number >= 0 && number < first;", "number >= 0 && number <= first;"),
        (START, "at = all + sum_before", "at = sum_before"),
        (EDGE, "t < (int)threadIdx.x", "t <= (int)threadIdx.x"),
    ),
    *of_file(
        "reduce/segment_sums.cu",
        (EDGE, "m < end; ++m", "m + 1 < end; ++m"),
        (START, "i64 m = starts[row]; m", "i64 m = starts[row] + 1; m"),
        (INDEX, "column = (i - row * each) * VEC", "column = i - row * each"),
        (BITS, "gy + order[m] * L + column", "gy + (int)(order[m] * L) + column"),
        (BITS, "if (i >= K * each) return;", "if (i * VEC >= (int)(K * L)) return;"),
    ),
    *of_file(
        "resample/taps.cu",
        (STRIDE, "down.place(down.begin(p)) * g.W + along", "down.place(down.begin(p)) * g.H + along"),
        (STRIDE, "down.place(e) * g.W * g.C", "down.place(e) * g.C"),
        (INDEX, "p = rest / packs / g.Q;", "p = rest / packs / g.P;"),
        (EDGE, "f < along.begin(q + 1)", "f < along.begin(q) + 1"),
        (EDGE, "e < down.begin(p + 1)", "e < down.begin(p) + 1"),
        (RULE, "times(along.by(f), part[j])", "part[j]"),
        (RULE, "if (!weight_h && !weight_w) {", "if (!weight_h || !weight_w) {"),
        (BITS, "x + n * g.H * g.W * g.C + c", "x + (int)(n * g.H * g.W * g.C) + c"),
        (BITS, "item = thread_index(), n", "item = (int)thread_index(), n"),
    ),
]  # fmt: skip
