"""Window: output sizes against counting where a window may start."""

import itertools

import pytest

from gpunn import Window
from gpunn.window import short_text, size_text


def count_starts(n, size, stride, padding, dilation, ceil_mode):
    """Starts from -padding on whose window fits the padded input; with ceil_mode one more, if it starts inside."""
    extent = (size - 1) * dilation + 1
    fitting = [s for s in range(-padding, n + padding, stride) if s + extent <= n + padding]
    if not ceil_mode or not fitting:
        return len(fitting)
    covered = fitting[-1] + extent
    following = fitting[-1] + stride
    return len(fitting) + (covered < n + padding and following < n)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_out_counts_the_positions(ceil_mode):
    ranges = range(1, 12), range(1, 5), (1, 2, 3, 5), (0, 1, 2), (1, 2)
    for n, size, stride, padding, dilation in itertools.product(*ranges):
        if padding > size // 2 or (size - 1) * dilation + 1 > n + 2 * padding:
            continue
        window = Window.of(size, stride, padding, dilation, rank=1)
        want = count_starts(n, size, stride, padding, dilation, ceil_mode)
        assert window.out((n,), ceil_mode) == (want,), (n, window)


def test_transposed_out_undoes_out():
    for n, size, stride, padding in itertools.product(range(3, 12), (1, 2, 3), (1, 2, 3), (0, 1)):
        window = Window.of(size, stride, padding, rank=1)
        (p,) = window.out((n,))
        left_over = (n + 2 * padding - size) % stride
        assert window.transposed_out((p,), (left_over,)) == (n,)


def test_an_int_counts_for_every_dimension():
    window = Window.of(3, stride=(2, 1), padding=1, dilation=2)
    assert (window.size, window.stride, window.padding, window.dilation) == ((3, 3), (2, 1), (1, 1), (2, 2))
    assert (window.rank, window.positions, window.extent) == (2, 9, (5, 5))
    assert window.out((32, 31)) == (15, 29)
    assert str(window) == "3x3, stride 2x1, padding 1, dilation 2"


def test_sizes_as_text():
    assert size_text((3, 5)) == "3x5" and size_text(["*", 7]) == "*x7"
    assert short_text((2, 2)) == "2" and short_text((2, 3, 2)) == "2x3x2" and short_text("same") == "same"
    assert str(Window.of((3, 5), 2, (1, 2))) == "3x5, stride 2, padding 1x2"
    assert str(Window.of(3, dilation=(1, 2))) == "3x3, stride 1, padding 0, dilation 1x2"
