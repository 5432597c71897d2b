"""Gradients of convolutions and transposed ones on plain arrays: draws of their own, which move no other's."""

from __future__ import annotations

from collections import Counter
from functools import partial

import torch
import torch.nn.functional as F

from tests.values import op_rows
from tests.values.op_rows import of, row

some = partial(op_rows.some, asked=Counter())
TRANSPOSED = {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}


def backward_of(theirs):
    """theirs' gradients by x, weight and a bias, from gy; of an x without a batch, too."""

    def run(gy, x, weight, **options):
        x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
        bias = torch.zeros(gy.shape[1 - weight.ndim], dtype=gy.dtype, requires_grad=True)
        return torch.autograd.grad(theirs(x, weight, bias, **options), (x, weight, bias), gy)

    return run


def only(place, theirs, x_shape=None, weight_shape=None):
    """The gradient at this place, where a function is given but the other array."""
    zeros = {"x": x_shape, "weight": weight_shape}

    def run(gy, given, **options):
        options = {key: value for key, value in options.items() if not key.endswith("_shape")}
        x, weight = (given if shape is None else torch.zeros(shape, dtype=gy.dtype) for shape in zeros.values())
        return backward_of(theirs)(gy, x, weight, **options)[place]

    return run


def bias_gradient(ndim):
    return lambda gy: gy.sum([axis for axis in range(gy.ndim) if axis != gy.ndim - ndim + 1])


HALVED = {"stride": 2, "padding": 1}
for name, theirs, y, x, weight, options in (
    ("conv1d", F.conv1d, (2, 3, 3), (2, 2, 5), (3, 2, 3), HALVED),
    ("conv2d", F.conv2d, (2, 3, 2, 2), (2, 2, 4, 4), (3, 2, 3, 3), HALVED),
    ("conv3d", F.conv3d, (2, 1, 2, 2), (2, 2, 3, 2), (2, 1, 2, 2, 1), {"groups": 2}),
    ("conv_transpose1d", F.conv_transpose1d, (1, 2, 6), (1, 2, 3), (2, 1, 3), TRANSPOSED),
    ("conv_transpose2d", F.conv_transpose2d, (1, 4, 4), (2, 2, 2), (2, 1, 2, 2), {"dilation": 2}),
    ("conv_transpose3d", F.conv_transpose3d, (1, 1, 2, 3, 4), (1, 2, 1, 2, 2), (2, 1, 2, 2, 2), {"stride": (1, 1, 2)}),
):
    a, w, gy = some(*x), some(*weight), some(*y)
    row("convolutions", f"{name}_backward", backward_of(theirs), {}, {"gy": gy, "x": a, "weight": w}, **options)
    back, more = only(0, theirs, x_shape=x), {**options, "x_shape": list(x)}
    row("convolutions", f"{name}_grad_input", back, {}, {"gy": gy, "weight": w}, **more)
    back, more = only(1, theirs, weight_shape=weight), {**options, "weight_shape": list(weight)}
    row("convolutions", f"{name}_grad_weight", back, {}, {"gy": gy, "x": a}, **more)
    back = bias_gradient(len(weight))
    row("convolutions", f"{name}_grad_bias", back, {}, {"gy": gy})
for name, theirs, x, weight in (
    ("conv_transpose1d", F.conv_transpose1d, (2, 2, 3), (2, 2, 2)),
    ("conv_transpose3d", F.conv_transpose3d, (1, 2, 2, 2), (1, 2, 1, 2, 3)),
):
    row("convolutions", name, theirs, of(some(*x), weight=some(*weight), bias=some(2)), stride=2)
