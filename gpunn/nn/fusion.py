"""Neighbours in a chain of layers that one call computes: what they are, and when they stay apart.

Conv2d takes along what follows it, ReLU or Tanh, then MaxPool2d or AvgPool2d: pool(activation(conv)), by definition of
ops.conv2d. MaxPool2d may also come before ReLU, since the two commute, gradients included; Flatten may come last.
Linear takes ReLU or Tanh. Layers are told by their exact types; one that a hook watches runs on its own.

Where `nn.fuse` said so, BatchNorm2d goes into the weights of the Conv2d before it in evaluation, the residual and ReLU
behind it into the convolution's pass; in training it takes them along itself, and its statistics come from that Conv2d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from gpunn import ops
from gpunn.checks import cached, wants_grad
from gpunn.engine.autograd import is_grad_enabled
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn.activation import ReLU, Tanh
from gpunn.nn.batch_norm import BatchNorm2d, _BatchNorm
from gpunn.nn.conv import Conv2d
from gpunn.nn.linear import Flatten, Linear
from gpunn.nn.module import Module
from gpunn.nn.pool import AvgPool2d, MaxPool2d
from gpunn.nn.sync_batch_norm import SyncBatchNorm
from gpunn.ops.batch_norm import folded
from gpunn.ops.conv_norm import conv2d_batch_norm
from gpunn.window import Pooling

ACTIVATIONS: dict[type[Module], str] = {ReLU: "relu", Tanh: "tanh"}
POOLS = (MaxPool2d, AvgPool2d)
NORMS = (BatchNorm2d, SyncBatchNorm)


def chain(layers: Sequence[Module], x: Operand) -> Operand:
    """x through the layers in turn, neighbours in one call where a pattern has them."""
    at = 0
    while at < len(layers):
        layer, then = layers[at], at + 1
        if type(layer) is Conv2d and then < len(layers) and _is_fused(layers[then]):
            activation, behind = _activation(layers, then + 1)
            relu = activation == "relu"
            x, then = conv_norm(x, layer, layers[then], relu), behind if relu else then + 1
        elif type(layer) is Conv2d and _free(layer):
            activation, pool, then = _tail(layers, then)
            if pool is not None and _flattens(layers, then) and data_of(x).ndim == 4:
                pool, then = _flat(pool), then + 1
            x = layer(x, activation, pool)
        elif type(layer) is Linear and _free(layer):
            activation, then = _activation(layers, then)
            x = layer(x, activation)
        else:
            x = layer(x)
        at = then
    return x


def linear(x: Tensor, layer: Module, activation: str) -> Tensor:
    """activation(layer(x)), in one call unless a hook watches."""
    if type(layer) is Linear and _free(layer):
        return layer(x, activation)
    return getattr(ops, activation)(layer(x))


def conv_pool(x: Tensor, conv: Module, activation: str, pool: MaxPool2d | AvgPool2d, flat: bool = False) -> Tensor:
    """pool(activation(conv(x))), flattened if asked for.

    In one call, unless a hook watches, or the convolution is one of another kind.
    """
    pooling = pool.pooling if type(pool) in POOLS and _free(pool) else None
    if pooling is not None and type(conv) is Conv2d and _free(conv) and (x.ndim == 4 or not flat):
        return conv(x, activation, _flat(pooling) if flat else pooling)
    function, y = getattr(ops, activation), conv(x)
    # Pooling first leaves ReLU the fewer elements.
    first = activation == "relu" and isinstance(pool, MaxPool2d)
    y = function(pool(y)) if first else pool(function(y))
    return ops.flatten(y, 1) if flat else y


def conv_norm(x: Any, conv: Module, norm: Module, relu: bool = False, residual: Tensor | None = None) -> Tensor:
    """norm(conv(x)), plus the residual where there is one, and the ReLU of that where asked for.

    One call where `nn.fuse` said so: in training, and in evaluation, where no gradient is asked for. There the weights
    are made anew each time, by one small launch: kept ones would be stale after a write to an array, which nobody hears
    of, and in each replay of a captured evaluation.
    """
    if type(conv) is Conv2d and _is_fused(norm) and _folds(x, conv, norm, residual):
        statistics = _data(norm.running_mean), _data(norm.running_var), _data(norm.weight), _data(norm.bias), norm.eps
        w, b = folded(conv.weight.array, _data(conv.bias), *statistics)
        return conv.convolved(x, Tensor(w), Tensor(b), "relu" if relu else None, residual=residual)
    if type(conv) is Conv2d and _is_fused(norm) and _learns(x, conv, norm):
        running = _data(norm.running_mean), _data(norm.running_var), _data(norm.num_batches_tracked)
        momentum = norm.momentum if norm.momentum is not None or running[2] is not None else 0.0
        learned = norm.weight, norm.bias, momentum, norm.eps
        x, options = conv.prepared(x)
        return conv2d_batch_norm(x, conv.weight, conv.bias, options, running, *learned, residual, relu)
    y = conv(x)
    return norm(y, residual, relu) if residual is not None or relu else norm(y)


def _is_fused(norm: Module) -> TypeGuard[_BatchNorm]:
    return type(norm) in NORMS and norm.fused and _free(norm)


def _learns(x: Any, conv: Conv2d, norm: _BatchNorm) -> bool:
    """Whether the convolution gives the normalisation its statistics: those of the batch that it makes."""
    if not _free(conv) or norm.shared:
        return False
    return (norm.training or norm.running_mean is None) and len(x.shape) == 4 and x.shape[0] > 0


def _folds(x: Tensor, conv: Conv2d, norm: _BatchNorm, residual: Tensor | None) -> bool:
    """Whether the normalisation goes into the convolution's weights: where asked for, and where none is learned."""
    if not _free(conv) or norm.training or norm.running_mean is None:
        return False
    parts = (x, residual, conv.weight, conv.bias, norm.weight, norm.bias)
    if is_grad_enabled() and any(map(wants_grad, parts)):
        return False
    mean, weight = norm.running_mean, conv.weight
    fits = mean.shape == weight.shape[:1] and (mean.dtype == weight.dtype or weight.dtype.itemsize == 2)
    return fits and len(x.shape) == 4


def _data(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.array


def _tail(layers: Sequence[Module], at: int) -> tuple[str | None, Pooling | None, int]:
    """The activation and the pooling that a convolution takes along, and the place of the first layer behind them."""
    activation, at = _activation(layers, at)
    if at == len(layers) or type(layers[at]) not in POOLS or not _free(layers[at]):
        return activation, None, at
    pool = layers[at].pooling
    if pool is None:
        return activation, None, at
    after, behind = _activation(layers, at + 1)
    if activation is None and after == "relu" and pool.kind == "max":
        return after, pool, behind
    return activation, pool, at + 1


def _flattens(layers: Sequence[Module], at: int) -> bool:
    """Whether there is a Flatten of everything but the batch at this place."""
    if at == len(layers) or type(layers[at]) is not Flatten or not _free(layers[at]):
        return False
    return (layers[at].start_dim, layers[at].end_dim) == (1, -1)


@cached
def _flat(pool: Pooling) -> Pooling:
    return replace(pool, flat=True)


def _activation(layers: Sequence[Module], at: int) -> tuple[str | None, int]:
    """The name of the activation at this place, if one is there, and the place behind it."""
    if at < len(layers) and (name := ACTIVATIONS.get(type(layers[at]))) and _free(layers[at]):
        return name, at + 1
    return None, at


def _free(layer: Module) -> bool:
    """Whether nobody watches the layer: no hook, and no forward of its own put in the class's place."""
    return not layer._forward_hooks and "forward" not in layer.__dict__
