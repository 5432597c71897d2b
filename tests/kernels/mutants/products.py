"""Mutants of matrix products."""

from tests.kernels.mutants.table import BARRIER, BIAS, BITS, EDGE, INDEX, NAN, PARTS, RULE, STRIDE, of_file

PRODUCTS = [
    *of_file(
        "gemm/tiled.cu",
        (PARTS, "smaller(g.each, g.K - depth)", "g.K - depth"),
        (BIAS, "y ? LINEAR : activation, out", "activation, out"),
        (STRIDE, "(i64)outer * g.outer_b + (i64)inner * g.inner_b", "(i64)outer * g.outer_b"),
        (BITS, "(is_second ? c2 : c) + (i64)batch * g.M * g.N", "(is_second ? c2 : c) + batch * g.M * g.N"),
        (BITS, "(i64)outer * g.outer_a + (i64)inner * g.inner_a", "outer * g.outer_a + inner * g.inner_a"),
    ),
    *of_file(
        "gemm/tail.cuh",
        (PARTS, "for (int other = 1; other < count; ++other)", "for (int other = 2; other < count; ++other)"),
        (PARTS, "if (last) *ticket = 0;", "if (last && count == 2) *ticket = 0;"),
        (BIAS, "load(bias + column + of)", "load(bias + column)"),
        (EDGE, "if (row >= g.M || column >= g.N) continue;", "if (row > g.M || column >= g.N) continue;"),
        (EDGE, "if (column + of < g.N) store", "if (column + of <= g.N) store"),
        (BITS, "c + (i64)row * g.N + column", "c + row * g.N + column"),
    ),
    *of_file(
        "gemm/tile.cuh",
        (
            BARRIER,
            "    from.keep(shared.a[0], shared.b[0]);\n    __syncthreads();\n",
            "    from.keep(shared.a[0], shared.b[0]);\n",
        ),
        (EDGE, "left.depth_of(l) < depth", "left.depth_of(l) <= depth"),
        (EDGE, "return line_of(l) < lines;", "return line_of(l) <= lines;"),
        (STRIDE, "next = THREADS / runs * pitch", "next = THREADS / runs"),
        (INDEX, "start[j * SIDE + at] = v[j]", "start[j * SIDE + line_of(l)] = v[j]"),
        (PARTS, "from.fetch(depth - (steps - 1) * BK);", "from.fetch(BK);"),
        (BITS, "    i64 row;        //", "    int row;        //"),
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
