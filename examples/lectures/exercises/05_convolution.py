"""Checks of the exercises on convolution."""

from __future__ import annotations

import numpy as np
from lecture import differs

from gpunn import nn, ops
from gpunn.nn.overview import rows


def check_1(output_size) -> str:
    for kernel, stride, padding, dilation in ((3, 1, 0, 1), (5, 1, 2, 1), (3, 2, 1, 1), (4, 3, 0, 1), (3, 2, 2, 3)):
        layer = nn.Conv1d(1, 1, kernel, stride, padding, dilation)
        want = layer(np.zeros((1, 17), np.float32)).shape[-1]
        got = output_size(17, kernel, stride, padding, dilation)
        given = f"17 pixels, kernel {kernel}, stride {stride}, padding {padding}, dilation {dilation}"
        if got != want:
            where = "too many" if got > want else "too few"
            return f"{got} is {where} for {given}"
        if not isinstance(got, (int, np.integer)):
            return f"{got!r} is no whole number, for {given}"
    return ""


def check_2(grad_input) -> str:
    rng = np.random.default_rng(0)
    for stride in (1, 2):
        x_shape, w = (7, 9), rng.standard_normal((3, 3))
        P, Q = ((n - 3) // stride + 1 for n in x_shape)
        g = rng.standard_normal((P, Q))
        want = ops.conv2d_grad_input(g[None, None], w[None, None], (1, 1, *x_shape), stride=stride)[0, 0]
        hint = differs(grad_input(g, w, x_shape, stride), want, f"the gradient with stride {stride}")
        if hint:
            return hint
    return ""


def check_3(field) -> str:
    lenet, deeper = [(5, 1), (2, 2), (5, 1), (2, 2)], [(7, 2), (3, 2), (3, 1), (1, 1), (3, 2)]
    for layers in ([(5, 1)], [(3, 1), (3, 1)], lenet, deeper):
        stack = nn.Sequential(*[nn.Conv2d(1, 1, kernel, stride) for kernel, stride in layers])
        last = rows(stack, (0, 1, 99, 99))[0][-1].field
        assert last is not None
        got = field(layers)
        if got != last.size[0]:
            return f"behind {layers} a unit sees {'fewer' if got > last.size[0] else 'more'} than {got} pixels in a row"
    return ""
