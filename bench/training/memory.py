"""Peak memory of a training step, measured the same way for both sides, each in a process of its own.

The figure is the growth of the resident set: its high-water mark during a step less its size before the model was
made (libraries imported and warmed up on a small convolution, the batch in memory). So it holds weights, gradients,
momentum, activations, scratch memory and what the allocators keep, whoever allocates: NumPy, oneDNN or BLAS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench import machine
from bench.training.networks import NETWORKS, our_model, our_step, torch_model, torch_step

STATUS = "/proc/self/status"


def peak(name: str, side: str, threads: int, seed: int) -> int | None:
    """Bytes that a step of network `name` adds on `side` ("ours" or "torch"); None where it cannot be measured."""
    if machine.memory("VmHWM", STATUS) is None:
        return None
    command = [sys.executable, "-m", "bench.training.memory", name, side, str(threads), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"bench: memory of {name} ({side}) not measured: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def _measure(name: str, side: str, threads: int, seed: int) -> int:
    network = NETWORKS[name]
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
        from gpunn import Tensor, nn
        from gpunn.cpu.threads import set_thread_count

        set_thread_count(threads)
        nn.Conv2d(4, 4, 3)(Tensor(np.ones((2, 4, 8, 8), np.float32))).sum().backward()
    else:
        import torch

        torch.set_num_threads(threads)
        torch.nn.Conv2d(4, 4, 3)(torch.ones(2, 4, 8, 8)).sum().backward()


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
    sys.stdout.flush()
    os._exit(0)  # PyTorch's threads need not be joined
