"""Neighbours in a chain of layers that one call computes: what they are, and when they stay apart.

Conv2d takes along what follows it, ReLU or Tanh, then MaxPool2d or AvgPool2d: pool(activation(conv)), by definition of
ops.conv2d. MaxPool2d may also come before ReLU, since the two commute, gradients included; Flatten may come last.
Linear takes ReLU or Tanh. Layers are told by their exact types; one that a hook watches runs on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gpunn import ops
from gpunn.checks import cached
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn.activation import ReLU, Tanh
from gpunn.nn.conv import Conv2d
from gpunn.nn.linear import Flatten, Linear
from gpunn.nn.module import Module
from gpunn.nn.pool import AvgPool2d, MaxPool2d
from gpunn.window import Pooling

ACTIVATIONS: dict[type[Module], str] = {ReLU: "relu", Tanh: "tanh"}
POOLS = (MaxPool2d, AvgPool2d)


def chain(layers: Sequence[Module], x: Operand) -> Operand:
    """x through the layers in turn, neighbours in one call where a pattern has them."""
    at = 0
    while at < len(layers):
        layer, then = layers[at], at + 1
        if type(layer) is Conv2d and _free(layer):
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
