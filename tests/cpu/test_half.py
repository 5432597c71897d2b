"""float32 to float16 and back by arithmetic on bits: the bits of NumPy's casts, whatever the numbers and order."""

import numpy as np
import pytest

from gpunn.cpu.half import from_half, to_half
from gpunn.cpu.narrow import cast
from gpunn.cpu.threads import set_thread_count, thread_count

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)  # all there are
EDGES = np.array([0, 2.0**-24, 2.0**-25, 2.0**-14, 65504, 65519.99, 65520, 3e38, 1e-45, np.inf, np.nan], np.float32)


def by_numpy(numbers, dtype=np.float16):
    with np.errstate(all="ignore"):
        return numbers.astype(dtype)


def same_bits(got, want):
    kind = np.dtype(f"u{want.dtype.itemsize}")
    assert got.dtype == want.dtype and got.strides == want.strides
    np.testing.assert_array_equal(got.view(kind), want.view(kind))


def around(numbers):
    """float32 numbers, those half way to the next of float16, and the neighbours of all these."""
    with np.errstate(all="ignore"):
        near = np.concatenate([numbers, (numbers[:-1] / 2 + numbers[1:] / 2)])
        return np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])


def test_every_number_of_16_bits_and_those_half_way_between_two():
    """Subnormal ones, ties, infinities and every NaN with its bits."""
    same_bits(from_half(HALVES), by_numpy(HALVES, np.float32))
    same_bits(to_half(from_half(HALVES)), by_numpy(from_half(HALVES)))
    positive = from_half(HALVES[: 0x7C00])
    for numbers in (around(positive), -around(positive), np.resize(EDGES, 5000), -np.resize(EDGES, 5000)):
        same_bits(to_half(numbers), by_numpy(numbers))


def test_any_bits_of_float32():
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, np.uint32)
    same_bits(to_half(bits.view(np.float32)), by_numpy(bits.view(np.float32)))


ORDERS = {
    "rows": lambda a: a,
    "channels last": lambda a: a.transpose(0, 3, 1, 2),
    "every second": lambda a: a[:, ::2],
    "backwards": lambda a: a[::-1],
    "spread": lambda a: np.broadcast_to(a[:1], a.shape),
    "one axis of many": lambda a: a.reshape(1, 1, -1, 1),
    "few": lambda a: a[:1, :2, :2, :3],
    "none": lambda a: a[:0],
    "one": lambda a: a[0, 0, 0, 0, ...],
}


@pytest.mark.parametrize("order", ORDERS)
def test_memory_keeps_numpys_order(order):
    a = ORDERS[order](np.random.default_rng(0).standard_normal((4, 30, 5, 7)).astype(np.float32))
    half = by_numpy(a)
    got = to_half(a)
    assert got.strides == half.strides and np.array_equal(got, half) and isinstance(got, np.ndarray)
    wide = from_half(half)
    assert wide.strides == half.astype(np.float32).strides and np.array_equal(wide, half)


def test_threads_and_casts_of_the_twins():
    a = np.random.default_rng(0).standard_normal(300_000).astype(np.float32) * np.float32(1e-5)
    before = thread_count()
    try:
        set_thread_count(3)
        same_bits(cast(a, np.dtype(np.float16)), by_numpy(a))
        same_bits(cast(by_numpy(a), np.dtype(np.float32)), by_numpy(a).astype(np.float32))
    finally:
        set_thread_count(before)
