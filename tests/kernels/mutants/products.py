"""Mutants of matrix products."""

from tests.kernels.mutants.table import BARRIER, BIAS, BITS, EDGE, INDEX, PARTS, STRIDE, of_file

PRODUCTS = [
    *of_file(
        "gemm/tiled.cu",
        (PARTS, "smaller(g.each, g.K - at_tile.depth)", "g.K - at_tile.depth"),
        (BIAS, "y ? NOTHING : activation, out", "activation, out"),
        (BITS, "c2 : c) + (i64)at_tile.batch * g.M * g.N", "c2 : c) + at_tile.batch * g.M * g.N"),
    ),
    *of_file(
        "gemm/tail.cuh",
        (PARTS, "for (int other = 1; other < count; ++other)", "for (int other = 2; other < count; ++other)"),
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
        "gemm/join.cuh",
        (PARTS, "if (last) *ticket = 0;", "if (last && count == 2) *ticket = 0;"),
    ),
    *of_file(
        "gemm/geometry.cuh",
        (STRIDE, "(i64)(batch / g.inner) * outer + (i64)(batch % g.inner) * inner", "(i64)(batch / g.inner) * outer"),
        (BITS, "return (i64)(batch / g.inner) * outer + (i64)", "return (batch / g.inner) * outer +"),
    ),
    *of_file(
        "gemm/naive.cu",
        (EDGE, "if (i >= G * M * columns) return;", "if (i > G * M * columns) return;"),
        (INDEX, "n < N ? v * load(column + k * b_depth) : v", "v * load(column + k * b_depth)"),
        (BITS, "const i64 n = i % columns, m = i / columns % M", "const int n = i % columns, m = (int)i / columns % M"),
    ),
]
