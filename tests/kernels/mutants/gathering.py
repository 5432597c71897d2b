"""Mutants of batches gathered from a data set."""

from tests.kernels.mutants.table import BITS, EDGE, HALO, INDEX, ROUND, RULE, STRIDE, of_file

GATHERING = [
    *of_file(
        "data/gather.cu",
        (EDGE, "if (pixel >= g.P * g.Q) return;", ""),
        (BITS, "(i64)words[n] * g.C * g.H * g.W", "words[n] * g.C * g.H * g.W"),
        (BITS, "((i64)n * g.P * g.Q + pixel) * g.C", "(n * g.P * g.Q + pixel) * g.C"),
        (INDEX, "labels[words[n]] == k, others", "labels[n] == k, others"),
        (INDEX, "targets && k < g.K; k += g.P * g.Q", "targets && k < g.K; k += g.K"),
        (RULE, "own + times(others - own", "own - times(others - own"),
        (INDEX, "v = numbers[steps.step[next - 1].number];", "v = numbers[steps.step[0].number];"),
        (STRIDE, "plane = (i64)g.H * g.W;", "plane = (i64)g.P * g.Q;"),
        (INDEX, "g.C, from.next, steps.mixup, c, v)", "g.C, 0, steps.mixup, c, v)"),
    ),
    *of_file(
        "data/steps.cuh",
        (INDEX, "x = s.width - 1 - x;", "x = s.width - x;"),
        (HALO, "i < size ? i : 2 * size - 2 - i", "i < size ? i : 2 * size - 1 - i"),
        (HALO, "y = larger(0, smaller(y, s.height - 1))", "y = larger(0, smaller(y, s.height))"),
        (HALO, "!(within(y, s.height) && within(x, s.width))", "!within(x, s.width)"),
        (EDGE, "within(x - drawn[N], s.size)", "within(x - drawn[N], s.size + 1)"),
        (STRIDE, "word + (i64)s.word * N", "word + (i64)s.word * (N - 1)"),
        (RULE, "times(value, number[c]) - number[C + c]", "times(value - number[C + c], number[c])"),
        (ROUND, "fmin(fmax(rint(v), (ACC)0), (ACC)255)", "v"),
        (ROUND, "held(mine + held(times(held(theirs - mine), share)))", "mine * (1 - share) + theirs * share"),
    ),
]
