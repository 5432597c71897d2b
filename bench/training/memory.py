"""Peak memory of a training step, measured the same way for both sides, each in a process of its own.

The figure is the growth of the resident set: its high-water mark during a step less its size before the model was
made (libraries imported and warmed up on a small convolution, the batch in memory). So it holds weights, gradients,
momentum, activations, scratch memory and what the allocators keep, whoever allocates: NumPy, oneDNN or BLAS.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench import machine
from bench.training.networks import NETWORKS, Network, our_model, our_step, torch_model, torch_step
from gpunn import Tensor, nn
from gpunn.cpu.threads import set_thread_count

STATUS = "/proc/self/status"


def peak(name: str, side: str, threads: int, seed: int) -> int | None:
    """Bytes that a step of network `name` adds on `side` ("ours" or "torch"); None where it cannot be measured."""
    if machine.memory("VmHWM", STATUS) is None:
        return None
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        try:
            return process.submit(_measure, NETWORKS[name], side, threads, seed).result()
        except Exception as error:  # a process that was killed, a /proc that cannot be written
            print(f"bench: memory of {name} ({side}) not measured: {error}", file=sys.stderr)
            return None


def _measure(network: Network, side: str, threads: int, seed: int) -> int:
    _warm_up(side, threads)
    batch = network.data(seed)  # in memory on both sides
    before = machine.memory("VmRSS", STATUS) or 0
    if side == "ours":
        step = our_step(network, our_model(network, seed), seed)
    else:
        step = torch_step(network, torch_model(network), seed)
    for _ in range(3):  # gradients and momentum exist from the second step on
        Path("/proc/self/clear_refs").write_text("5")  # forgets the high-water mark
        step()
    del batch
    return (machine.memory("VmHWM", STATUS) or 0) - before


def _warm_up(side: str, threads: int) -> None:
    """Load what is loaded lazily: BLAS buffers, thread pools, oneDNN's code."""
    if side == "ours":
        set_thread_count(threads)
        nn.Conv2d(4, 4, 3)(Tensor(np.ones((2, 4, 8, 8), np.float32))).sum().backward()
    else:
        import torch

        torch.set_num_threads(threads)
        torch.nn.Conv2d(4, 4, 3)(torch.ones(2, 4, 8, 8)).sum().backward()
