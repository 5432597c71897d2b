"""Structs by value with pointers in them: bounds, constness, nulls and strict copies hold behind them too."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import emulator
from gpunn.emulator import KernelError, Struct

# y[row][i] += x[row][i]; REACH and ORDER plant mistakes.
SOURCE = """
struct Table { float* y[4]; const float* x[4]; const int* count; float factor; };
extern "C" __global__ void add(const __grid_constant__ Table table, int n) {
    const int row = blockIdx.x;
    if (!table.y[row]) return;
    const int i = threadIdx.x + REACH;
    if (threadIdx.x < table.count[row]) ACTION;
}
"""
ADD = "table.y[row][i] += table.factor * table.x[row][i]"
TABLE = np.dtype([("y", "u8", 4), ("x", "u8", 4), ("count", "u8"), ("factor", "f4"), ("end", "V4")])


def kernel(action=ADD, reach="0"):
    return emulator.load(SOURCE, "add", {"ACTION": action, "REACH": reach}, "add.cu")


def table(lengths=(5, 3, 7), constant=("x", "count")):
    value = np.zeros((), TABLE)
    value["factor"], value["y"] = 2, 0xDEAD  # addresses in the value itself count for nothing
    ys = [np.arange(n, dtype=np.float32) for n in lengths]
    xs = [np.full(n, 10 * n, np.float32) for n in lengths]
    count = np.array(lengths, np.int32)
    return Struct(value[()], {"y": ys, "x": xs, "count": [count]}, constant), ys


@pytest.mark.parametrize("options", [{}, {"strict": True}, {"schedule": "reverse"}], ids=str)
def test_pointers_reach_their_arrays(options):
    given, ys = table()
    kernel()(4, 8, (given, 1), **options)
    assert given.value["y"].tolist() == [0xDEAD] * 4  # the caller's own struct stays as it was
    for y, n in zip(ys, (5, 3, 7), strict=True):
        np.testing.assert_array_equal(y, np.arange(n) + 20 * n)


def test_two_launches_with_more_and_fewer_arrays_share_a_function():
    for lengths in ((1,), (2, 3, 4, 5), (6, 7)):
        given, ys = table(lengths)
        kernel()(4, 8, (given, 1))
        assert [float(y[0]) for y in ys] == [20.0 * n for n in lengths]


@pytest.mark.parametrize("strict", [False, True])
def test_an_index_past_the_end_is_caught_and_names_its_array(strict):
    words = (
        r"add: reads table\.x\[0\]\[5\] past the end at add\.cu:7: table\.x\[0\] has 5 elements of float32, "
        r"shape \(5,\); block \(0, 0, 0\), thread \(4, 0, 0\)"
    )
    with pytest.raises(KernelError, match=words):
        kernel("table.y[row][threadIdx.x] = table.x[row][i]", "1")(4, 8, (table()[0], 1), strict=strict)


def test_an_index_before_the_start_is_caught():
    with pytest.raises(KernelError, match=r"add: writes table\.y\[0\]\[-2\] before the start at add\.cu:7"):
        kernel("table.y[row][i] = 1", "-2")(1, 8, (table((5,))[0], 1), strict=True)


def test_a_store_through_a_constant_field_is_caught():
    action = "const_cast<float*>(table.x[row])[i] = 1"
    with pytest.raises(KernelError, match=r"add: writes table\.x\[0\]\[0\] at add\.cu:7, but takes table\.x\[0\] as c"):
        kernel(action)(4, 8, (table()[0], 1))
    kernel(action)(4, 8, (table(constant=("count",))[0], 1))


def test_rows_left_out_are_null():
    with pytest.raises(KernelError, match=r"add: reads through a null pointer at add\.cu:7"):
        kernel("table.y[row][i] = table.x[3][i]")(1, 8, (table()[0], 1))


def test_a_strict_launch_compares_what_lies_behind_pointers():
    with pytest.raises(KernelError, match=r"add: table\.y\[1\] depends on the order of threads: element 0 in memory"):
        kernel("table.y[1][0] = row")(3, 1, (table()[0], 1), strict=True, races=False)
    words = r"add: race: writes table\.y\[1\]\[0\] at add\.cu:7, which thread .* of block .* wrote at add\.cu:7"
    with pytest.raises(KernelError, match=words):
        kernel("table.y[1][0] = row")(3, 1, (table()[0], 1), strict=True)


def test_an_array_that_is_named_nowhere_is_out_of_bounds():
    given, _ = table()
    hidden = np.zeros((), TABLE)
    hidden["y"][0], hidden["factor"] = np.ones(4, np.float32).ctypes.data, 2
    given = Struct(hidden[()], {"x": given.arrays["x"], "count": given.arrays["count"]})
    with pytest.raises(KernelError, match=r"add: (reads|writes) .*add\.cu:7"):
        kernel("table.y[row][i] = 1")(1, 8, (given, 1))


def test_what_a_struct_cannot_hold(monkeypatch):
    given, ys = table()

    def launch(**arrays):
        kernel()(4, 8, (Struct(given.value, {**given.arrays, **arrays}), 1))

    with pytest.raises(ValueError, match=r"add: table\.y holds 4 pointers, got 5 arrays"):
        launch(y=[ys[0]] * 5)
    with pytest.raises(ValueError, match=r"add: table has no pointer field 'z'; its fields of uint64 are y, x, count"):
        launch(z=ys)
    with pytest.raises(TypeError, match=r"add: table\.y\[1\] is list, expected an array, or None"):
        launch(y=[ys[0], [1.0]])
    with pytest.raises(ValueError, match=r"add: table\.count has gaps \(shape \(3,\), strides \(8,\)\)"):
        launch(count=[np.zeros(6, np.int32)[::2]])
    frozen = ys[0].copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match=r"add: table\.y\[0\] is read-only, and the kernel writes it; pass a copy"):
        launch(y=[frozen])
    monkeypatch.setattr("gpunn.emulator.marshal.MOST_ARRAYS", 6)
    with pytest.raises(ValueError, match="add: got 7 arrays, expected at most 6"):
        launch()


def test_arrays_behind_pointers_are_counted():
    given, _ = table((8, 8))
    with emulator.counting() as counts:
        kernel("table.y[row][i] = 1")(2, 8, (given, 1))
    assert counts["add"].total("bytes", "global", True) == 2 * 8 * 4
