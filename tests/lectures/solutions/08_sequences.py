"""Answers to the exercises of 08_sequences: right ones, and likely mistakes."""

import numpy as np


def step_back(g, h, x, before, W, U):
    delta = g * (1 - h**2)
    return delta @ U, delta.T @ x, delta.T @ before


def of_new_state(g, h, x, before, W, U):
    delta = g * (1 - h**2)
    return delta @ U, delta.T @ x, delta.T @ h


def transposed(g, h, x, before, W, U):
    delta = g * (1 - h**2)
    return delta @ U.T, delta.T @ x, delta.T @ before


def without_slope(g, h, x, before, W, U):
    return g @ U, g.T @ x, g.T @ before


def forget_bias(length, share):
    gate = share ** (1 / length)
    return np.log(gate / (1 - gate))


def gates(x, h, w_ih, w_hh, b_ih, b_hh):
    given, kept = np.split(x @ w_ih.T + b_ih, 3, axis=1), np.split(h @ w_hh.T + b_hh, 3, axis=1)
    r, z = (1 / (1 + np.exp(-(a + b))) for a, b in zip(given[:2], kept[:2], strict=True))
    return r, z, given[2], kept[2]


def gru_step(x, h, *weights):
    r, z, given, kept = gates(x, h, *weights)
    return (1 - z) * np.tanh(given + r * kept) + z * h


def turned_round(x, h, *weights):
    r, z, given, kept = gates(x, h, *weights)
    return z * np.tanh(given + r * kept) + (1 - z) * h


def reset_before_the_product(x, h, w_ih, w_hh, b_ih, b_hh):
    r, z, given, _ = gates(x, h, w_ih, w_hh, b_ih, b_hh)
    kept = (r * h) @ w_hh[-h.shape[1] :].T + b_hh[-h.shape[1] :]
    return (1 - z) * np.tanh(given + kept) + z * h


SOLUTIONS = {1: step_back, 2: forget_bias, 3: gru_step}
WRONG = {
    1: [of_new_state, transposed, without_slope, lambda *args: step_back(*args)[0]],
    2: [
        lambda length, share: share ** (1 / length),
        lambda length, share: np.log(share / (1 - share)),
        lambda length, share: [forget_bias(length, share)],
    ],
    3: [turned_round, reset_before_the_product, lambda *args: gru_step(*args)[0]],
}
