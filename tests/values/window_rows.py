"""Convolutions, pooling, resampling and normalisation, as in op_rows."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from tests.values.op_rows import above, of, row, some

# ---------------------------------------------------------------- windows
row("windows", "conv1d", F.conv1d, of(some(2, 2, 5), weight=some(3, 2, 3), bias=some(3)), stride=2, padding=1)
row("windows", "conv2d", F.conv2d, of(some(2, 2, 4, 4), weight=some(2, 2, 3, 3), bias=some(2)))
row(
    "windows",
    "conv2d",
    F.conv2d,
    of(some(1, 4, 6, 5), weight=some(4, 2, 3, 2)),
    stride=[2, 1],
    padding=[1, 0],
    dilation=[1, 3],
    groups=2,
)
row("windows", "conv2d", F.conv2d, of(some(2, 3, 4), weight=some(1, 2, 3, 3), bias=some(1)), padding="same")
row("windows", "conv3d", F.conv3d, of(some(1, 1, 3, 4, 4), weight=some(2, 1, 2, 3, 3), bias=some(2)), padding=[0, 1, 0])
TRANSPOSED = {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}
row(
    "windows",
    "conv_transpose2d",
    F.conv_transpose2d,
    of(some(1, 2, 3, 3), weight=some(2, 1, 3, 3), bias=some(2)),
    **TRANSPOSED,
)
row("windows", "conv_transpose2d", F.conv_transpose2d, of(some(1, 1, 3, 2), weight=some(1, 2, 2, 2)), dilation=2)


def gradients(function, of_what, gy):
    return torch.autograd.grad(function, of_what, gy)


def conv2d_backward(gy, x, weight, stride=1, padding=0):
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = F.conv2d(x, weight, None, stride, padding)
    return (*gradients(y, (x, weight), gy), gy.sum((0, 2, 3)))


row(
    "windows",
    "conv2d_backward",
    conv2d_backward,
    {},
    {"gy": some(2, 3, 2, 2), "x": some(2, 2, 4, 4), "weight": some(3, 2, 3, 3)},
    stride=2,
    padding=1,
)


def without_batch(backward):
    def run(gy, x, weight):
        gx, gw, gb = backward(gy[None], x[None], weight)
        return gx[0], gw, gb

    return run


GIVEN = {"gy": some(2, 1, 2), "x": some(1, 3, 3), "weight": some(2, 1, 3, 2)}
row("windows", "conv2d_backward", without_batch(conv2d_backward), {}, GIVEN)
PLANES = {"x": some(1, 2, 5, 6)}
for op, theirs, options in (
    ("max_pool2d", F.max_pool2d, {"kernel_size": 2}),
    ("max_pool2d", F.max_pool2d, {"kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 0], "dilation": [1, 2]}),
    ("max_pool2d", F.max_pool2d, {"kernel_size": 2, "stride": 2, "ceil_mode": True, "return_indices": True}),
    ("avg_pool2d", F.avg_pool2d, {"kernel_size": 2}),
    ("avg_pool2d", F.avg_pool2d, {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("avg_pool2d", F.avg_pool2d, {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    ("avg_pool2d", F.avg_pool2d, {"kernel_size": 2, "stride": 3, "ceil_mode": True}),
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d, {"output_size": [2, 4]}),
    ("adaptive_max_pool2d", F.adaptive_max_pool2d, {"output_size": [2, 4]}),
    ("adaptive_max_pool2d", F.adaptive_max_pool2d, {"output_size": 3, "return_indices": True}),
    ("interpolate", F.interpolate, {"size": [3, 8]}),
    ("interpolate", F.interpolate, {"scale_factor": [2.5, 0.5]}),
    ("interpolate", F.interpolate, {"size": [8, 3], "mode": "bilinear"}),
    ("interpolate", F.interpolate, {"scale_factor": [1.5, 0.75], "mode": "bilinear"}),
    ("interpolate", F.interpolate, {"size": [8, 3], "mode": "bilinear", "align_corners": True}),
    ("interpolate", F.interpolate, {"size": [1, 9], "mode": "bilinear", "align_corners": True}),
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d, {"output_size": [None, 3]}),
):
    row("windows", op, theirs, PLANES, **options)


def same_conv1d(x, weight, padding):
    """An odd zero goes to the end; PyTorch's own warns."""
    return F.conv1d(F.pad(x, (1, 2)), weight)


for op, theirs, options in (
    ("max_pool2d", F.max_pool2d, {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}),
    ("avg_pool2d", F.avg_pool2d, {"kernel_size": 3, "stride": 1}),
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d, {"output_size": 2}),
    ("adaptive_max_pool2d", F.adaptive_max_pool2d, {"output_size": 2, "return_indices": True}),
):
    row("windows", op, theirs, {"x": some(2, 4, 5)}, **options)
