"""Mutants of the convolutions whose patch of the source lies in shared memory."""

from tests.kernels.mutants.table import BARRIER, EDGE, GROUP, HALO, INDEX, NAN, PARTS, STRIDE, of_file

PATCH = [
    *of_file(
        "conv2d/patch.cuh",
        (HALO, "const bool real = within(h + row, g.H);", "const bool real = h + row < g.H;"),
        (EDGE, "x < (i64)g.W * g.C) v[l]", "x <= (i64)g.W * g.C) v[l]"),
        (GROUP, "i / g.Cg() * g.C + i % g.Cg()", "i"),
        (STRIDE, "down = g.stride_h * pitch;", "down = g.stride_w * pitch;"),
        (INDEX, "bytes + (at - 1) * E : at * E", "bytes + at * E : at * E"),
        only="conv2d.forward",
    ),
    *of_file(
        "conv2d/patch_product.cuh",
        (BARRIER, "__syncthreads();  // the patch has been read", "// the patch has been read"),
        (BARRIER, "__syncthreads();  // the sums that lay there", "// the sums that lay there"),
        (EDGE, "which < p.runs && at < p.run;", "which < p.runs;"),
        (NAN, "#define ANEW 1", "#define ANEW 0"),
        only="conv2d.forward",
    ),
    *of_file(
        "conv2d/patch_weight.cuh",
        (EDGE, "q < g.Q && filter < filters;", "q <= g.Q && filter < filters;"),
        (PARTS, "(i64)part * each + each, (i64)tiles)", "(i64)part * each + each + 1, (i64)tiles)"),
        (INDEX, "e % 2 ? 0x7632 : 0x5410", "e % 2 ? 0x5410 : 0x7632"),
        only="conv2d.grad_weight",
    ),
]
