"""What gpunn calls the ops of PyTorch's table, and their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn import Tensor, ops
from tests.torch_samples import math_calls
from tests.torch_samples.shape_calls import SHAPE_CALLS, SHAPE_OTHERS

Call = Callable[..., Any]
F = "nn.functional."


def words(text: str, prefix: str = "") -> list[str]:
    return [prefix + word for word in text.split()]


def named(op: Call, **names: str) -> Call:
    """`op` with torch's keywords, those in `names` by gpunn's word."""
    return lambda *args, **kwargs: op(*args, **{names.get(k, k): v for k, v in kwargs.items()})


def without_inplace(op: Call) -> Call:
    """inplace=True saves memory; the values are the same."""
    return lambda *args, inplace=False, **kwargs: op(*args, **kwargs)


def without_divisor(op: Call) -> Call:
    """divisor_override=None is an option left out."""

    def call(*args: Any, **options: Any) -> Any:
        if options.get("divisor_override", 0) is None:
            del options["divisor_override"]
        return op(*args, **options)

    return call


def scaled(op: Call) -> Call:
    """add and sub with alpha, the factor of the second."""

    def call(a: Any, b: Any, alpha: Any = 1) -> Any:
        return op(a, b if alpha == 1 else ops.mul(b, np.asarray(alpha).astype(b.dtype)))

    return call


def cast(op: Call) -> Call:
    """softmax with a dtype: of the input in that dtype."""

    def call(x: Any, dim: int, dtype: str) -> Any:
        return op(x.to(dtype) if isinstance(x, Tensor) else x.astype(dtype), dim)

    return call


def var(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None) -> Any:
    """unbiased and a correction of None are torch's other words for a correction of 1."""
    return ops.var(x, dim, int(unbiased) if correction is None else correction, keepdim)


def var_unbiased(x: Any, unbiased: bool) -> Any:
    return ops.var(x, correction=int(unbiased))


def placed(op: Call) -> Call:
    """max and min with a dim: values and indices."""
    return lambda x, dim, keepdim=False: op(x, dim, keepdim, return_indices=True)


def in_dtype(op: Call) -> Call:
    """Of the input in a dtype, where one is given, and so the result; dims of none are all."""

    def cast(x: Any, dtype: Any) -> Any:
        return x if dtype is None else x.to(dtype) if isinstance(x, Tensor) else x.astype(dtype)

    def call(x: Any, *args: Any, dtype: Any = None, dim: Any = None, **options: Any) -> Any:
        axes = {} if dim is None or dim == [] else {"axis": dim}
        return cast(op(cast(x, dtype), *args, **axes, **options), dtype)

    return call


def where(x: Any, condition: Any, other: Any) -> Any:
    """The sample's input is the first choice."""
    return ops.where(condition, x, other)


def by_default_distance(*args: Any, distance_function: Any = None, **options: Any) -> Any:
    """The samples' distances are a layer of PyTorch's own, which is the default."""
    return ops.triplet_margin_with_distance_loss(*args, **options)


PLAIN = words(
    "abs exp log sqrt neg tanh sigmoid mul maximum minimum matmul pow reshape flatten logsumexp softmax log_softmax "
    "sum mean broadcast_to permute transpose"
)
FUNCTIONAL = words(
    "relu relu6 hardtanh leaky_relu elu silu gelu softplus prelu conv1d conv2d conv3d linear max_pool2d "
    "avg_pool2d conv_transpose1d conv_transpose2d conv_transpose3d "
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d max_pool1d avg_pool1d max_pool3d batch_norm group_norm layer_norm rms_norm "
    "instance_norm local_response_norm scaled_dot_product_attention multi_head_attention_forward "
    "normalize cosine_similarity pdist grid_sample "
    "pixel_shuffle pixel_unshuffle unfold max_unpool1d max_unpool2d max_unpool3d bilinear channel_shuffle "
    "selu celu mish hardswish hardsigmoid logsigmoid softsign tanhshrink softshrink hardshrink threshold softmin glu "
    "binary_cross_entropy smooth_l1_loss huber_loss kl_div poisson_nll_loss gaussian_nll_loss soft_margin_loss "
    "ctc_loss multilabel_soft_margin_loss multi_margin_loss multilabel_margin_loss hinge_embedding_loss "
    "cosine_embedding_loss margin_ranking_loss triplet_margin_loss "
    "one_hot cross_entropy nll_loss mse_loss l1_loss binary_cross_entropy_with_logits"
)
PADS = words("constant reflect replicate replicate_negative circular", F + "pad.")
INTERPOLATIONS = words("nearest nearest-exact linear bilinear bicubic trilinear area", F + "interpolate.")

