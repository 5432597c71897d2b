"""Mutants of matrix products."""

from tests.kernels.mutants.table import BARRIER, BIAS, BITS, EDGE, INDEX, NAN, PARTS, RULE, STRIDE, of_file

PRODUCTS = [
    *of_file(
        "gemm/tiled.cu",
        (
            BARRIER,
            "        from.keep(shared.a[0], shared.b[0]);\n        __syncthreads();\n",
            "        from.keep(shared.a[0], shared.b[0]);\n",
        ),
        (BARRIER, "    __syncthreads();  // all have written\n", ""),
        (PARTS, "for (int other = 1; other < count; ++other)", "for (int other = 2; other < count; ++other)"),
        (PARTS, "smaller(g.each, g.K - depth)", "g.K - depth"),
        (PARTS, "if (last) *ticket = 0;", "if (last && count == 2) *ticket = 0;"),
        (BIAS, "bias ? sums[i][j] + load(bias + column)", "bias ? sums[i][j] + load(bias + row)"),
        (BIAS, "y ? v : activated(v, activation)", "activated(v, activation)"),
        (EDGE, "if (row >= g.M) continue;", "if (row > g.M) continue;"),
        (EDGE, "if (column < g.N) {", "if (column <= g.N) {"),
        (INDEX, "g.ones ? g.N - first_column : -1", "g.ones ? g.N : -1"),
        (INDEX, "tile + (is_second ? before : 0)", "tile"),
        (STRIDE, "(i64)outer * g.outer_b + (i64)inner * g.inner_b", "(i64)outer * g.outer_b"),
        (BITS, "(is_second ? c2 : c) + (i64)batch * g.M * g.N", "(is_second ? c2 : c) + batch * g.M * g.N"),
        (BITS, "store(out + (i64)row * g.N + column", "store(out + row * g.N + column"),
        (BITS, "(i64)outer * g.outer_a + (i64)inner * g.inner_a", "outer * g.outer_a + inner * g.inner_a"),
    ),
    *of_file(
        "gemm/tile.cuh",
        (EDGE, "k + l * more_k < left", "k + l * more_k <= left"),
        (EDGE, "line + l * more_line < lines", "line + l * more_line <= lines"),
        (STRIDE, "next = apart * pitch", "next = apart"),
        (INDEX, "to[depth + j][row ^ turn(depth)]", "to[depth + j][row]"),
        (BITS, "deep ? (i64)(first + line) * pitch", "deep ? (first + line) * pitch"),
        (BITS, "(i64)(depth + k) * pitch + (first + line)", "(depth + k) * pitch + (first + line)"),
    ),
    *of_file(
        "gemm/geometry.cuh",
        (NAN, "return v > 0 || v != v ? v : (ACC)0;", "return v > 0 ? v : (ACC)0;"),
        (RULE, "(1 - y * y) * gy", "(1 - y) * gy"),
        (RULE, "return y != 0 ? gy : (ACC)0;", "return gy;"),
    ),
    *of_file(
        "gemm/naive.cu",
        (EDGE, "if (i >= G * M * columns) return;", "if (i > G * M * columns) return;"),
        (INDEX, "n < N ? v * load(column + k * b_depth) : v", "v * load(column + k * b_depth)"),
        (BITS, "const i64 n = i % columns, m = i / columns % M", "const int n = i % columns, m = (int)i / columns % M"),
    ),
]
