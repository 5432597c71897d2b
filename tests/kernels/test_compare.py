"""What `gpunn verify` lets pass: the nearest number of the storage type, and nothing else where the result is exact."""

import numpy as np
import pytest

from gpunn.verify import compare

INF, NAN = float("inf"), float("nan")


def off(got, want, terms=1, dtype="float32", scale=None):
    return compare(np.array(got, dtype), np.array(want, np.float64), terms, scale)


def test_an_error_is_a_part_of_what_the_sum_may_lose():
    assert off([1.0, 2.0], [1.0, 2.0]) == 0
    assert 0 < off([1.0, 2.0 + 4 * 2.0**-22], [1.0, 2.0], terms=16) < 1 < off([1.0, 2.01], [1.0, 2.0], terms=16)
    assert off([1.0, 2.0 + 2.0**-22], [1.0, 2.0], terms=0) > 1  # exact: no term is rounded
    assert off([1.0], [1.0, 2.0]) == INF and off([], []) == 0
    assert off([1, 2], [1, 2], dtype="int32") == 0 and off([1, 3], [1, 2], dtype="int32") == INF


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 10), ("bfloat16", 7)])
def test_sixteen_bits_are_rounded_to_nearest_and_ties_to_even(dtype, bits):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    one = 2.0**-bits
    assert off([1 + one], [1 + 0.75 * one], dtype=dtype) <= 1 < off([1], [1 + 0.75 * one], dtype=dtype)  # cut off
    assert off([1], [1 + 0.5 * one], 0, dtype) == 0 and off([1 + one], [1 + 0.5 * one], 0, dtype) > 1
    assert off([1 + 2 * one], [1 + 1.5 * one], 0, dtype) == 0 and off([1 + one], [1 + 1.5 * one], 0, dtype) > 1
    # Within the sum's tolerance of a tie both neighbours are right.
    assert off([1], [1 + 0.5 * one], 9, dtype) <= 1 and off([1 + one], [1 + 0.5 * one], 9, dtype) <= 1


def test_nan_and_infinities_are_those_that_are_wanted():
    assert off([NAN, INF, -INF, 1], [NAN, INF, -INF, 1]) == 0
    for got, want in [(NAN, 1), (1, NAN), (INF, NAN), (INF, -INF), (INF, 1), (-1e30, -INF)]:
        assert off([got, 1], [want, 1]) == INF
    assert off([1, 2], [1, 3], scale=NAN) == INF
    assert off([INF], [70000], dtype="float16") == 0 and off([65504], [70000], dtype="float16") == INF
