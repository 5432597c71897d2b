"""What users call. Every op takes Tensors or plain arrays; with arrays alone it returns an array and records nothing."""

from gpunn.ops.activation import leaky_relu, log_softmax, relu, sigmoid, softmax, softplus, tanh
from gpunn.ops.arithmetic import (
    add,
    div,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    matmul,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    pow,
    sub,
    where,
)
from gpunn.ops.conv import conv1d, conv2d, conv2d_backward, conv3d
from gpunn.ops.conv_transpose import conv_transpose2d
from gpunn.ops.cross_entropy import cross_entropy, nll_loss
from gpunn.ops.dropout import dropout, one_hot
from gpunn.ops.elementwise import abs, clip, exp, log, sqrt
from gpunn.ops.linear import linear
from gpunn.ops.loss import binary_cross_entropy_with_logits, l1_loss, mse_loss
from gpunn.ops.norm import batch_norm, batch_norm_backward, batch_norm_relu
from gpunn.ops.pool import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from gpunn.ops.reduce import argmax, logsumexp, max, mean, min, sum, var
from gpunn.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flatten,
    getitem,
    pad,
    permute,
    reshape,
    squeeze,
    stack,
    transpose,
    unsqueeze,
)
