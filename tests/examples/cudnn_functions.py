"""What CuPy 13's `cupyx.cudnn` and Chainer computed, by PyTorch's functions of NumPy arrays: the old side of the guide.

Written from their signatures: (x, W, b, y, ...) with results in y, gW and y, modes by number.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
constants = SimpleNamespace(
    CUDNN_POOLING_MAX=0, CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING=1, CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING=2,
    CUDNN_ACTIVATION_SIGMOID=0, CUDNN_ACTIVATION_RELU=1, CUDNN_ACTIVATION_TANH=2, CUDNN_ACTIVATION_CLIPPED_RELU=3,
    CUDNN_ACTIVATION_ELU=4, CUDNN_SOFTMAX_FAST=0, CUDNN_SOFTMAX_ACCURATE=1, CUDNN_SOFTMAX_LOG=2,
    CUDNN_BATCHNORM_PER_ACTIVATION=0, CUDNN_BATCHNORM_SPATIAL=1,
)  # fmt: skip


def _t(a):
    return None if a is None else torch.from_numpy(np.ascontiguousarray(a))


def _gradient(function, gy, *inputs):
    """Gradients of function(*inputs) at them."""
    leaves = [_t(a).requires_grad_() for a in inputs]
    function(*leaves).backward(_t(gy))
    return [leaf.grad.numpy() for leaf in leaves]


def convolution_forward(x, W, b, y, pad, stride, dilation, groups, *, auto_tune, tensor_core):
    y[...] = CONVS[len(pad)](_t(x), _t(W), _t(b), stride, pad, dilation, groups).numpy()


def convolution_backward_filter(x, gy, gW, pad, stride, dilation, groups, *, deterministic, auto_tune, tensor_core):
    conv = CONVS[len(pad)]
    (gW[...],) = _gradient(lambda w: conv(_t(x), w, None, stride, pad, dilation, groups), gy, gW)


def convolution_backward_data(W, x, b, y, pad, stride, dilation, groups, *, deterministic, auto_tune, tensor_core):
    conv = CONVS[len(pad)]
    (y[...],) = _gradient(lambda a: conv(a, _t(W), None, stride, pad, dilation, groups), x, np.zeros_like(y))
    if b is not None:
        y += b.reshape(-1, *(1,) * len(pad))


def _pooled(mode, ksize, stride, pad):
    if mode == constants.CUDNN_POOLING_MAX:
        return lambda x: F.max_pool2d(x, ksize, stride, pad)
    return lambda x: F.avg_pool2d(x, ksize, stride, pad, count_include_pad=mode == 1)


def pooling_forward(x, y, ksize, stride, pad, mode):
    y[...] = _pooled(mode, ksize, stride, pad)(_t(x)).numpy()
    return y


def pooling_backward(x, y, gy, ksize, stride, pad, mode):
    return _gradient(_pooled(mode, ksize, stride, pad), gy, x)[0]


def _flat(x, mode):
    """x as (N, channels, rest), a channel for each mean."""
    return x.reshape(len(x), -1, 1) if mode == constants.CUDNN_BATCHNORM_PER_ACTIVATION else x.reshape(*x.shape[:2], -1)


def _normalised(x, gamma, beta, mean, var, eps, mode, training, share=0.0):
    flat = [None if a is None else a.reshape(-1) for a in (mean, var, gamma, beta)]
    return F.batch_norm(_flat(x, mode), *flat, training, share, eps).reshape(x.shape)


def batch_normalization_forward_training(
    x, gamma, beta, running_mean, running_var, mean, inv_std, eps, decay, is_for_conv2d, cudnn_mode, debug
):  # fmt: skip
    y = _normalised(_t(x), _t(gamma), _t(beta), _t(running_mean), _t(running_var), eps, cudnn_mode, True, 1 - decay)
    flat = _flat(x.astype(np.float64), cudnn_mode)
    found = flat.mean((0, 2)), 1 / np.sqrt(flat.var((0, 2)) + eps)
    return y.numpy(), *[a.reshape(gamma.shape).astype(x.dtype) for a in found]


def batch_normalization_forward_inference(x, gamma, beta, mean, var, eps, is_for_conv2d, cudnn_mode):
    return _normalised(_t(x), _t(gamma), _t(beta), _t(mean), _t(var), eps, cudnn_mode, False).numpy()


def batch_normalization_backward(x, gamma, gy, mean, inv_std, eps, is_for_conv2d, cudnn_mode, debug):
    beta = np.zeros_like(gamma)
    return _gradient(lambda a, g, b: _normalised(a, g, b, None, None, eps, cudnn_mode, True), gy, x, gamma, beta)


def _activation(mode, coef):
    return [torch.sigmoid, torch.relu, torch.tanh, lambda x: x.clamp(0, coef), lambda x: F.elu(x, coef)][mode]


def activation_forward(x, mode, coef=0.0):
    return _activation(mode, coef)(_t(x)).numpy()


def activation_backward(x, y, gy, mode, coef=0.0):
    return _gradient(_activation(mode, coef), gy, x)[0]


def softmax_forward(x, axis, algorithm):
    return (F.log_softmax if algorithm == constants.CUDNN_SOFTMAX_LOG else F.softmax)(_t(x), axis).numpy()


def softmax_backward(y, gy, axis, algorithm):
    if algorithm == constants.CUDNN_SOFTMAX_LOG:
        return gy - np.exp(y) * gy.sum(axis, keepdims=True)
    return y * (gy - (gy * y).sum(axis, keepdims=True))


def convolution_2d(x, W, b=None, stride=1, pad=0):
    return F.conv2d(_t(x), _t(W), _t(b), stride, pad).numpy()


def max_pooling_2d(x, ksize, stride=None, pad=0, cover_all=True):
    return F.max_pool2d(_t(x), ksize, stride, pad, ceil_mode=cover_all).numpy()


def batch_normalization(x, gamma, beta, eps=2e-5):
    return F.batch_norm(_t(x), None, None, _t(gamma), _t(beta), True, 0.0, eps).numpy()
