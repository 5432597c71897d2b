"""The oracle: seven primitives as plain loops in float64, sharing no code with gpunn.

Loops run over output positions and window taps; only batch and channels are NumPy expressions, so that every index
that could be wrong stands here in the open. Geometry arguments are tuples, one entry a spatial dimension (rank 1 to 3).

Letters: x (N, C, *spatial), w (K, C/groups, *window), y (N, K, *out); gy, gx, gw are gradients.
"""

from itertools import product

import numpy as np

F64 = np.float64


# ---------------------------------------------------------------- geometry
def out_size(n, size, stride, padding, dilation=1, ceil_mode=False):
    """Output length of one dimension; under ceil_mode the last window must start inside the input or left padding."""
    span = n + 2 * padding - (dilation * (size - 1) + 1)
    if span < 0 and not ceil_mode:
        return 0
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (out - 1) * stride >= n + padding:
        out -= 1
    return max(out, 0)


def out_sizes(spatial, size, stride, padding, dilation, ceil_mode=False):
    """`out_size` of each spatial dimension."""
    return tuple(out_size(*one, ceil_mode) for one in zip(spatial, size, stride, padding, dilation, strict=True))


def every(shape):
    """All index tuples of a shape, last dimension fastest."""
    return product(*(range(n) for n in shape))


def tap(p, r, stride, padding, dilation):
    """Where tap r of the window at output position p lies in the input (may be outside: that is padding)."""
    return tuple(pi * s - q + ri * d for pi, ri, s, q, d in zip(p, r, stride, padding, dilation, strict=True))


def inside(i, spatial):
    """Whether position i lies in the input, not in its padding."""
    return all(0 <= a < n for a, n in zip(i, spatial, strict=True))


def at(i):
    """The index of spatial position i for every sample and channel."""
    return (slice(None), slice(None), *i)


# ---------------------------------------------------------------- 1, 2: convolution and its gradients
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


# ---------------------------------------------------------------- 3: max pooling
def max_pool(x, size, stride, padding, dilation, ceil_mode=False):
    """(y, position in the window, position in the input plane). The first maximum wins; a NaN beats every number."""
    x = np.asarray(x, F64)
    spatial = x.shape[2:]
    out = out_sizes(spatial, size, stride, padding, dilation, ceil_mode)
    y = np.full((*x.shape[:2], *out), -np.inf)
    window = np.zeros(y.shape, np.int64)
    plane = np.full(y.shape, -1, np.int64)  # of a window outside the input
    for p in every(out):
        best = np.full(x.shape[:2], -np.inf)
        first = True
        for number, r in enumerate(every(size)):
            i = tap(p, r, stride, padding, dilation)
            if not inside(i, spatial):
                continue
            value = x[at(i)]
            better = (value > best) | np.isnan(value) | first
            best = np.where(better, value, best)
            window[at(p)] = np.where(better, number, window[at(p)])
            plane[at(p)] = np.where(better, np.ravel_multi_index(i, spatial), plane[at(p)])
            first = False
        y[at(p)] = best
    return y, window, plane


def max_pool_backward(gy, plane, x_shape):
    """Every output gives its gradient to the one input that it took, if any; overlapping windows add up."""
    gy = np.asarray(gy, F64)
    gx = np.zeros((*x_shape[:2], int(np.prod(x_shape[2:]))))
    samples, channels = np.indices(x_shape[:2])
    for p in every(gy.shape[2:]):
        gx[samples, channels, plane[at(p)]] += np.where(plane[at(p)] < 0, 0, gy[at(p)])
    return gx.reshape(x_shape)


# ---------------------------------------------------------------- 4: average pooling
def _average_windows(spatial, size, stride, padding, ceil_mode, count_include_pad):
    """Yields (output position, input positions in its window, divisor)."""
    ones = tuple(1 for _ in size)
    for p in every(out_sizes(spatial, size, stride, padding, ones, ceil_mode)):
        taps = [tap(p, r, stride, padding, ones) for r in every(size)]
        real = [i for i in taps if inside(i, spatial)]
        # Padding counts, but what ceil_mode reaches beyond the padding does not.
        padded = [i for i in taps if all(a < n + q for a, n, q in zip(i, spatial, padding, strict=True))]
        yield p, real, len(padded) if count_include_pad else len(real)


