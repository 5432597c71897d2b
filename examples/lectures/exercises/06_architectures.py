"""Checks of the exercises on architectures."""

from __future__ import annotations

import numpy as np
from lecture import differs

import gpunn
from gpunn import nn
from gpunn.nn.overview import rows


def check_1(parameters) -> str:
    for given in ((1, 6, 5, 1, True), (6, 16, 5, 1, False), (8, 12, 3, 4, True), (96, 256, 5, 2, True)):
        in_channels, out_channels, kernel, groups, bias = given
        layer = nn.Conv2d(in_channels, out_channels, kernel, groups=groups, bias=bias)
        hint = differs(parameters(*given), sum(p.size for p in layer.parameters()), f"the number for {given}", 0)
        if hint:
            return hint
    return ""


def check_2(weights_of_stack) -> str:
    for depth, channels in ((1, 4), (2, 4), (3, 8), (6, 2)):
        stack = nn.Sequential(*[nn.Conv2d(channels, channels, 3, bias=False) for _ in range(depth)])
        field = rows(stack, (0, channels, 20, 20))[0][-1].field
        assert field is not None
        want = sum(p.size for p in stack.parameters())
        given = f"the number for a field of {field.size[0]} and {channels} channels"
        hint = differs(weights_of_stack(int(field.size[0]), channels), want, given, 0)
        if hint:
            return hint
    return ""


def check_3(saliency) -> str:
    gpunn.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(80, 5)]
    model = nn.Sequential(*layers).to("float64")
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    for label in (2, 0):
        want = np.zeros(x.shape)
        for at in np.ndindex(*x.shape):
            step = np.zeros(x.shape)
            step[at] = 1e-5
            more, less = (gpunn.to_numpy(model(image[None]))[0, label] for image in (x + step, x - step))
            want[at] = abs(more - less) / 2e-5
        hint = differs(saliency(model, x.copy(), label), want.max(axis=0), f"the map of class {label}", 1e-4)
        if hint:
            return hint
    return ""
