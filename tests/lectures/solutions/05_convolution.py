"""Answers to the exercises of 05_convolution: right ones, and likely mistakes."""

import numpy as np


def grad_input(g, w, x_shape, stride):
    gx = np.zeros(x_shape)
    for p, q in np.ndindex(*g.shape):
        gx[p * stride : p * stride + len(w), q * stride : q * stride + w.shape[1]] += g[p, q] * w
    return gx


def without_stride(g, w, x_shape, stride):
    return grad_input(g, w, x_shape, 1)


def flipped(g, w, x_shape, stride):
    return grad_input(g, w[::-1, ::-1], x_shape, stride)


def overwritten(g, w, x_shape, stride):
    gx = np.zeros(x_shape)
    for p, q in np.ndindex(*g.shape):
        gx[p * stride : p * stride + len(w), q * stride : q * stride + w.shape[1]] = g[p, q] * w
    return gx


def field(layers):
    size, step = 1, 1
    for kernel, stride in layers:
        size, step = size + (kernel - 1) * step, step * stride
    return size


SOLUTIONS = {
    1: lambda n, kernel, stride, padding, dilation: (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1,
    2: grad_input,
    3: field,
}
WRONG = {
    1: [
        lambda n, kernel, stride, padding, dilation: (n + padding - kernel) // stride + 1,
        lambda n, kernel, stride, padding, dilation: (n + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1,
        lambda n, kernel, stride, padding, dilation: (n + 2 * padding - dilation * kernel) // stride + 1,
    ],
    2: [without_stride, flipped, overwritten],
    3: [lambda layers: sum(kernel - 1 for kernel, _ in layers) + 1, lambda layers: layers[-1][0]],
}