def avg_pool(x, size, stride, padding, ceil_mode=False, count_include_pad=True):
    """The mean of each window; count_include_pad: over the zeros of the padding too."""
    x = np.asarray(x, F64)
    ones = tuple(1 for _ in size)
    y = np.zeros((*x.shape[:2], *out_sizes(x.shape[2:], size, stride, padding, ones, ceil_mode)))
    for p, real, divisor in _average_windows(x.shape[2:], size, stride, padding, ceil_mode, count_include_pad):
        for i in real:
            y[at(p)] += x[at(i)]
        y[at(p)] /= divisor
    return y


def avg_pool_backward(gy, x_shape, size, stride, padding, ceil_mode=False, count_include_pad=True):
    """gx: each gy shared out evenly over its window."""
    gy = np.asarray(gy, F64)
    gx = np.zeros(x_shape)
    for p, real, divisor in _average_windows(x_shape[2:], size, stride, padding, ceil_mode, count_include_pad):
        for i in real:
            gx[at(i)] += gy[at(p)] / divisor
    return gx


def _adaptive_window(p, spatial, out):
    """Input positions of adaptive output p: from floor(p*n/o) up to, not including, ceil((p+1)*n/o)."""
    return product(*(range(pi * n // o, -(-(pi + 1) * n // o)) for pi, n, o in zip(p, spatial, out, strict=True)))


def adaptive_avg_pool(x, out):
    """The mean of each adaptive window."""
    x = np.asarray(x, F64)
    y = np.zeros((*x.shape[:2], *out))
    for p in every(out):
        window = list(_adaptive_window(p, x.shape[2:], out))
        y[at(p)] = sum(x[at(i)] for i in window) / len(window)
    return y


def adaptive_avg_pool_backward(gy, x_shape):
    """gx: each gy shared out evenly over its adaptive window."""
    gy = np.asarray(gy, F64)
    gx = np.zeros(x_shape)
    for p in every(gy.shape[2:]):
        window = list(_adaptive_window(p, x_shape[2:], gy.shape[2:]))
        for i in window:
            gx[at(i)] += gy[at(p)] / len(window)
    return gx


def adaptive_max_pool(x, out):
    """(y, position in the window, position in the input plane); the backward pass is `max_pool_backward`.

    Positions in a window are counted as in one of the largest size.
    """
    x = np.asarray(x, F64)
    largest = [max(-(-(p + 1) * n // o) - p * n // o for p in range(o)) for n, o in zip(x.shape[2:], out, strict=True)]
    y = np.full((*x.shape[:2], *out), -np.inf)
    place, plane = np.zeros(y.shape, np.int64), np.zeros(y.shape, np.int64)
    for p in every(out):
        first = [pi * n // o for pi, n, o in zip(p, x.shape[2:], out, strict=True)]
        for number, i in enumerate(_adaptive_window(p, x.shape[2:], out)):
            better = (x[at(i)] > y[at(p)]) | np.isnan(x[at(i)]) | (number == 0)
            inner = np.ravel_multi_index(tuple(a - b for a, b in zip(i, first, strict=True)), largest)
            place[at(p)] = np.where(better, inner, place[at(p)])
            plane[at(p)] = np.where(better, np.ravel_multi_index(i, x.shape[2:]), plane[at(p)])
            y[at(p)] = np.where(better, x[at(i)], y[at(p)])
    return y, place, plane


def _norm_windows(spatial, size, stride, ceil_mode):
    """Yields (output position, input positions in its window, the window's elements over those)."""
    for p, real, _ in _average_windows(spatial, size, stride, tuple(0 for _ in size), ceil_mode, True):
        yield p, real, np.prod(size) / len(real)


def norm_pool(x, size, stride, power, ceil_mode=False):
    """Each window's norm of order power; one that hangs over the edge goes on with its mean."""
    x = np.asarray(x, F64)
    ones, zeros = tuple(1 for _ in size), tuple(0 for _ in size)
    y = np.zeros((*x.shape[:2], *out_sizes(x.shape[2:], size, stride, zeros, ones, ceil_mode)))
    for p, real, scale in _norm_windows(x.shape[2:], size, stride, ceil_mode):
        y[at(p)] = (scale * sum(x[at(i)] ** power for i in real)) ** (1 / power)
    return y


def norm_pool_backward(gy, x, y, size, stride, power, ceil_mode=False):
    """gx from y as it was rounded: gy * scale * (x / y)^(power - 1), 0 where y is."""
    gy, x, y = (np.asarray(a, F64) for a in (gy, x, y))
    gx = np.zeros(x.shape)
    for p, real, scale in _norm_windows(x.shape[2:], size, stride, ceil_mode):
        there = y[at(p)] != 0
        for i in real:
            ratio = np.divide(x[at(i)], y[at(p)], out=np.zeros_like(y[at(p)]), where=there)
            gx[at(i)] += np.where(there, gy[at(p)] * scale * ratio ** (power - 1), 0)
    return gx


# ---------------------------------------------------------------- 5: batch normalisation
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


# ---------------------------------------------------------------- 6: matrix product
def matmul(a, b):
    """(M, L) times (L, N), one dot product an element."""
    a, b = np.asarray(a, F64), np.asarray(b, F64)
    y = np.zeros((a.shape[0], b.shape[1]))
    for m, n in every(y.shape):
        y[m, n] = (a[m] * b[:, n]).sum()
    return y


def linear(x, w, b):
    """x (N, C) times the transpose of w (K, C), plus b (K,)."""
    y = matmul(x, np.asarray(w).T)
    return y if b is None else y + np.asarray(b, F64)


# ---------------------------------------------------------------- 7: softmax cross-entropy
def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Loss of scores x (N, C) against class numbers (N,); see `cross_entropy_backward` for its gradient."""
    losses, weights = _row_losses(x, target, weight, ignore_index, label_smoothing)
    if reduction == "none":
        return losses
    return losses.sum() / weights.sum() if reduction == "mean" else losses.sum()


def cross_entropy_backward(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """d loss / d x for reduction "mean" or "sum": softmax minus the target distribution, both class-weighted."""
    x = np.asarray(x, F64)
    n, c = x.shape
    weight = np.ones(c) if weight is None else np.asarray(weight, F64)
    gx = np.zeros(x.shape)
    total = sum(weight[t] for t in target if t != ignore_index)
    for row in range(n):
        if target[row] == ignore_index:
            continue
        wanted = np.full(c, label_smoothing / c)
        wanted[target[row]] += 1 - label_smoothing
        # With smoothing PyTorch weights each class's share by that class's own weight.
        wanted *= weight
        p = np.exp(x[row] - x[row].max())
        gx[row] = p / p.sum() * wanted.sum() - wanted
    return gx / total if reduction == "mean" and total else gx


def _row_losses(x, target, weight, ignore_index, label_smoothing):
    x = np.asarray(x, F64)
    n, c = x.shape
    weight = np.ones(c) if weight is None else np.asarray(weight, F64)
    losses, weights = np.zeros(n), np.zeros(n)
    for row in range(n):
        if target[row] == ignore_index:
            continue
        top = x[row].max()
        log_p = x[row] - top - np.log(np.exp(x[row] - top).sum())
        shares = [-w * p if w else 0.0 for w, p in zip(weight, log_p, strict=True)]  # what has no weight may be -inf
        hit, smooth = shares[target[row]], sum(shares) / c
        losses[row] = (1 - label_smoothing) * hit + label_smoothing * smooth
        weights[row] = weight[target[row]]
    return losses, weights