LINES, BLOCKS = {"x": some(2, 2, 7)}, {"x": some(1, 2, 3, 4, 5)}
for op, theirs, options in (
    ("adaptive_avg_pool1d", F.adaptive_avg_pool1d, {"output_size": 3}),
    ("adaptive_max_pool1d", F.adaptive_max_pool1d, {"output_size": 3, "return_indices": True}),
    ("adaptive_avg_pool3d", F.adaptive_avg_pool3d, {"output_size": [2, None, 3]}),
    ("adaptive_max_pool3d", F.adaptive_max_pool3d, {"output_size": [2, 3, 4], "return_indices": True}),
):
    row("windows", op, theirs, LINES if op.endswith("1d") else BLOCKS, **options)
HALF = {"kernel_size": 3, "stride": 2, "padding": 1}
for op, theirs, options in (
    ("max_pool1d", F.max_pool1d, {**HALF, "dilation": 2, "return_indices": True}),
    ("avg_pool1d", F.avg_pool1d, {**HALF, "count_include_pad": False}),
    ("max_pool3d", F.max_pool3d, {**HALF, "ceil_mode": True, "return_indices": True}),
    ("avg_pool3d", F.avg_pool3d, {"kernel_size": [2, 3, 1], "stride": [1, 2, 2], "padding": [1, 1, 0]}),
):
    row("windows", op, theirs, LINES if op.endswith("1d") else BLOCKS, **options)
