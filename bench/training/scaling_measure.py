"""What `python -m bench scaling` measures in one process: a step of one rank, and when its gradients are ready."""

from __future__ import annotations

import time

import numpy as np

import gpunn
from bench.training.networks import SGD, Network, our_model
from bench.training.scaling_model import Profile
from gpunn import ops, optim


def profile(network: Network, seed: int, repeats: int) -> Profile:
    """The medians of `repeats` steps of one rank, after two that warm up.

    A gradient that no step makes is ready when backward ends, as with DataParallel.
    """
    model, (images, labels) = our_model(network, seed), network.data(seed)
    x, parameters = gpunn.Tensor(images), list(model.parameters())
    optimizer, ready = optim.SGD(parameters, **SGD), [0.0] * len(parameters)

    def note(i: int) -> None:
        ready[i] = time.perf_counter()

    for i, parameter in enumerate(parameters):
        parameter.register_post_accumulate_grad_hook(lambda _, i=i: note(i))

    def step() -> list[float]:
        optimizer.zero_grad()
        start = time.perf_counter()
        loss = ops.cross_entropy(model(x), labels)
        forward = time.perf_counter()
        ready[:] = [0.0] * len(ready)
        loss.backward()
        backward = time.perf_counter()
        optimizer.step()
        return [at - start for at in (forward, backward, time.perf_counter(), *(at or backward for at in ready))]

    forward, backward, end, *whole = np.median([step() for _ in range(2 + repeats)][2:], axis=0).tolist()
    return Profile(len(x), forward, backward, end, tuple(whole), tuple([p.array.nbytes for p in parameters]))
