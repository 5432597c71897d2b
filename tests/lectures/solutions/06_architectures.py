"""Answers to the exercises of 06_architectures: right ones, and likely mistakes."""

import numpy as np

import gpunn
from gpunn import ops


def gradient(model, x, label, by=lambda scores: scores):
    leaf = gpunn.Tensor(x[None], requires_grad=True)
    (gx,) = gpunn.autograd.grad(by(model(leaf))[0, label], leaf)
    return gx.numpy()[0]


SOLUTIONS = {
    1: lambda inputs, outputs, kernel, groups, bias: outputs * (inputs // groups * kernel**2 + bias),
    2: lambda field, channels: (field - 1) // 2 * 9 * channels**2,
    3: lambda model, x, label: np.abs(gradient(model, x, label)).max(axis=0),
}
WRONG = {
    1: [
        lambda inputs, outputs, kernel, groups, bias: outputs * inputs * kernel**2 + outputs * bias,
        lambda inputs, outputs, kernel, groups, bias: outputs * inputs // groups * kernel**2 + 1,
        lambda inputs, outputs, kernel, groups, bias: outputs * inputs // groups * kernel**2 + inputs * bias,
    ],
    2: [
        lambda field, channels: field**2 * channels**2,
        lambda field, channels: field // 3 * 9 * channels**2,
        lambda field, channels: (field - 1) // 2 * 9 * channels,
    ],
    3: [
        lambda model, x, label: gradient(model, x, label).max(axis=0),
        lambda model, x, label: np.abs(gradient(model, x, label)),
        lambda model, x, label: np.abs(gradient(model, x, label, lambda s: ops.softmax(s, 1))).max(axis=0),
    ],
}