CALLS: dict[str, Call] = {
    **{name: getattr(ops, name) for name in PLAIN},
    **{F + name: without_inplace(getattr(ops, name)) for name in FUNCTIONAL},
    F + "pairwise_distance": ops.pairwise_distance,
    F + "avg_pool3d": without_divisor(ops.avg_pool3d),
    F + "triplet_margin_with_distance_loss": by_default_distance,
    **dict.fromkeys(PADS, ops.pad),
    **dict.fromkeys(INTERPOLATIONS, ops.interpolate),
    **{F + f"max_unpool{n}d.grad": getattr(ops, f"max_unpool{n}d") for n in (1, 2, 3)},
    F + "embedding": lambda weight, x, **options: ops.embedding(x, weight, **options),
    "add": scaled(ops.add),
    "sub": scaled(ops.sub),
    "div.no_rounding_mode": ops.div,
    "eq": ops.equal,
    "ne": ops.not_equal,
    "lt": ops.less,
    "le": ops.less_equal,
    "gt": ops.greater,
    "ge": ops.greater_equal,
    "max.binary": ops.maximum,
    "min.binary": ops.minimum,
    "max.reduction_no_dim": ops.max,
    "min.reduction_no_dim": ops.min,
    "amax": ops.max,
    "amin": ops.min,
    "argmax": named(ops.argmax, dim="axis", keepdim="keepdims"),
    "argmin": named(ops.argmin, dim="axis", keepdim="keepdims"),
    "max.reduction_with_dim": placed(ops.max),
    "min.reduction_with_dim": placed(ops.min),
    "linalg.vector_norm": in_dtype(ops.vector_norm),
    "prod": in_dtype(ops.prod),
    "var": var,
    "var.unbiased": var_unbiased,
    "softmax.with_dtype": cast(ops.softmax),
    "log_softmax.with_dtype": cast(ops.log_softmax),
    F + "softmin.with_dtype": cast(ops.softmin),
    "where": where,
    "clamp": ops.clip,
    "squeeze": named(ops.squeeze, dim="axis"),
    "squeeze.multiple": named(ops.squeeze, dim="axis"),
    "unsqueeze": named(ops.unsqueeze, dim="axis"),
    "cat": named(ops.concatenate, dim="axis"),
    "stack": named(ops.stack, dim="axis"),
    "__getitem__": ops.getitem,
    **SHAPE_CALLS,
    **math_calls.MATH,
}

# Ops of a name that gpunn has, which do something else there.
OTHERS = {
    "unfold": "windows along one axis; ops.unfold is nn.functional.unfold",
    "equal": "one bool for two whole arrays; ops.equal is NumPy's, torch.eq",
    **math_calls.OTHERS,
    **dict.fromkeys(
        words(
            "argmax argmin log_softmax logsumexp mean normalize prod softmax softmin sum var amax amin cumprod cumsum "
            "logaddexp median norm std",
            "masked.",
        ),
        "of arrays with a mask",
    ),
    "nn.functional.rrelu": "random slopes of another generator",
    "nn.functional.silu.complex": "complex numbers",
    **SHAPE_OTHERS,
    "nn.functional.batch_norm.without_cudnn": "the same as nn.functional.batch_norm, on a GPU",
}
# Exponentials of scores in the hundreds, and places among hundreds of pixels: one rounding is many of a result.
# A GRU's gradients through gates that are nearly open are known to 2e-5 in float32, to PyTorch as to us (300 networks).
STEEP = {F + "scaled_dot_product_attention": 20, "MultiheadAttention": 20, F + "grid_sample": 40, "GRU": 8}
RANDOM = tuple(
    words("dropout dropout2d dropout3d alpha_dropout feature_alpha_dropout.with_train", F)
    + words("feature_alpha_dropout.without_train", F)
)