ZEROS = {"x": some(2, 2, 5, 6) * (np.arange(6) > 2)}
for op, theirs, x, options in (
    ("lp_pool1d", F.lp_pool1d, LINES, {"norm_type": 2, "kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("lp_pool2d", F.lp_pool2d, ZEROS, {"norm_type": 2, "kernel_size": [3, 2], "stride": [2, 1], "ceil_mode": True}),
    ("lp_pool2d", F.lp_pool2d, {"x": abs(some(2, 5, 4))}, {"norm_type": 3.0, "kernel_size": 2}),
    ("lp_pool2d", F.lp_pool2d, ZEROS, {"norm_type": 1, "kernel_size": 2}),
    ("lp_pool3d", F.lp_pool3d, BLOCKS, {"norm_type": 2, "kernel_size": [2, 3, 2]}),
):
    row("windows", op, theirs, x, **options)
row("windows", "interpolate", F.interpolate, {"x": some(1, 2, 5)}, scale_factor=2.5)
row("windows", "conv1d", F.conv1d, of(some(2, 6), weight=some(4, 1, 2)), dilation=2, groups=2)
row("windows", "conv1d", F.conv1d, of(some(2, 2, 5), weight=some(1, 2, 3)), padding="valid")
row("windows", "conv1d", same_conv1d, of(some(2, 5), weight=some(1, 2, 4)), padding="same")
row("windows", "conv3d", F.conv3d, of(some(1, 3, 3, 4), weight=some(2, 1, 2, 2, 3)))
row(
    "windows",
    "conv_transpose2d",
    F.conv_transpose2d,
    of(some(1, 2, 3), weight=some(1, 2, 2, 2), bias=some(2)),
    padding=1,
)


def max_pool2d_backward(gy, indices, x_shape):
    gx = torch.zeros(x_shape, dtype=gy.dtype)
    return gx.flatten(-2).scatter_add(-1, indices.flatten(-2), gy.flatten(-2)).reshape(x_shape)


def of_shape(function):
    """The gradient of a mean, which asks x's shape alone."""

    def backward(gy, x_shape, **options):
        x = torch.zeros(x_shape, dtype=gy.dtype, requires_grad=True)
        return gradients(function(x, **options), (x,), gy)[0]

    return backward


avg_pool2d_backward = of_shape(F.avg_pool2d)


def of_forward(function):
    """The gradient from gy and x, as autograd has it; y is what the forward call gives."""

    def backward(gy, x, y=None, **options):
        x = x.clone().requires_grad_()
        return gradients(function(x, **options), (x,), gy)[0]

    return backward


def mixed(*shape):
    return (np.arange(np.prod(shape)) * 37 % 64).reshape(shape) / 16 - 1.5


LINE, PLANE, BLOCK = mixed(1, 2, 7), mixed(1, 4, 5), mixed(1, 3, 4, 4)
OVER, APART = {"kernel_size": [2, 3, 3], "stride": 1}, {"kernel_size": 3, "stride": 2}
for op, theirs, x, out, options in (
    ("max_pool1d_backward", F.max_pool1d, LINE, (1, 2, 4), {**APART, "padding": 1}),
    ("max_pool3d_backward", F.max_pool3d, BLOCK, (1, 2, 2, 2), OVER),
    ("lp_pool1d_backward", F.lp_pool1d, LINE, (1, 2, 3), {"norm_type": 2, **APART}),
    ("lp_pool2d_backward", F.lp_pool2d, PLANE, (1, 2, 2), {"norm_type": 2, "kernel_size": 2}),
    ("lp_pool3d_backward", F.lp_pool3d, BLOCK, (1, 2, 2, 2), {"norm_type": 2, **OVER}),
):
    fixed = {"gy": mixed(*out), "x": x}
    if op.startswith("lp"):
        fixed["y"] = theirs(torch.tensor(x), **options).numpy()
    row("windows", op, of_forward(theirs), {}, fixed, **options)
for rank, x, out in ((1, LINE, (1, 2, 3)), (2, PLANE, (1, 3, 2)), (3, BLOCK, (1, 2, 3, 1))):
    largest, means = getattr(F, f"adaptive_max_pool{rank}d"), getattr(F, f"adaptive_avg_pool{rank}d")
    found = of_forward(partial(largest, output_size=out[-rank:]))
    row("windows", f"adaptive_max_pool{rank}d_backward", found, {}, {"gy": mixed(*out), "x": x})
    found = of_shape(partial(means, output_size=out[-rank:]))
    row("windows", f"adaptive_avg_pool{rank}d_backward", found, {}, {"gy": mixed(*out)}, x_shape=list(x.shape))
row("windows", "avg_pool1d_backward", of_shape(F.avg_pool1d), {}, {"gy": mixed(1, 2, 3)}, x_shape=[1, 2, 7], **APART)
row(
    "windows",
    "avg_pool3d_backward",
    of_shape(F.avg_pool3d),
    {},
    {"gy": mixed(1, 2, 2, 2)},
    x_shape=[1, 3, 4, 4],
    **OVER,
)
WON = {"gy": some(1, 1, 2, 2), "indices": np.array([[[[0, 1], [5, 5]]]])}
row("windows", "max_pool2d_backward", max_pool2d_backward, {}, WON, x_shape=[1, 1, 2, 3])
WON = {key: value[0] for key, value in WON.items()}
row("windows", "max_pool2d_backward", max_pool2d_backward, {}, WON, x_shape=[1, 2, 3])
row("windows", "avg_pool2d_backward", avg_pool2d_backward, {}, {"gy": some(2, 1, 2)}, x_shape=[2, 2, 5], kernel_size=2)
row(
    "windows",
    "avg_pool2d_backward",
    avg_pool2d_backward,
    {},
    {"gy": some(1, 1, 2, 3)},
    x_shape=[1, 1, 4, 5],
    kernel_size=3,
    stride=2,
    padding=1,
    count_include_pad=False,
)

# ---------------------------------------------------------------- normalisation


def batch_norm(x, weight, bias, running_mean, running_var, **options):
    return F.batch_norm(x, running_mean, running_var, weight, bias, **options)


def batch_norm_relu(x, weight, bias, residual, running_mean, running_var, **options):
    return F.relu(batch_norm(x, weight, bias, running_mean, running_var, **options) + residual)


def batch_norm_backward(gy, x, weight, mean, var, eps=1e-5, training=True):
    x, weight, bias = x.clone().requires_grad_(), weight.clone().requires_grad_(), torch.zeros_like(weight)
    bias.requires_grad_()
    y = F.batch_norm(x, None if training else mean, None if training else var, weight, bias, training, eps=eps)
    return gradients(y, (x, weight, bias), gy)


def running():
    return {"running_mean": some(3), "running_var": above(3)}


AFFINE = {"weight": some(3), "bias": some(3)}
row("norms", "batch_norm", batch_norm, of(some(2, 3, 2, 2), **AFFINE), running(), training=True)
row("norms", "batch_norm", batch_norm, of(some(4, 3), **AFFINE), running(), training=True, momentum=0.5, eps=0.25)
row("norms", "batch_norm", batch_norm, of(some(2, 3, 4), **AFFINE), running())
for training in (True, False):
    inputs = of(some(2, 3, 2, 2), **AFFINE, residual=some(2, 3, 2, 2))
    row("norms", "batch_norm_relu", batch_norm_relu, inputs, running(), training=training)
X = some(2, 3, 2, 2)
OWN = {"mean": X.mean((0, 2, 3)), "var": X.var((0, 2, 3))}
BACKWARD = {"gy": some(2, 3, 2, 2), "x": X, "weight": some(3)}
row("norms", "batch_norm_backward", batch_norm_backward, {}, {**BACKWARD, **OWN})
BACKWARD |= {"mean": some(3), "var": above(3)}
row("norms", "batch_norm_backward", batch_norm_backward, {}, BACKWARD, training=False, eps=0.5)


def instance_norm(x, weight, bias, running_mean, running_var, **options):
    return F.instance_norm(x, running_mean, running_var, weight, bias, **options)


def group_norm(x, weight, bias, num_groups, **options):
    return F.group_norm(x, num_groups, weight, bias, **options)


def rms_norm(x, weight, normalized_shape, **options):
    return F.rms_norm(x, normalized_shape, weight, **options)


def layer_norm(x, weight, bias, normalized_shape, **options):
    return F.layer_norm(x, normalized_shape, weight, bias, **options)


row("norms", "instance_norm", instance_norm, of(some(2, 3, 4), **AFFINE), running())
row("norms", "instance_norm", instance_norm, of(some(2, 3, 4), **AFFINE), running(), momentum=0.25, eps=0.5)
row("norms", "instance_norm", instance_norm, of(some(2, 3, 4), **AFFINE), running(), use_input_stats=False)
FOUR = {"weight": some(4), "bias": some(4)}
row("norms", "group_norm", group_norm, of(some(2, 4, 3), **FOUR), num_groups=2)
row("norms", "group_norm", group_norm, of(some(2, 4), **FOUR), num_groups=1, eps=0.5)
row("norms", "layer_norm", layer_norm, of(some(3, 4), **FOUR), normalized_shape=[4])
SQUARE = {"weight": some(2, 3), "bias": some(2, 3)}
row("norms", "layer_norm", layer_norm, of(some(2, 2, 3), **SQUARE), normalized_shape=[2, 3], eps=0.5)
BRIGHT = some(1, 6, 4) * 8  # so large that the default alpha shows
row("norms", "local_response_norm", F.local_response_norm, of(BRIGHT), size=4)
row("norms", "local_response_norm", F.local_response_norm, of(some(2, 5, 2)), size=3, alpha=2.0, beta=0.5, k=0.5)
row("norms", "local_response_norm", F.local_response_norm, of(some(2, 3, 2)), size=9, alpha=2.0)
row("norms", "rms_norm", rms_norm, of(some(3, 4), weight=some(4)), normalized_shape=[4])
row("norms", "rms_norm", rms_norm, of(some(2, 2, 3), weight=some(2, 3)), normalized_shape=[2, 3], eps=0.5)


# ---------------------------------------------------------------- filters
def eighths(*shape):
    """Numbers that no other row's depend on."""
    return (np.arange(np.prod(shape)) * 37 % 29 - 14.0).reshape(shape) / 8


def filtered(x, kernel, border):
    """Each plane correlated with the kernel, of any rank, over a padded copy."""
    around = [n for size in reversed(kernel.shape) for n in (size // 2, (size - 1) // 2)]
    planes = x.reshape(-1, 1, *x.shape[x.ndim - kernel.ndim :])
    mode = "constant" if border == "zeros" else border
    return (F.conv1d, F.conv2d, F.conv3d)[kernel.ndim - 1](F.pad(planes, around, mode), kernel[None, None]).reshape(
        x.shape
    )


def filter_backward(gy, x, kernel, border):
    x, kernel = x.clone().requires_grad_(), kernel.clone().requires_grad_()
    return gradients(filtered(x, kernel, border), (x, kernel), gy)


def pad_backward(gy, x_shape, padding, mode):
    x = torch.zeros(x_shape, dtype=gy.dtype, requires_grad=True)
    return gradients(F.pad(x, padding, mode), (x,), gy)[0]


for taps, border, shape in (
    ((3,), "reflect", (2, 4)),
    ((3, 3), "zeros", (2, 3, 4)),
    ((4, 3), "reflect", (3, 4)),
    ((2, 5), "replicate", (2, 1, 3)),
    ((3, 2), "circular", (1, 2, 3, 4)),
    ((3, 1, 2), "circular", (2, 2, 3)),
):
    row("windows", f"filter{len(taps)}d", filtered, of(eighths(*shape), kernel=eighths(*taps)), border=border)
    GIVEN = {"gy": -eighths(*shape), "x": eighths(*shape), "kernel": eighths(*taps)}
    row("windows", f"filter{len(taps)}d_backward", filter_backward, {}, GIVEN, border=border)
for n, padding, mode in ((4, [2, 1], "reflect"), (5, [1, -2], "circular"), (3, [-1, 2], "replicate")):
    given = {"gy": eighths(2, n + sum(padding))}
    row("windows", "pad_backward", pad_backward, {}, given, x_shape=[2, n], padding=padding, mode=mode)
