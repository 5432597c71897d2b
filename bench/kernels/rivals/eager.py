"""PyTorch, eager: the aten functions that its autograd calls, on channels-last memory as ours."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from bench.clocks import Call
from bench.kernels.elements import DROPPED, Op
from bench.measure import Unsupported

aten = torch.ops.aten
compiled = partial(torch.compile, dynamic=False)


def version(device: str) -> str:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise Unsupported(f"PyTorch {torch.__version__} is a build without CUDA, or sees no GPU")
    # fp32 rows are exact fp32 on both sides
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return f"{torch.__version__}, cuDNN {torch.backends.cudnn.version()}" if device != "cpu" else torch.__version__


def multiplying(precision: str, run: Call) -> Call:
    """The call with TF32 allowed where the row is of TF32, and nowhere else."""

    def asked() -> Any:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        return run()

    return asked


def moved(array: np.ndarray, device: str) -> Any:
    """A host array as a tensor of the same type on the device, channels-last where it has four axes or five."""
    wide = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    tensor = torch.tensor(wide)
    kind = tensor.dtype if wide is array else torch.bfloat16
    order = {4: torch.channels_last, 5: torch.channels_last_3d}.get(array.ndim, torch.contiguous_format)
    return tensor.to(device, kind).contiguous(memory_format=order)


def _conv(case: Any, x: Any, w: Any, b: Any, gy: Any) -> dict[str, Call]:
    geometry, rank = (list(case.stride), list(case.padding), list(case.dilation)), len(case.stride)
    conv = {2: F.conv2d, 3: F.conv3d}[rank]
    back = partial(aten.convolution_backward, gy, x, w, None, *geometry, False, [0] * rank, case.groups)
    return {
        "forward": lambda: conv(x, w, b, *geometry, case.groups),
        "grad_input": lambda: back([True, False, False])[0],
        "grad_weight": lambda: back([False, True, False])[1],
        "grad_bias": lambda: gy.sum((0, *range(2, gy.ndim))),
    }


def _pool(case: Any, x: Any, gy: Any) -> dict[str, Call]:
    if hasattr(case, "out"):
        index = aten.adaptive_max_pool2d(x, list(case.out))[1]
        return {
            "adaptive_avg_forward": lambda: F.adaptive_avg_pool2d(x, case.out),
            "adaptive_avg_backward": lambda: aten._adaptive_avg_pool2d_backward(gy, x),
            "adaptive_max_forward": lambda: aten.adaptive_max_pool2d(x, list(case.out)),
            "adaptive_max_backward": lambda: aten.adaptive_max_pool2d_backward(gy, x, index),
        }
    where = (list(case.size), list(case.stride), list(case.padding))
    dilated = (*where, list(case.dilation), case.ceil_mode)
    average = (*where, case.ceil_mode, case.count_include_pad)
    index = aten.max_pool2d_with_indices(x, *dilated)[1]
    # On CUDA the gradient under padding is wrong in channels-last memory (pytorch/pytorch#188344): NCHW for it.
    below, above = (x.contiguous(), gy.contiguous()) if any(case.padding) else (x, gy)
    return {
        "max_forward": lambda: aten.max_pool2d_with_indices(x, *dilated),
        "max_backward": lambda: aten.max_pool2d_with_indices_backward(gy, x, *dilated, index),
        "avg_forward": lambda: F.avg_pool2d(x, *average),
        "avg_backward": lambda: aten.avg_pool2d_backward(above, below, *average, None),
    }


def _norm(case: Any, x: Any, gamma: Any, beta: Any, residual: Any, gy: Any) -> dict[str, Call]:
    eps, axes = 1e-5, [0, *range(2, x.ndim)]
    mean, var = x.float().mean(axes), x.float().var(axes, correction=0)

    def rest(y: Any) -> Any:
        y = y if residual is None else y + residual
        return torch.relu(y) if case.relu else y

    normal = partial(aten.native_batch_norm, x, gamma, beta, None, None, True, 0.0, eps)
    y, *kept = normal()
    passed, mask = rest(y) > 0, [True, gamma is not None, beta is not None]
    given = (x, gamma, None, None, *kept, True, eps, mask)
    return {
        "train_forward": lambda: rest(normal()[0]),
        "eval_forward": lambda: rest(F.batch_norm(x, mean, var, gamma, beta, False, 0.0, eps)),
        "backward": lambda: aten.native_batch_norm_backward(gy * passed if case.relu else gy, *given),
    }


ELEMENTS: dict[str, Op] = {
    "relu": torch.relu,
    "gelu": F.gelu,
    "add": torch.add,
    "residual relu": lambda x, z: torch.relu(x + z),
    "row bias": lambda x, b, _: x + b,
    "row scale": lambda x, b, _: x * b,
    "sum over pixels": lambda x: x.sum((0, 2, 3)),
    "mean of rows": lambda x: x.mean(1),
    "maximum of rows": lambda x: x.amax(1),
    "filter 5x5": lambda x, k, _: F.conv2d(F.pad(x[None, None], (2, 2, 2, 2), "reflect"), k[None, None])[0, 0],
    "layer norm": lambda x, w, b: F.layer_norm(x, w.shape, w, b),
    "rms norm": lambda x, w, _: F.rms_norm(x, w.shape, w),
    "group norm": lambda x, w, b: F.group_norm(x, 32, w, b),
    "softmax": lambda x: x.softmax(1),
    "log softmax": lambda x: x.log_softmax(1),
    "causal attention": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "cross-entropy": F.cross_entropy,
    "dropout": lambda x: F.dropout(x, DROPPED),
    "embedding": lambda w, t: F.embedding(t, w),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "local response norm": lambda x: F.local_response_norm(x, 5),
}


def gradient(op: Op, arrays: list[Any]) -> Call:
    """The gradient by all floating-point arrays, of a graph that is made once."""
    leaves = [a.requires_grad_() for a in arrays if a.is_floating_point()]
    y = op(*arrays)
    gy = np.random.default_rng(1).standard_normal(tuple(y.shape))
    above = torch.empty_like(y.detach()).copy_(torch.tensor(gy))
    return lambda: torch.autograd.grad(y, leaves, above, retain_graph=True, allow_unused=True)


FAMILIES = {"conv2d": _conv, "conv3d": _conv, "pool": _pool, "batch_norm": _norm,
            "matmul": lambda case, x, w: {"product": lambda: x @ w}}  # fmt: skip
LACKS = "PyTorch has no function for {} alone"
