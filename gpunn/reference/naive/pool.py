"""Maxima, means and norms of windows, and their gradients."""

from itertools import product

import numpy as np

from gpunn.reference.naive.walk import at, every, inside, out_sizes, tap

F64 = np.float64


def max_pool(x, size, stride, padding, dilation, ceil_mode=False):
    """(y, position in the window, position in the input plane). The first maximum wins; a NaN beats every number."""
    x = np.asarray(x, F64)
    spatial = x.shape[2:]
    out = out_sizes(spatial, size, stride, padding, dilation, ceil_mode)
    y = np.full((*x.shape[:2], *out), -np.inf)
    window = np.zeros(y.shape, np.int64)
    plane = np.full(y.shape, -1, np.int64)  # of a window outside the input
    for p in every(out):
        best = np.full(x.shape[:2], -np.inf)
        first = True
        for number, r in enumerate(every(size)):
            i = tap(p, r, stride, padding, dilation)
            if not inside(i, spatial):
                continue
            value = x[at(i)]
            better = (value > best) | np.isnan(value) | first
            best = np.where(better, value, best)
            window[at(p)] = np.where(better, number, window[at(p)])
            plane[at(p)] = np.where(better, np.ravel_multi_index(i, spatial), plane[at(p)])
            first = False
        y[at(p)] = best
    return y, window, plane


def max_pool_backward(gy, plane, x_shape):
    """Every output gives its gradient to the one input that it took, if any; overlapping windows add up."""
    gy = np.asarray(gy, F64)
    gx = np.zeros((*x_shape[:2], int(np.prod(x_shape[2:]))))
    samples, channels = np.indices(x_shape[:2])
    for p in every(gy.shape[2:]):
        gx[samples, channels, plane[at(p)]] += np.where(plane[at(p)] < 0, 0, gy[at(p)])
    return gx.reshape(x_shape)


def _average_windows(spatial, size, stride, padding, ceil_mode, count_include_pad):
    """Yields (output position, input positions in its window, divisor)."""
    ones = tuple(1 for _ in size)
    for p in every(out_sizes(spatial, size, stride, padding, ones, ceil_mode)):
        taps = [tap(p, r, stride, padding, ones) for r in every(size)]
        real = [i for i in taps if inside(i, spatial)]
        # Padding counts, but what ceil_mode reaches beyond the padding does not.
        padded = [i for i in taps if all(a < n + q for a, n, q in zip(i, spatial, padding, strict=True))]
        yield p, real, len(padded) if count_include_pad else len(real)


def avg_pool(x, size, stride, padding, ceil_mode=False, count_include_pad=True):
    """The mean of each window; count_include_pad: over the zeros of the padding too."""
    x = np.asarray(x, F64)
    ones = tuple(1 for _ in size)
    y = np.zeros((*x.shape[:2], *out_sizes(x.shape[2:], size, stride, padding, ones, ceil_mode)))
    for p, real, divisor in _average_windows(x.shape[2:], size, stride, padding, ceil_mode, count_include_pad):
        for i in real:
            y[at(p)] += x[at(i)]
        y[at(p)] /= divisor
    return y


def avg_pool_backward(gy, x_shape, size, stride, padding, ceil_mode=False, count_include_pad=True):
    """gx: each gy shared out evenly over its window."""
    gy = np.asarray(gy, F64)
    gx = np.zeros(x_shape)
    for p, real, divisor in _average_windows(x_shape[2:], size, stride, padding, ceil_mode, count_include_pad):
        for i in real:
            gx[at(i)] += gy[at(p)] / divisor
    return gx


def _adaptive_window(p, spatial, out):
    """Input positions of adaptive output p: from floor(p*n/o) up to, not including, ceil((p+1)*n/o)."""
    return product(*(range(pi * n // o, -(-(pi + 1) * n // o)) for pi, n, o in zip(p, spatial, out, strict=True)))


def adaptive_avg_pool(x, out):
    """The mean of each adaptive window."""
    x = np.asarray(x, F64)
    y = np.zeros((*x.shape[:2], *out))
    for p in every(out):
        window = list(_adaptive_window(p, x.shape[2:], out))
        y[at(p)] = sum(x[at(i)] for i in window) / len(window)
    return y


def adaptive_avg_pool_backward(gy, x_shape):
    """gx: each gy shared out evenly over its adaptive window."""
    gy = np.asarray(gy, F64)
    gx = np.zeros(x_shape)
    for p in every(gy.shape[2:]):
        window = list(_adaptive_window(p, x_shape[2:], gy.shape[2:]))
        for i in window:
            gx[at(i)] += gy[at(p)] / len(window)
    return gx


def adaptive_max_pool(x, out):
    """(y, position in the window, position in the input plane); the backward pass is `max_pool_backward`.

    Positions in a window are counted as in one of the largest size.
    """
    x = np.asarray(x, F64)
    largest = [max(-(-(p + 1) * n // o) - p * n // o for p in range(o)) for n, o in zip(x.shape[2:], out, strict=True)]
    y = np.full((*x.shape[:2], *out), -np.inf)
    place, plane = np.zeros(y.shape, np.int64), np.zeros(y.shape, np.int64)
    for p in every(out):
        first = [pi * n // o for pi, n, o in zip(p, x.shape[2:], out, strict=True)]
        for number, i in enumerate(_adaptive_window(p, x.shape[2:], out)):
            better = (x[at(i)] > y[at(p)]) | np.isnan(x[at(i)]) | (number == 0)
            inner = np.ravel_multi_index(tuple(a - b for a, b in zip(i, first, strict=True)), largest)
            place[at(p)] = np.where(better, inner, place[at(p)])
            plane[at(p)] = np.where(better, np.ravel_multi_index(i, x.shape[2:]), plane[at(p)])
            y[at(p)] = np.where(better, x[at(i)], y[at(p)])
    return y, place, plane


def _norm_windows(spatial, size, stride, ceil_mode):
    """Yields (output position, input positions in its window, the window's elements over those)."""
    for p, real, _ in _average_windows(spatial, size, stride, tuple(0 for _ in size), ceil_mode, True):
        yield p, real, np.prod(size) / len(real)


def norm_pool(x, size, stride, power, ceil_mode=False):
    """Each window's norm of order power; one that hangs over the edge goes on with its mean."""
    x = np.asarray(x, F64)
    ones, zeros = tuple(1 for _ in size), tuple(0 for _ in size)
    y = np.zeros((*x.shape[:2], *out_sizes(x.shape[2:], size, stride, zeros, ones, ceil_mode)))
    for p, real, scale in _norm_windows(x.shape[2:], size, stride, ceil_mode):
        y[at(p)] = (scale * sum(x[at(i)] ** power for i in real)) ** (1 / power)
    return y


def norm_pool_backward(gy, x, y, size, stride, power, ceil_mode=False):
    """gx from y as it was rounded: gy * scale * (x / y)^(power - 1), 0 where y is."""
    gy, x, y = (np.asarray(a, F64) for a in (gy, x, y))
    gx = np.zeros(x.shape)
    for p, real, scale in _norm_windows(x.shape[2:], size, stride, ceil_mode):
        there = y[at(p)] != 0
        for i in real:
            ratio = np.divide(x[at(i)], y[at(p)], out=np.zeros_like(y[at(p)]), where=there)
            gx[at(i)] += np.where(there, gy[at(p)] * scale * ratio ** (power - 1), 0)
    return gx
