"""Mutants of recurrent layers' steps."""

from tests.kernels.mutants.table import BITS, EDGE, INDEX, RULE, START, of_file

RECURRENT = [
    *of_file(
        "recurrent/units.cuh",
        (EDGE, "real = i < (i64)g.N * g.H", "real = i <= (i64)g.N * g.H"),
        (INDEX, "((i64)n * gates + k) * g.H + h", "((i64)k * g.N + n) * g.H + h"),
        (INDEX, "v[k + j] = pack.item[j]", "v[j] = pack.item[j]"),
        (INDEX, "pack.item[j] = v[k + j]", "pack.item[j] = v[j]"),
        (RULE, "if (!runs) load_channels(before + own.at, h);", ""),
        (RULE, "else store_channels(y + own.at, none);", "else store_channels(y + own.at, h);"),
        (RULE, "if (gy && runs) {", "if (gy) {"),
        (START, "load_channels(gh + own.at, sum);", "load_channels(gh + own.at, sum), sum[0] = 0;"),
        only="recurrent.",
    ),
    *of_file(
        "recurrent/lstm_forward.cu",
        (BITS, "const i64 step = (i64)g.N * g.H;", "const int step = g.N * g.H;"),
        (RULE, "if (runs) c[j] = v[1][j]", "c[j] = v[1][j]"),
        (RULE, "v[2][j] = tanh(v[2][j])", "v[2][j] = logistic(v[2][j])"),
        (INDEX, "cells + cell_after * step", "cells + cell_before * step"),
        (INDEX, "gates += 4 * t * step", "gates += 4 * (t - 1) * step"),
        (RULE, "t < lengths[own.n]", "t <= lengths[own.n]"),
        (EDGE, "if (!own.real) return;", ""),
    ),
    *of_file(
        "recurrent/gru_forward.cu",
        (BITS, "const i64 step = (i64)g.N * g.H;", "const int step = g.N * g.H;"),
        (RULE, "v[0][j] * p[2][j]", "p[2][j]"),
        (RULE, "(h[j] - v[2][j])", "h[j]"),
        (INDEX, "inner + t * step", "inner"),
    ),
    *of_file(
        "recurrent/rnn_forward.cu",
        (BITS, "const i64 step = (i64)g.N * g.H;", "const int step = g.N * g.H;"),
        (RULE, "activated(h[j] + p[j], g.activation)", "activated(h[j], g.activation)"),
        (INDEX, "states + after * step", "states + t * step"),
    ),
    *of_file(
        "recurrent/lstm_backward.cu",
        (BITS, "const i64 step = (i64)g.N * g.H;", "const int step = g.N * g.H;"),
        (RULE, "of_c[j] + of_h[j] * o * (1 - bent * bent)", "of_c[j] + of_h[j] * o"),
        (RULE, "of_c[j] = sum * f, of_h[j] = 0;", "of_c[j] = sum * f;"),
        (INDEX, "sum * last[j] * f", "sum * c[j] * f"),
    ),
    *of_file(
        "recurrent/gru_backward.cu",
        (BITS, "const i64 step = (i64)g.N * g.H;", "const int step = g.N * g.H;"),
        (RULE, "p[j] = runs ? of_n * r : (ACC)0;", "p[j] = runs ? of_n : (ACC)0;"),
        (RULE, "if (runs) of_h[j] *= z;", "of_h[j] *= z;"),
        (INDEX, "k < 2 ? v[k] : p", "k < 1 ? v[k] : p"),
    ),
    *of_file(
        "recurrent/rnn_backward.cu",
        (BITS, "const i64 step = (i64)g.N * g.H;", "const int step = g.N * g.H;"),
        (RULE, "h[j] = runs ? derived(of_h[j], h[j], g.activation) : (ACC)0;", "h[j] = runs ? of_h[j] : (ACC)0;"),
        (START, "if (runs) of_h[j] = 0;", "of_h[j] = 0;"),
    ),
]
