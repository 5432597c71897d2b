"""PyTorch's torch.nn.functional: the ops under its names, with its arguments, defaults and order.

`from gpunn.nn import functional as F`: `F.relu(x, inplace=True)`, `F.cross_entropy(input, target)`. Each is the op of
gpunn.ops of that name; ORDERS has PyTorch's arguments where their order is another. Arrays make arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from gpunn import left_out, ops
from gpunn.naming import named, words

PLAIN = words(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d affine_grid avg_pool1d batch_norm bilinear channel_shuffle conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity ctc_loss embedding embedding_bag fold
    gaussian_nll_loss gelu glu grid_sample group_norm gumbel_softmax hardshrink instance_norm layer_norm linear
    local_response_norm logsigmoid lp_pool1d lp_pool2d lp_pool3d max_pool1d max_pool2d max_pool3d max_unpool1d
    max_unpool2d max_unpool3d one_hot pad pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu rms_norm
    scaled_dot_product_attention sigmoid softplus softshrink softsign tanh tanhshrink unfold
    triplet_margin_with_distance_loss
    """
)
REDUCED = "size_average reduce reduction"
# PyTorch's positional arguments, where they are not the op's own in its order.
ORDERS = {
    "alpha_dropout": "input p training inplace",
    "avg_pool2d": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "avg_pool3d": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "binary_cross_entropy": f"input target weight {REDUCED}",
    "binary_cross_entropy_with_logits": f"input target weight {REDUCED} pos_weight",
    "celu": "input alpha inplace",
    "cosine_embedding_loss": f"input1 input2 target margin {REDUCED}",
    "cross_entropy": "input target weight size_average ignore_index reduce reduction label_smoothing",
    "dropout": "input p training inplace",
    "dropout1d": "input p training inplace",
    "dropout2d": "input p training inplace",
    "dropout3d": "input p training inplace",
    "elu": "input alpha inplace",
    "feature_alpha_dropout": "input p training inplace",
    "hardsigmoid": "input inplace",
    "hardswish": "input inplace",
    "hardtanh": "input min_val max_val inplace",
    "hinge_embedding_loss": f"input target margin {REDUCED}",
    "huber_loss": "input target reduction delta weight",
    "interpolate": "input size scale_factor mode align_corners recompute_scale_factor antialias",
    "kl_div": f"input target {REDUCED} log_target",
    "l1_loss": f"input target {REDUCED} weight",
    "leaky_relu": "input negative_slope inplace",
    "log_softmax": "input dim _stacklevel dtype",
    "margin_ranking_loss": f"input1 input2 target margin {REDUCED}",
    "mish": "input inplace",
    "mse_loss": f"input target {REDUCED} weight",
    "multi_margin_loss": f"input target p margin weight {REDUCED}",
    "multilabel_margin_loss": f"input target {REDUCED}",
    "multilabel_soft_margin_loss": f"input target weight {REDUCED}",
    "nll_loss": "input target weight size_average ignore_index reduce reduction",
    "normalize": "input p dim eps out",
    "poisson_nll_loss": "input target log_input full size_average eps reduce reduction",
    "relu": "input inplace",
    "relu6": "input inplace",
    "rrelu": "input lower upper training inplace",
    "selu": "input inplace",
    "silu": "input inplace",
    "smooth_l1_loss": f"input target {REDUCED} beta",
    "soft_margin_loss": f"input target {REDUCED}",
    "softmax": "input dim _stacklevel dtype",
    "softmin": "input dim _stacklevel dtype",
    "threshold": "input threshold value inplace",
    "triplet_margin_loss": f"anchor positive negative margin p eps swap {REDUCED}",
}
# Arguments whose names here and there differ, but for those of gpunn.naming.THEIRS.
WORDS = {
    "bilinear": {"x1": "input1", "x2": "input2", "w": "weight"},
    "one_hot": {"target": "tensor"},
    "pad": {"padding": "pad"},
}
ALIASES = {"upsample": "interpolate"}  # PyTorch's older name
NAMES = frozenset((*PLAIN, *ORDERS, *ALIASES))


@cache
def function(name: str) -> Callable:
    """The op of a name of NAMES with PyTorch's arguments. AttributeError where gpunn has none."""
    return named(getattr(ops, ALIASES.get(name, name)), ORDERS.get(name, ""), name, **WORDS.get(name, {}))


def __getattr__(name: str) -> Callable:
    if name in NAMES and hasattr(ops, ALIASES.get(name, name)):
        return function(name)
    if name.endswith("_") and ORDERS.get(name[:-1], "").endswith(" inplace"):  # relu_ and its like
        return partial(__getattr__(name[:-1]), inplace=True)
    left_out.refuse("gpunn.nn.functional", left_out.OF_FUNCTIONAL, name)


def __dir__() -> list[str]:
    return sorted(name for name in NAMES if hasattr(ops, ALIASES.get(name, name)))
