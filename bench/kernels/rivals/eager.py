"""PyTorch, eager: the aten functions that its autograd calls, on channels-last memory as ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.kernels.rivals import Unsupported


def version(device: str) -> str:
    try:
        import torch
    except ImportError:
        raise Unsupported("PyTorch is not installed (pip install torch)") from None
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise Unsupported(f"PyTorch {torch.__version__} is a build without CUDA, or sees no GPU")
    # fp32 rows are exact fp32 on both sides
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return f"{torch.__version__}, cuDNN {torch.backends.cudnn.version()}" if device != "cpu" else torch.__version__


def call(subject: Any, device: str) -> Callable[[], Any]:
    family, _, pass_ = subject.given.kind.partition(".")
    maker = {"conv2d": _conv, "pool": _pool, "batch_norm": _norm, "gemm": _gemm}[family]
    found = maker(subject.given, _mover(device)).get(pass_)
    if found is None:
        raise Unsupported(f"PyTorch has no function for {subject.given.kind} alone")
    return found


def _mover(device: str) -> Callable[[Any], Any]:
    """Host array -> torch tensor of the same type on the device, channels-last where it has four axes."""
    import torch

    def move(array: Any) -> Any:
        if array is None:
            return None
        wide = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
        with warnings.catch_warnings():  # "not writable": it is copied or only read
            warnings.simplefilter("ignore")
            tensor = torch.from_numpy(np.ascontiguousarray(wide))
        kind = torch.bfloat16 if wide is not array else tensor.dtype
        order = torch.channels_last if array.ndim == 4 else torch.contiguous_format
        return tensor.to(device, kind).contiguous(memory_format=order)

    return move


def _conv(given: Any, move: Callable) -> dict[str, Callable]:
    import torch

    case = given.case
    x, w, b, gy = (move(a) for a in (given.x, given.w, given.b, given.gy))
    geometry = (list(case.stride), list(case.padding), list(case.dilation))

    def gradient(mask: list[bool]) -> Callable:
        back = torch.ops.aten.convolution_backward
        return lambda: back(gy, x, w, None, *geometry, False, [0, 0], case.groups, mask)[mask.index(True)]

    return {
        "forward": lambda: torch.nn.functional.conv2d(x, w, b, *geometry, case.groups),
        "grad_input": gradient([True, False, False]),
        "grad_weight": gradient([False, True, False]),
        "grad_bias": lambda: gy.sum((0, 2, 3)),
    }


def _pool(given: Any, move: Callable) -> dict[str, Callable]:
    import torch

    aten, F, case = torch.ops.aten, torch.nn.functional, given.case
    x, gy = move(given.x), move(given.gy)
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
    return {
        "max_forward": lambda: aten.max_pool2d_with_indices(x, *dilated),
        "max_backward": lambda: aten.max_pool2d_with_indices_backward(gy, x, *dilated, index),
        "avg_forward": lambda: F.avg_pool2d(x, *average),
        "avg_backward": lambda: aten.avg_pool2d_backward(gy, x, *average, None),
    }


def _norm(given: Any, move: Callable) -> dict[str, Callable]:
    import torch

    case, eps = given.case, 1e-5
    x, gamma, beta, extra, gy = (move(a) for a in (given.x, given.gamma, given.beta, given.residual, given.gy))
    axes = [0, *range(2, x.ndim)]
    mean, var = x.float().mean(axes), x.float().var(axes, correction=0)
    y, kept_mean, kept_inverse = torch.ops.aten.native_batch_norm(x, gamma, beta, None, None, True, 0.0, eps)

    def rest(y: Any) -> Any:
        y = y if extra is None else y + extra
        return torch.relu(y) if case.relu else y

    passed = rest(y) > 0

    def forward() -> Any:
        return rest(torch.ops.aten.native_batch_norm(x, gamma, beta, None, None, True, 0.0, eps)[0])

    def backward() -> Any:
        above = gy * passed if case.relu else gy
        mask = [True, gamma is not None, beta is not None]
        return torch.ops.aten.native_batch_norm_backward(
            above, x, gamma, None, None, kept_mean, kept_inverse, True, eps, mask
        )

    return {
        "train_forward": forward,
        "eval_forward": lambda: rest(torch.nn.functional.batch_norm(x, mean, var, gamma, beta, False, 0.0, eps)),
        "backward": backward,
    }


def _gemm(given: Any, move: Callable) -> dict[str, Callable]:
    a, b = move(given.x), move(given.w)
    return {"product": lambda: a @ b}
