"""Where windows lie: the output positions, the taps of each, and what they meet of the input."""

from itertools import product


def out_size(n, size, stride, padding, dilation=1, ceil_mode=False):
    """Output length of one dimension; under ceil_mode the last window must start inside the input or left padding."""
    span = n + 2 * padding - (dilation * (size - 1) + 1)
    if span < 0 and not ceil_mode:
        return 0
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (out - 1) * stride >= n + padding:
        out -= 1
    return max(out, 0)


def out_sizes(spatial, size, stride, padding, dilation, ceil_mode=False):
    """`out_size` of each spatial dimension."""
    return tuple(out_size(*one, ceil_mode) for one in zip(spatial, size, stride, padding, dilation, strict=True))


def every(shape):
    """All index tuples of a shape, last dimension fastest."""
    return product(*(range(n) for n in shape))


def tap(p, r, stride, padding, dilation):
    """Where tap r of the window at output position p lies in the input (may be outside: that is padding)."""
    return tuple(pi * s - q + ri * d for pi, ri, s, q, d in zip(p, r, stride, padding, dilation, strict=True))


def inside(i, spatial):
    """Whether position i lies in the input, not in its padding."""
    return all(0 <= a < n for a, n in zip(i, spatial, strict=True))


def at(i):
    """The index of spatial position i for every sample and channel."""
    return (slice(None), slice(None), *i)
