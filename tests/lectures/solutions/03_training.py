"""Answers to the exercises of 03_training: right ones, and likely mistakes."""

import numpy as np


def first_weights(fan_out, fan_in, rng):
    return rng.normal(0, np.sqrt(2 / fan_in), (fan_out, fan_in))


def for_tanh(fan_out, fan_in, rng):
    return rng.normal(0, np.sqrt(1 / fan_in), (fan_out, fan_in))


def turned(fan_out, fan_in, rng):
    return first_weights(fan_in, fan_out, rng)


def variance_for_deviation(fan_out, fan_in, rng):
    return rng.normal(0, 2 / fan_in, (fan_out, fan_in))


def layer_norm_backward(x, gy):
    r = 1 / x.std(1, keepdims=True)
    hat = (x - x.mean(1, keepdims=True)) * r
    return r * (gy - gy.mean(1, keepdims=True) - hat * (gy * hat).mean(1, keepdims=True))


def over_the_batch(x, gy):
    return layer_norm_backward(x.T, gy.T).T


def without_the_variance(x, gy):
    return (gy - gy.mean(1, keepdims=True)) / x.std(1, keepdims=True)


def adam(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def without_correction(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    _, m, v = adam(w, g, m, v, t, lr, beta1, beta2, eps)
    return w - lr * m / (np.sqrt(v) + eps), m, v


def in_place(w, g, m, v, t, **options):
    new, m, v = adam(w, g, m, v, t, **options)
    w[...] = new
    return w, m, v


SOLUTIONS = {1: first_weights, 2: layer_norm_backward, 3: adam}
WRONG = {
    1: [for_tanh, turned, variance_for_deviation],
    2: [over_the_batch, without_the_variance],
    3: [without_correction, in_place],
}
