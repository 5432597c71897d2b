"""Answers to the exercises of 04_regularisation: right ones, and likely mistakes."""

import numpy as np


def step(w, g, m, lr, momentum, decay):
    m = momentum * m + g
    return (1 - lr * decay) * w - lr * m, m


def coupled(w, g, m, lr, momentum, decay):
    m = momentum * m + g + decay * w
    return w - lr * m, m


def decay_without_rate(w, g, m, lr, momentum, decay):
    m = momentum * m + g
    return (1 - decay) * w - lr * m, m


def dropout_backward(gy, h, y, p):
    return gy * (y != 0) / (1 - p)


def without_scale(gy, h, y, p):
    return gy * (y != 0)


def without_mask(gy, h, y, p):
    return gy / (1 - p)


def stopped(losses, patience):
    best, last = 0, len(losses)
    for i, loss in enumerate(losses):
        if loss < losses[best]:
            best = i
        elif i - best >= patience:
            last = i + 1
            break
    return best + 1, last


def lowest_of_all(losses, patience):
    return int(np.argmin(losses)) + 1, stopped(losses, patience)[1]


def counted_from_0(losses, patience):
    best, last = stopped(losses, patience)
    return best - 1, last - 1


SOLUTIONS = {1: step, 2: dropout_backward, 3: stopped}
WRONG = {1: [coupled, decay_without_rate], 2: [without_scale, without_mask], 3: [lowest_of_all, counted_from_0]}
