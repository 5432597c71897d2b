"""What `python -m bench scaling` measures in one process: a step of one rank, and when its gradients are ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import gpunn
from bench.training.networks import SGD, Network, our_model
from bench.training.scaling_model import Profile
from gpunn import nn, ops, optim
from gpunn.engine.autograd import Leaf, Node
from gpunn.engine.kept import nodes_behind


def profile(network: Network, seed: int, repeats: int) -> Profile:
    """The medians of `repeats` steps of one rank, after two that warm up."""
    model, (images, labels) = our_model(network, seed), network.data(seed)
    x, parameters = gpunn.Tensor(images), list(model.parameters())
    optimizer = optim.SGD(parameters, **SGD)
    rows = [_stamps(model, x, labels, optimizer, parameters) for _ in range(2 + repeats)][2:]
    forward, backward, step, *ready = np.median(rows, axis=0).tolist()
    sizes = tuple([p.array.nbytes for p in parameters])
    return Profile(len(x), forward, backward, step, tuple(ready), sizes)


def _stamps(model: nn.Module, x: gpunn.Tensor, labels: np.ndarray, optimizer: Any, parameters: list) -> list[float]:
    """Seconds from a step's start to the end of forward, of backward and of the step, and to each gradient."""
    ready = dict.fromkeys(map(id, parameters), 0.0)
    optimizer.zero_grad()
    start = time.perf_counter()
    loss = ops.cross_entropy(model(x), labels)
    forward = time.perf_counter() - start
    stamped = 0.0 - time.perf_counter()
    _stamp(loss, lambda leaf: ready.update({id(leaf): time.perf_counter()}))
    start += stamped + time.perf_counter()  # what the preparation took is none of the step's
    loss.backward()
    backward = time.perf_counter() - start
    optimizer.step()
    step = time.perf_counter() - start
    return [forward, backward, step, *(at - start if at else backward for at in ready.values())]


def _stamp(loss: gpunn.Tensor, ready: Callable[[Any], None]) -> None:
    """Have backward call `ready(parameter)` behind each operation that gives it a gradient; the last one counts."""
    for node in nodes_behind([loss._node] if loss._node else []):
        if leaves := [edge.tensor() for edge in node.edges if isinstance(edge, Leaf)]:
            node.backward = _stamped(node, leaves, ready)


def _stamped(node: Node, leaves: list[Any], ready: Callable[[Any], None]) -> Any:
    backward: Any = node.backward

    def timed(gy: Any, needs: Any) -> Any:
        found = backward(gy, needs)
        for leaf in leaves:
            ready(leaf)
        return found

    return timed
