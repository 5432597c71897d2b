#!/usr/bin/env python3
"""Runs a command line as on a machine with a GPU, without one: CuPy is its look-alike, whose kernels the emulator runs.

    python tests/gpu/rehearse.py -m gpunn train lenet5 --device cuda --limit 64 --epochs 1
    PYTHON=tests/gpu/rehearse.py bash tests/gpu/quick.sh steps      # in small: SMALL says how

What PyTorch would do on the GPU it does on the CPU. Times and rooflines mean nothing: what is seen is that every
command, argument and file works.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import runpy
import shlex
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

NAME = "look-alike"


def install() -> Any:
    """The look-alike in CuPy's place, with what programs ask of a card and the tests do not."""
    from gpunn.backend import loading
    from tests import cupy_stand_in

    module = cupy_stand_in.module()
    loading._load_cupy = lambda: (module, "")
    _tell_time(module)
    _describe(module)
    _fill_memory(module)
    return module


def _tell_time(module: Any) -> None:
    """Events that were recorded know when, by the host's clock."""
    record = module.cuda.Event.record

    def noted(self: Any, stream: Any = None) -> None:
        record(self, stream)
        self.at = time.perf_counter()

    module.cuda.Event.record = noted
    module.cuda.get_elapsed_time = lambda start, end: 1e3 * (end.at - start.at)


def _describe(module: Any) -> None:
    """What a device says of itself; the kernel that spins does not."""
    properties = {"name": NAME.encode(), "multiProcessorCount": 21, "totalGlobalMem": 1 << 40, "major": 0, "minor": 0}
    module.cuda.runtime.getDeviceProperties = lambda device: properties
    module.cuda.runtime.runtimeGetVersion = lambda: 12090
    module.cuda.runtime.profilerStart = module.cuda.runtime.profilerStop = lambda: None
    made = module.cuda.Device.__init__

    def described(self: Any, id: int | None = None) -> None:
        made(self, id)
        self.attributes |= {"ClockRate": 1_000_000, "MemoryClockRate": 1_000_000, "L2CacheSize": 1 << 20}

    module.cuda.Device.__init__ = described
    module.__dict__["RawKernel"] = lambda text, name: lambda grid, block, args: None
    module.__dict__["__version__"] = NAME


def _fill_memory(module: Any) -> None:
    module.cuda.MemoryPointer.memset_async = lambda self, value, size, stream=None: None


def torch_on_host() -> None:
    """PyTorch's side of every comparison computes on the CPU, and its graphs are eager steps."""
    import torch

    def host(value: Any) -> Any:
        return "cpu" if str(value).startswith("cuda") else value

    def moved(method: Any) -> Any:
        return lambda self, *args, **named: method(
            self, *map(host, args), **{key: host(value) for key, value in named.items()}
        )

    def made(function: Any) -> Any:
        return lambda *args, **named: function(*args, **{key: host(value) for key, value in named.items()})

    for kind in (torch.Tensor, torch.nn.Module):
        kind.to = moved(kind.to)
    for name in ("arange", "empty", "full", "ones", "tensor", "zeros"):
        setattr(torch, name, made(getattr(torch, name)))
    cuda: Any = torch.cuda
    cuda.is_available = lambda: True
    cuda.synchronize = cuda.reset_peak_memory_stats = lambda *args: None
    cuda.max_memory_allocated = lambda *args: 1 << 20
    torch.compile = lambda model, **how: model
    torch.autocast = lambda kind, *args, real=torch.autocast, **how: real(host(kind), *args, **how)
    torch.amp.GradScaler = lambda kind, *args, real=torch.amp.GradScaler, **how: real(host(kind), *args, **how)


def in_bench() -> None:
    """Limits that nobody measures, and processes that would have no look-alike."""
    from bench.kernels import roofline
    from bench.training import memory, networks, recurrent
    from gpunn.cuda import tuning

    def roof(kind: str, precisions: list[str], clock: Any) -> roofline.Roof:
        return roofline.Roof(1e12, dict.fromkeys(precisions, 1e13), dict.fromkeys(precisions, "made up"))

    roofline.measure = roof
    networks._torch_graph = lambda step, *rest: step
    for name in recurrent.CASES:
        recurrent.CASES[name] = recurrent.Shape(2, 3, 4, 5)
    tuning.FLUSHED, tuning.ROUNDS = 1024, 1
    memory.ProcessPoolExecutor = lambda *how: concurrent.futures.ThreadPoolExecutor(1)


SMALL = {  # what is added to a command's words: of an option that is there twice the last counts
    "bench accuracy": "--epochs 1 --limit 8 --batch-size 4 --within 100",
    "bench batchnorm": "--cases 'three values' --variants naive",
    "bench conv1d": "--cases 'lenet of waves' --batch 1 --variants naive",
    "bench conv2d": "--cases 'all primes' --variants naive",
    "bench conv3d": "--cases 'lenet of volumes' --batch 1 --variants naive",
    "bench elementwise": "--cases relu --batch 1",
    "bench gemm": "--cases 'resnet20 fc' --batch 1 --variants naive",
    "bench kernels": "--cases lenet5 --batch 2",
    "bench launch": "--cases gemm",
    "bench memory": "lenet5 --batch 2",
    "bench optim": "--cases lenet5",
    "bench pool2d": "--cases 'one pixel' --variants naive",
    "bench step": "--cases lenet5 --batch 2",
    "examples/mnist_seconds.py": "--seeds 1 --epochs 1 --limit 8",
    "gpunn launch": "--limit 8 --batch-size 4",
    "gpunn train": "--limit 8 --batch-size 4",
    "gpunn verify": "--only pool.avg_forward",
    "pytest": "--collect-only",
}
TIMED = "--repeats 1 --budget 0"  # of the suites of bench.run
DRY = ("gpunn tune",)  # whose numbers nobody checks


def main(argv: list[str]) -> None:
    """As an interpreter: -m MODULE, -c CODE or FILE, with its arguments; other options are the interpreter's own."""
    how, *rest = argv
    if how.startswith("-") and how not in ("-m", "-c"):
        os.execv(sys.executable, [sys.executable, *argv])
    install()
    with contextlib.suppress(ImportError):
        torch_on_host()
    in_bench()
    sys.executable = str(Path(__file__).resolve())  # processes of its own have the look-alike, too
    words = " ".join(rest[:2] if how == "-m" and rest[0] in ("bench", "gpunn") else rest[:1] if how == "-m" else [how])
    from bench import run
    from tests import counting

    more = shlex.split(SMALL.get(words, ""))
    if words.startswith("bench ") and rest[1] in run.SUITES:
        more += TIMED.split()
    with counting.dry() if words in DRY else contextlib.nullcontext():
        if how == "-m":
            sys.argv = rest + more
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif how == "-c":
            sys.argv = ["-c", *rest[1:]]
            exec(rest[0], {"__name__": "__main__"})
        else:
            sys.argv = argv + more
            runpy.run_path(how, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
