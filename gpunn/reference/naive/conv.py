"""Convolution and its gradients."""

import numpy as np

from gpunn.reference.naive.walk import every, inside, out_sizes, tap

F64 = np.float64


def _grouped(x, groups):
    """(N, C, ...) as (N, groups, C/groups, ...)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def conv(x, w, b, stride, padding, dilation, groups, residual=None):
    """y[n, k, p] = b[k] + residual + sum over c, r of x[n, c, p*stride - padding + r*dilation] * w[k, c, r]."""
    x, w = np.asarray(x, F64), np.asarray(w, F64)
    spatial, size = x.shape[2:], w.shape[2:]
    out = out_sizes(spatial, size, stride, padding, dilation)
    xg = _grouped(x, groups)
    wg = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    y = np.zeros((x.shape[0], groups, wg.shape[1], *out))
    for p in every(out):
        for r in every(size):
            i = tap(p, r, stride, padding, dilation)
            if inside(i, spatial):
                y[(..., *p)] += np.einsum("ngc,gkc->ngk", xg[(..., *i)], wg[(..., *r)])
    y = y.reshape(x.shape[0], w.shape[0], *out)
    if b is not None:
        y += np.asarray(b, F64).reshape(-1, *(1 for _ in out))
    return y if residual is None else y + np.asarray(residual, F64)


def conv_grad_input(gy, w, x_shape, stride, padding, dilation, groups):
    """Each output position hands its gradient back to the inputs that its window touched."""
    gy, w = np.asarray(gy, F64), np.asarray(w, F64)
    spatial, size = x_shape[2:], w.shape[2:]
    gyg = _grouped(gy, groups)
    wg = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    gx = np.zeros((x_shape[0], groups, x_shape[1] // groups, *spatial))
    for p in every(gy.shape[2:]):
        for r in every(size):
            i = tap(p, r, stride, padding, dilation)
            if inside(i, spatial):
                gx[(..., *i)] += np.einsum("ngk,gkc->ngc", gyg[(..., *p)], wg[(..., *r)])
    return gx.reshape(x_shape)


def conv_grad_weight(gy, x, w_shape, stride, padding, dilation, groups):
    """Each tap of the filter collects gradient times the input that it met, over all positions and samples."""
    gy, x = np.asarray(gy, F64), np.asarray(x, F64)
    spatial, size = x.shape[2:], w_shape[2:]
    gyg, xg = _grouped(gy, groups), _grouped(x, groups)
    gw = np.zeros((groups, w_shape[0] // groups, *w_shape[1:]))
    for p in every(gy.shape[2:]):
        for r in every(size):
            i = tap(p, r, stride, padding, dilation)
            if inside(i, spatial):
                gw[(..., *r)] += np.einsum("ngk,ngc->gkc", gyg[(..., *p)], xg[(..., *i)])
    return gw.reshape(w_shape)


def conv_grad_bias(gy):
    """gb (K,): gy summed over samples and positions."""
    return np.asarray(gy, F64).sum(axis=(0, *range(2, np.ndim(gy))))
