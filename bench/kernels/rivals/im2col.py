"""What CuPy can do by itself since it lost cuDNN: im2col and one cuBLAS product, or array expressions.

Written for any array module, so that NumPy can test it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from bench.clocks import Call
from bench.kernels.elements import Op
from bench.measure import Unsupported
from gpunn import backend


def version(device: str) -> str:
    if not device.startswith("cuda"):
        raise Unsupported("CuPy's arrays need device cuda")
    return backend.require_cupy().__version__


moved = backend.to_device


def multiplying(precision: str, run: Call) -> Call:
    """The call; there is none in TF32."""
    if precision == "tf32":
        raise Unsupported("CuPy multiplies float32 as it is")
    return run


def _windows(x: Any, case: Any, fill: float = 0.0) -> Any:
    """A view (N, C, R, S, P, Q) of the padded x."""
    xp = backend.array_module(x)
    (ph, pw), (sh, sw), (dh, dw) = case.padding, case.stride, case.dilation
    padded = xp.pad(x, ((0, 0), (0, 0), (ph, ph + sh * case.y[2]), (pw, pw + sw * case.y[3])), constant_values=fill)
    n, c, h, w = padded.strides
    shape = (*x.shape[:2], *case.size, *case.y[2:])
    return xp.lib.stride_tricks.as_strided(padded, shape, (n, c, h * dh, w * dw, h * sh, w * sw))


def _scatter(columns: Any, case: Any) -> Any:
    """col2im: (N, C, R, S, P, Q) added up into x's shape."""
    (ph, pw), (sh, sw), (dh, dw) = case.padding, case.stride, case.dilation
    (n, c, h, w), (p, q), (r, s) = case.x, case.y[2:], case.size
    extent = (max(h + 2 * ph, (r - 1) * dh + sh * p), max(w + 2 * pw, (s - 1) * dw + sw * q))
    total = backend.array_module(columns).zeros((n, c, *extent), columns.dtype)
    for i in range(r):
        for j in range(s):
            total[:, :, i * dh : i * dh + sh * p : sh, j * dw : j * dw + sw * q : sw] += columns[:, :, i, j]
    return total[:, :, ph : ph + h, pw : pw + w]


def _conv(case: Any, x: Any, w: Any, b: Any, gy: Any) -> dict[str, Call]:
    if case.groups != 1 or len(case.stride) != 2:
        raise Unsupported("im2col is written for one group and two dimensions")
    dot, taps = backend.array_module(x).tensordot, (1, 2, 3)  # tensordot copies into rows and makes one product

    def forward() -> Any:
        y = dot(_windows(x, case), w, (taps, taps)).transpose(0, 3, 1, 2)
        return y if b is None else y + b[:, None, None]

    return {
        "forward": forward,
        "grad_input": lambda: _scatter(dot(gy, w, (1, 0)).transpose(0, 3, 4, 5, 1, 2), case),
        "grad_weight": lambda: dot(gy, _windows(x, case), ((0, 2, 3), (0, 4, 5))),
        "grad_bias": lambda: gy.sum((0, 2, 3)),
    }


def _pool(case: Any, x: Any, gy: Any) -> dict[str, Call]:
    if hasattr(case, "out"):
        if case.out != (1, 1):
            raise Unsupported("adaptive pooling is written for one output alone")
        return {
            "adaptive_avg_forward": lambda: x.mean((2, 3), keepdims=True),
            "adaptive_max_forward": lambda: x.max((2, 3), keepdims=True),
        }
    if case.ceil_mode or not case.count_include_pad:
        raise Unsupported("ceil_mode and count_include_pad=False are not written in array expressions here")

    spread, wide = backend.array_module(gy).broadcast_to, (*case.x[:2], *case.size, *case.y[2:])
    return {
        "max_forward": lambda: _windows(x, case, float("-inf")).max((2, 3)),
        "avg_forward": lambda: _windows(x, case).mean((2, 3)),
        "avg_backward": lambda: _scatter(spread(gy[:, :, None, None] / case.window().positions, wide), case),
    }


def _norm(case: Any, x: Any, gamma: Any, beta: Any, residual: Any, gy: Any) -> dict[str, Call]:
    axes, shape, sqrt = (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2)), backend.array_module(x).sqrt
    mean, var = x.mean(axes), x.var(axes)

    def apply(mean: Any, var: Any) -> Any:
        y = (x - mean.reshape(shape)) / sqrt(var.reshape(shape) + 1e-5)
        y = y if gamma is None else y * gamma.reshape(shape) + beta.reshape(shape)
        y = y if residual is None else y + residual
        return y * (y > 0) if case.relu else y

    return {"train_forward": lambda: apply(x.mean(axes), x.var(axes)), "eval_forward": lambda: apply(mean, var)}


def _standard(x: Any) -> Any:
    off = x - x.mean(1, keepdims=True)
    return off / backend.array_module(x).sqrt((off * off).mean(1, keepdims=True) + 1e-5)


def _softmax(x: Any) -> Any:
    e = backend.array_module(x).exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _log_softmax(x: Any) -> Any:
    xp, y = backend.array_module(x), x - x.max(1, keepdims=True)
    return y - xp.log(xp.exp(y).sum(1, keepdims=True))


def _correlated(x: Any, kernel: Any, _: Any) -> Any:
    """By CuPy's own filters, or SciPy's."""
    try:
        ndimage = import_module("scipy.ndimage" if isinstance(x, np.ndarray) else "cupyx.scipy.ndimage")
    except ImportError as lack:
        raise Unsupported(f"filter 5x5 wants SciPy: {lack}") from lack
    return ndimage.correlate(x, kernel, mode="mirror")


ELEMENTS: dict[str, Op] = {
    "relu": lambda x: backend.array_module(x).maximum(x, 0),
    "add": lambda x, z: x + z,
    "residual relu": lambda x, z: backend.array_module(x).maximum(x + z, 0),
    "row bias": lambda x, b, _: x + b,
    "row scale": lambda x, b, _: x * b,
    "sum over pixels": lambda x: x.sum((0, 2, 3)),
    "mean of rows": lambda x: x.mean(1),
    "maximum of rows": lambda x: x.max(1),
    "filter 5x5": _correlated,
    "embedding": lambda w, t: w.take(t, axis=0),
    "layer norm": lambda x, w, b: _standard(x) * w + b,
    "softmax": _softmax,
    "log softmax": _log_softmax,
    "cross-entropy": lambda x, t: -_log_softmax(x)[backend.array_module(x).arange(len(t)), t].mean(),
}
FAMILIES = {"conv2d": _conv, "conv3d": _conv, "pool": _pool, "batch_norm": _norm,
            "matmul": lambda case, x, w: {"product": lambda: x @ w}}  # fmt: skip
LACKS = "{} is not written in array expressions here"
