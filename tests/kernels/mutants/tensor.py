"""Mutants of the convolutions on tensor cores."""

from tests.kernels.mutants.table import BARRIER, BIAS, BITS, EDGE, GROUP, HALO, INDEX, NAN, PARTS, STRIDE, of_file

TENSOR = [
    *of_file(
        "tensor/tile.cuh",
        (BARRIER, "__syncthreads();  // the stage is there", "// the stage is there"),
        (BARRIER, "copy_wait<STAGES - 2>();", "copy_wait<STAGES - 1>();"),
        (EDGE, "step + STAGES - 1 < steps", "step + STAGES < steps"),
        (INDEX, "lane / 16 * 8 + lane % 8, lane / 8 % 2", "lane / 16 * 8 + lane % 8, lane / 16"),
        only="conv2d.forward",
    ),
    *of_file(
        "tensor/epilogue.cuh",
        (EDGE, "if (!to || column >= columns) continue;", "if (!to) continue;"),
        (BIAS, "load(bias + column + e)", "load(bias + within_tile + e)"),
        (NAN, "== 0x7f800000u) << e;", "== 0x7f800001u) << e;"),
        only="conv2d.forward",
    ),
    *of_file(
        "tensor/implicit.cuh",
        (HALO, "(mask[l] & met) != 0", "true"),
        (EDGE, "const bool real = a.tap < o.taps,", "const bool real = a.tap <= o.taps,"),
        (EDGE, "filled = real_b ? ahead : 0;", "filled = ahead;"),
        (INDEX, "if (at >= size) at -= size, ++tap;", "if (at > size) at -= size, ++tap;"),
        (INDEX, "b.advance(more_taps, more * EACH, o.depth * EACH)", "b.advance(more_taps, more, o.depth * EACH)"),
        only="conv2d",
    ),
    *of_file(
        "conv2d/tensor_forward.cu",
        (BITS, "out + (i64)table.to[row] * EACH", "out + table.to[row] * EACH"),
        (GROUP, "x + group * Cg, filters", "x + group * Kg, filters"),
        (BIAS, "bias + group * Kg : nullptr", "bias : nullptr"),
        (STRIDE, "t % g.S * g.dil_w) << t", "t % g.S * g.dil_h) << t"),
    ),
    *of_file(
        "conv2d/tensor_grad_input.cu",
        (BITS, "out + (i64)table.to[row] * EACH", "out + table.to[row] * EACH"),
        (PARTS, "ceil_div(g.H - class_h, g.stride_h)", "g.H / g.stride_h"),
        (STRIDE, "if (h % g.stride_h || w % g.stride_w) continue;", "if (h % g.stride_h) continue;"),
        (GROUP, "gy + group * Kg, filters", "gy + group * Cg, filters"),
        (HALO, "within(q, g.Q);", "q >= 0 && q <= g.Q;"),
    ),
]
