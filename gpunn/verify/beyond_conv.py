"""Convolutions past 2^31 elements: many samples for what has an output a thread, many channels for sums over pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.reference import naive
from gpunn.verify.space import Beyond, Space, exact, numbers
from gpunn.window import Window

SAMPLES = 2**20 + 2  # of 2,048 elements each


def convolutions(space: Space) -> Iterator[Beyond]:
    """Each pass of each rank, and depthwise."""
    yield from _images(space, "conv2d", (8, 16, 16), Window.of(3, 1, 1), 1)
    yield from _images(space, "conv2d", (8, 16, 16), Window.of(3, 1, 1), 8)
    yield from _images(space, "conv3d", (8, 4, 8, 8), Window.of((3, 1, 1), 1, (1, 0, 0), rank=3), 1)
    yield _input_channels(space, "conv2d", (16, 16))
    yield _input_channels(space, "conv3d", (4, 8, 8))
    yield _filters(space)
    yield _depthwise(space)
    yield _bias(space, 1026, (2**21, 1, 1), blocks=16)
    yield _bias(space, SAMPLES, (1, 64, 32), blocks=1, drawn=63)


def _images(space: Space, family: str, sample: tuple[int, ...], win: Window, groups: int) -> Iterator[Beyond]:
    """x and y of many samples; every tap counts in the last one."""
    name = f"{sample[0]} channels, {groups} groups"
    last, weight = numbers(name, *sample), numbers(f"{name} weight", sample[0], sample[0] // groups, *win.size)
    kept = sample[0] // groups  # channels: those of the last group
    how = {"stride": win.stride, "padding": win.padding, "dilation": win.dilation, "groups": groups}

    def forward() -> tuple:
        x, w = space.image(SAMPLES, last), space.give(weight)
        return (space.twins.conv.forward(x, w, None, win, groups)[-1:, -kept:],)

    def grad_input() -> tuple:
        gy, w = space.image(SAMPLES, last), space.give(weight)
        return (space.twins.conv.grad_input(gy, w, gy.shape, win, groups)[-1:, -kept:],)

    def want() -> tuple:
        return exact(naive.conv(last[None], weight, None, **how)[:, -kept:])

    def want_input() -> tuple:
        return exact(naive.conv_grad_input(last[None], weight, (1, *sample), **how)[:, -kept:])

    yield Beyond(f"{family}.forward", name, 11, 32, forward, want)
    yield Beyond(f"{family}.grad_input", name, 11, 32, grad_input, want_input)


def _input_channels(space: Space, family: str, plane: tuple[int, ...]) -> Beyond:
    """grad_weight of x (2050, 4096, *256 positions), of which a stride of a plane meets the first position alone."""
    channels, filters, kept, rank = 4096, 8, 32, len(plane)
    win = Window.of((1,) * rank, plane, rank=rank)
    above, below = numbers("above", filters), numbers("below", channels)

    def run() -> tuple:
        last = np.zeros((channels, *plane), np.float16)
        last.reshape(channels, -1)[:, 0] = below
        x, gy = space.image(2050, last), space.image(2050, above.reshape(-1, *(1,) * rank))
        gw, _ = space.twins.conv.grad_weight(gy, x, (filters, channels, *(1,) * rank), win, 1)
        return (gw.reshape(filters, channels)[-1, -kept:],)

    return Beyond(f"{family}.grad_weight", "4096 channels", 5, 32, run, lambda: exact(above[-1] * below[-kept:]))


def _filters(space: Space) -> Beyond:
    """grad_weight of gy (1026, 2^21, 1, 1)."""
    channels, filters, kept = 8, 2**21, 4
    above, below = numbers("above", filters), numbers("below", channels)

    def run() -> tuple:
        x, gy = space.image(1026, below.reshape(-1, 1, 1)), space.image(1026, above.reshape(-1, 1, 1))
        gw, gb = space.twins.conv.grad_weight(gy, x, (filters, channels, 1, 1), Window.of(1), 1, bias=True)
        assert gb is not None
        return gw[-kept:, :, 0, 0], gb[-kept:]

    def want() -> tuple:
        return exact(np.outer(above[-kept:], below), above[-kept:])

    return Beyond("conv2d.grad_weight", "2^21 filters", 6, 16, run, want)


def _depthwise(space: Space) -> Beyond:
    """grad_weight of x and gy (2050, 2^20, 1, 1), a group a channel."""
    channels, kept = 2**20, 32
    above, below = numbers("above", channels), numbers("below", channels)

    def run() -> tuple:
        x, gy = space.image(2050, below.reshape(-1, 1, 1)), space.image(2050, above.reshape(-1, 1, 1))
        gw, _ = space.twins.conv.grad_weight(gy, x, (channels, 1, 1, 1), Window.of(1), channels)
        return (gw[-kept:, 0, 0, 0],)

    return Beyond("conv2d.grad_weight", "2^20 groups", 10, 8, run, lambda: exact((above * below)[-kept:]))


def _bias(space: Space, samples: int, sample: tuple[int, ...], blocks: int, drawn: int = 0) -> Beyond:
    """Columns that are far apart, or rows past 2^31 of one column, `drawn` of whose parts are not the last blocks'."""
    last = numbers("gy", *sample)

    def run() -> tuple:
        gy = space.image(samples, last)
        space.draw(drawn)
        return (space.twins.conv.grad_bias(gy)[-32:],)

    def want() -> tuple:
        return exact(naive.conv_grad_bias(last[None])[-32:])

    return Beyond("conv2d.grad_bias", f"{sample[0]} filters", 6, blocks, run, want)
