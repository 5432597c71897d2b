"""PyTorch's functions at the top of its package, of Tensors and of arrays: `gpunn.sum(x, dim=1)`, `gpunn.cat([x, y])`.

`gpunn.max(x, 1)` is `x.max(1)` where Tensor has such a method, so that one rule holds for both; what has none, or takes
no Tensor first, is the op of that name, or of the name in ALIASES. Arrays make arrays, by the same rule.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from gpunn import ops
from gpunn.backend import is_array
from gpunn.engine.tensor import Tensor, data_of
from gpunn.naming import delivered, named, words
from gpunn.nn import functional
from gpunn.questions import OWN

# Functions whose first argument is a Tensor, as methods and ops are.
OF_ONE = words(
    """
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax angle any
    arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere as_strided asin asinh atan
    atan2 atanh baddbmm bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
    bitwise_xor bmm broadcast_to bucketize cdist ceil celu cholesky chunk clamp clamp_max clamp_min clip clone conj
    copysign corrcoef cos cosh count_nonzero cov cross cummax cummin cumprod cumsum deg2rad det detach diag
    diag_embed diagflat diagonal diagonal_scatter diff digamma dist div divide dot dsplit eq erf erfc erfinv exp
    exp2 expm1 fix flatten flip fliplr flipud float_power floor floor_divide fmax fmin fmod frac frexp gather gcd
    ge ger greater greater_equal gt heaviside histc hsplit hypot i0 igamma igammac index_add index_copy index_fill
    index_put index_reduce index_select inner inverse isclose isfinite isin isinf isnan isneginf isposinf isreal
    kron kthvalue lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 logaddexp logaddexp2 logcumsumexp
    logdet logical_and logical_not logical_or logical_xor logit logsumexp lt masked_fill masked_scatter
    masked_select matmul matrix_exp matrix_power max maximum mean median min minimum mm mode moveaxis movedim msort
    mul multiply mv mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow ne neg negative nextafter
    nonzero norm not_equal outer permute pinverse polygamma positive pow prod qr quantile rad2deg ravel real
    reciprocal relu remainder renorm repeat_interleave reshape roll rot90 round rsqrt scatter scatter_add
    scatter_reduce searchsorted select select_scatter selu sgn sigmoid sign signbit sin sinc sinh slice_scatter
    slogdet sort split sqrt square squeeze std std_mean sub subtract sum svd swapaxes swapdims t take
    take_along_dim tan tanh tensor_split tile topk trace transpose trapezoid tril triu true_divide trunc unbind
    unflatten unique unique_consecutive unsqueeze unravel_index var var_mean vander vdot vsplit xlogy
    """
)
# Functions of several Tensors in a list, or of none.
OF_MANY = words(
    """
    atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod cat chain_matmul
    column_stack combinations concat concatenate dstack einsum hstack meshgrid row_stack stack tensordot
    vstack where gru_cell lstm_cell rnn_relu_cell rnn_tanh_cell
    """
)
# Those of torch.nn.functional that PyTorch has at the top, too, with the same arguments.
OF_LAYERS = words(
    """
    adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d bilinear channel_shuffle conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity dropout group_norm hardshrink layer_norm
    log_softmax max_pool1d max_pool2d max_pool3d pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu
    rms_norm softmax threshold
    """
)
# The op of a function, where its name is another.
ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "cat": "concatenate", "clamp": "clip", "concat": "concatenate",
    "divide": "div", "eq": "equal", "ge": "greater_equal", "ger": "outer", "gt": "greater", "le": "less_equal",
    "lt": "less", "multiply": "mul", "ne": "not_equal",
    "negative": "neg", "row_stack": "vstack", "subtract": "sub", "true_divide": "div",
}  # fmt: skip
WORDS = {"pow": {"b": "exponent"}, "where": {"a": "input"}}
ORDERS = {"softmax": "input dim dtype", "log_softmax": "input dim dtype", "dropout": "input p train"}


_OWN: dict[str, Callable] = {function.__name__: function for function in OWN}
_NAMES = frozenset((*OF_ONE, *OF_MANY, *OF_LAYERS, *_OWN))


@cache
def function(name: str) -> Callable | None:
    """The function of a name; None where gpunn has none."""
    if name.endswith("_") and hasattr(Tensor, name) and (name[:-1] in OF_ONE or name in ("fill_", "zero_")):
        return _of_method(name, getattr(Tensor, name), None)
    if name not in _NAMES:
        return None
    if name in _OWN:
        return _OWN[name]
    op = getattr(ops, ALIASES.get(name, name), None)
    given = None if op is None else _of_op(name, op)
    method = getattr(Tensor, name, None) if name in OF_ONE else None
    if method is None or (given is not None and _takes_many(method) and not _takes_many(op)):  # flip(x, dims=(0, 1))
        return given
    return _of_method(name, method, given)


def _takes_many(function: Any) -> bool:
    """Whether it has *arguments."""
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values())


def _of_op(name: str, op: Callable) -> Callable:
    if name in OF_LAYERS and name not in ORDERS:
        return functional.function(name)
    theirs = {"training": "train"} if name == "dropout" else WORDS.get(name, {})
    return named(op, ORDERS.get(name, ""), name, **theirs)


def _of_method(name: str, method: Callable, op: Callable | None) -> Callable:
    """Tensor's method, for arrays, too; where numbers come first, as in pow(2, x), the op."""

    @wraps(op or method)
    def call(*args: Any, **options: Any) -> Any:
        if not args and "input" in options:
            args = (options.pop("input"),)
        first, out = args[0] if args else None, options.pop("out", None)
        if isinstance(first, Tensor):
            y = method(*args, **options)
        elif is_array(first) and not any(isinstance(x, Tensor) for x in (*args, *options.values())):
            y = _unwrapped(method(Tensor(first), *args[1:], **options))
        elif op is not None:
            y = op(*args, **options)
        else:
            y = method(Tensor(first), *args[1:], **options)
        return y if out is None else delivered(name, y, out)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = call.__doc__ or f"Tensor's method {name}, of Tensors and of arrays."
    return call


def _unwrapped(y: Any) -> Any:
    """The arrays in place of Tensors in an answer."""
    if isinstance(y, tuple):
        parts = [_unwrapped(each) for each in y]
        return type(y)(*parts) if hasattr(y, "_fields") else tuple(parts)
    return data_of(y) if isinstance(y, Tensor) else y


def names() -> list[str]:
    """All that there are."""
    return sorted(name for name in _NAMES if function(name) is not None)
