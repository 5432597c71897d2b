"""Mutants of the convolutions on Hopper's tensor cores, each asked of one small tile."""

from tests.kernels.mutants.table import (
    BARRIER,
    BIAS,
    EDGE,
    GROUP,
    HALO,
    INDEX,
    PARTS,
    ROUND,
    START,
    of_file,
)

BITS16, FLOATS = "wgmma_bf16_64x64", "wgmma_3xtf32_64x64"
LARGE = "wgmma_fp16_128x256"  # one warpgroup alone finds NaN where nobody wrote, and adds up anew
WGMMA = [
    *of_file(
        "conv2d/wgmma.cuh",
        (BARRIER, "show_stage(), __syncthreads(); }", "show_stage(); }"),
        (BARRIER, "{ wgmma_wait<1>(); }", "{ wgmma_wait<2>(); }"),
        only="conv2d.forward",
        variant=LARGE,
    ),
    *of_file(
        "conv2d/wgmma.cuh",
        (INDEX, "(pack ^ deep) % 8 * 16 : load", "pack % 8 * 16 : load"),
        (INDEX, "b.advance(more_taps, more * EACH, o.depth * EACH)", "b.advance(more_taps, more, o.depth * EACH)"),
        only="conv2d.grad_input",
        variant=BITS16,
    ),
    *of_file(
        "conv2d/wgmma.cuh",
        (BARRIER, "{ mbarrier_wait(met, step % 2); }", "{}"),
        (BARRIER, "copy_wait<AHEAD - 1>();", "copy_wait<AHEAD>();"),
        (START, "wgmma_tf32<false>(apart", "wgmma_tf32<true>(apart"),
        (EDGE, "if (step + AHEAD < steps)", "if (step + AHEAD + 1 < steps)"),
        (HALO, "(mask[l] & met) != 0", "true"),
        (INDEX, "+ limb * o.limb;", ";"),
        (INDEX, "b + B_BYTES / 16 + 2 * piece", "b + 2 * piece"),
        (PARTS, "a.seek(first_step * 8 + chunk,", "a.seek(chunk,"),
        (PARTS, "smaller((i64)o.part * most, all)", "smaller((i64)o.part * most + 1, all)"),
        only="conv2d.forward",
        variant=FLOATS,
    ),
    *of_file(
        "conv2d/wgmma_store.cuh",
        (EDGE, "if (table.to[row] < 0 || column >= o.columns) continue;", "if (table.to[row] < 0) continue;"),
        (BIAS, "load(bias + column + e)", "load(bias + within_tile + e)"),
        only="conv2d.forward",
        variant=FLOATS,
    ),
    *of_file(
        "conv2d/wgmma_rows.cuh",
        (INDEX, "float* mine = kept + (warp * 16 + lane / 4)", "float* mine = kept + (warp * 16 + lane % 4)"),
        only="conv2d.forward",
        variant=FLOATS,
    ),
    *of_file(
        "conv2d/wgmma_forward.cu",
        (GROUP, "x + group * Cg, weight", "x + group * Kg, weight"),
        variant=FLOATS,
    ),
    *of_file(
        "conv2d/wgmma_grad_input.cu",
        (GROUP, "gy + group * Kg, weight", "gy + group * Cg, weight"),
        variant=FLOATS,
    ),
    *of_file(
        "conv2d/wgmma_weight.cu",
        (EDGE, "if (i >= rows || lane >= columns) continue;", "if (i >= rows) continue;"),
        (ROUND, "__uint_as_float(to_tf32(small))", "0"),
        (GROUP, "(i64)group * Cg + c : ", "c : "),
        only="conv2d.grad_input",
        variant=FLOATS,
    ),
    *of_file(
        "conv2d/wgmma_grad_weight.cu",
        (BARRIER, "__syncthreads();  // all have multiplied", "// all have multiplied"),
        (HALO, "g.inside(h + down[l], w + right[l])", "true"),
        (PARTS, "const bool real = m < end;", "const bool real = m <= end;"),
        (EDGE, "filter >= g.Kg() || column >= columns", "filter >= g.Kg()"),
        variant=BITS16,
    ),
    *of_file(
        "tensor/join_sums.cuh",
        (INDEX, "(first + i) * 4", "i * 4"),
        only="conv2d.forward",
        variant="wgmma_3xtf32_128x128",
    ),
    *of_file(
        "tensor/join_sums.cuh",
        (PARTS, "from += stride * apart", "from += apart"),
        only="conv2d.forward",
        variant=FLOATS,
    ),
]
