"""Batch normalisation, and the convolution that it is folded into."""

import numpy as np

F64 = np.float64


def batch_norm_train(x, gamma, beta, eps, residual=None, relu=False):
    """(y, mean, biased variance), statistics of each channel over samples and positions."""
    x = np.asarray(x, F64)
    count = x.size // max(x.shape[1], 1)
    mean, var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for c in range(x.shape[1]):
        mean[c] = x[:, c].sum() / count
        var[c] = ((x[:, c] - mean[c]) ** 2).sum() / count
    return batch_norm_eval(x, gamma, beta, mean, var, eps, residual, relu), mean, var


def batch_norm_eval(x, gamma, beta, mean, var, eps, residual=None, relu=False):
    """y = relu?(gamma * (x - mean) / sqrt(var + eps) + beta + residual?)."""
    x = np.asarray(x, F64)
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        scale, shift = (1.0 if gamma is None else F64(gamma[c])), (0.0 if beta is None else F64(beta[c]))
        y[:, c] = scale * (x[:, c] - F64(mean[c])) / np.sqrt(F64(var[c]) + eps) + shift
    if residual is not None:
        y += np.asarray(residual, F64)
    return np.where(y < 0, 0.0, y) if relu else y


def batch_norm_fold(w, b, gamma, beta, mean, var, eps):
    """(w, b) of the convolution after which batch_norm_eval would have been."""
    w = np.asarray(w, F64)
    folded, shift = np.zeros(w.shape), np.zeros(len(w))
    for k in range(len(w)):
        scale = (1.0 if gamma is None else F64(gamma[k])) / np.sqrt(F64(var[k]) + eps)
        folded[k] = w[k] * scale
        level = (0.0 if b is None else F64(b[k])) - F64(mean[k])
        shift[k] = level * scale + (0.0 if beta is None else F64(beta[k]))
    return folded, shift


def batch_norm_backward(gy, x, gamma, mean, var, eps, training, y=None):
    """(gx, ggamma, gbeta, gresidual). `y`, the output, is given when a ReLU was applied to it.

    Training: mean and variance depend on x, whose gradient therefore loses its mean and its part along (x - mean).
    """
    gy, x = np.asarray(gy, F64), np.asarray(x, F64)
    if y is not None:
        gy = np.where(np.asarray(y, F64) > 0, gy, 0.0)
    gx, ggamma, gbeta = np.zeros(x.shape), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    count = x.size // max(x.shape[1], 1)
    for c in range(x.shape[1]):
        scale = 1.0 if gamma is None else F64(gamma[c])
        inverse = 1.0 / np.sqrt(F64(var[c]) + eps)
        normal = (x[:, c] - F64(mean[c])) * inverse
        gbeta[c] = gy[:, c].sum()
        ggamma[c] = (gy[:, c] * normal).sum()
        if training:
            gx[:, c] = scale * inverse * (gy[:, c] - gbeta[c] / count - normal * ggamma[c] / count)
        else:
            gx[:, c] = scale * inverse * gy[:, c]
    return gx, ggamma, gbeta, gy
