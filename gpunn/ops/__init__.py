"""What users call. Every op takes Tensors or plain arrays; with arrays alone it returns an array and records nothing."""

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
from gpunn.ops.elementwise import abs, clip, exp, log, sqrt
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
