"""`python -m bench memory NETWORK...`: what a training step keeps for its backward pass, and what it takes at most.

Kept: the memory that forward and loss leave to backward, layer by layer, each where it is first kept; the input
counts, weights do not. PyTorch's are its saved tensors, of a model with the same weights. Peak: on a GPU the most that
the allocators gave out during a step, of which the weights and the batch were there before; on the CPU by how much a
process of its own grows (bench/README.md).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench import machine
from bench.clocks import Call
from bench.measure import chosen
from bench.output import results
from bench.output.columns import Column, aligned, columns
from bench.rows import Rival, Row
from bench.training.networks import Network, our_model, our_step, torch_model, torch_step
from gpunn import backend, models, ops
from gpunn.backend.memory import watched
from gpunn.cpu.threads import set_thread_count
from gpunn.engine.tensor import Tensor
from gpunn.nn.kept import Kept, kept_by_layer
from gpunn.recipes.device import usable_device
from gpunn.recipes.options import positive_int
from gpunn.window import size_text

BATCHES = {"lenet5": 64, "lenet_20_50_500": 64, "alexnet_lite": 64, "resnet20": 32}  # of others 4
DEFAULT = ["lenet5", "alexnet_lite", "resnet20", "resnet18", "resnet50"]
STATUS = "/proc/self/status"
MB = 1e-6


def _share(name: str) -> Callable[[Row], float | None]:
    """Our figure over PyTorch's."""

    def share(row: Row) -> float | None:
        ours, theirs = getattr(row, name), getattr(row.against.get("torch"), name, None)
        return ours / theirs if ours is not None and theirs else None

    return share


TABLE = [
    Column("batch", lambda row: row.shape.removeprefix("batch "), width=16),
    *columns(",.2f", "kept_bytes as kept MB", "against.torch.kept_bytes as torch", scale=MB, widths=(12, 10)),
    Column("ratio", _share("kept_bytes"), ".4f", width=8),
    *columns(",.1f", "peak_bytes as peak MB", "against.torch.peak_bytes as torch", scale=MB, widths=(12, 10)),
    Column("ratio", _share("peak_bytes"), ".2f", width=7),
]


def main(argv: list[str]) -> int:
    """Count, measure, print, write."""
    args = _arguments(argv)
    machine.hold_threads(args.threads)
    device = str(usable_device(args.device or ("cuda" if backend.is_available("cuda") else "cpu")))
    run = results.begin("memory", device, args.threads, args.seed)
    print(f"{results.where(run)}\n\n{'network':17}{aligned(TABLE)}")
    for name in args.networks:
        batch = args.batch or (2 if device == "emulator" else BATCHES.get(name, 4))
        network = Network(name, (batch, *models.input_shape(name)))
        row, kept = measured(network, device, args)
        run["rows"].append(row)
        print(f"{name:17}{aligned(TABLE, row)}", flush=True)
        if args.layers:
            print(*by_layer(kept), sep="\n")
        if args.json:
            results.save(run, args.json)  # after each network: the run may be broken off
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench memory", description=__doc__)
    add = parser.add_argument
    add("networks", nargs="*", metavar="NETWORK", help=f"models of gpunn.models (default: {' '.join(DEFAULT)})")
    add("--device", help="cuda, cpu or emulator (default: cuda where there is one, else cpu)")
    add("--batch", type=positive_int, metavar="N", help="images (default: 64 or fewer, by network)")
    add("--layers", action="store_true", help="print what each layer keeps")
    add("--no-peak", action="store_true", help="count what is kept, and run no step")
    add("--threads", type=positive_int, default=machine.cores(), metavar="N", help="of both sides (default: all)")
    add("--seed", type=int, default=0)
    add("--json", metavar="FILE", help="write the rows there")
    args = parser.parse_args(argv)
    known = models.names("classification")
    args.networks = chosen("network of memory", ",".join(args.networks) or ",".join(DEFAULT), known)
    return args


def measured(network: Network, device: str, args: argparse.Namespace) -> tuple[Row, Kept]:
    """A network's row, and what our layers keep."""
    seed, kind = args.seed, device.partition(":")[0]
    model = our_model(network, seed)
    row = Row("memory", network.name, "step.train", shape=f"batch {size_text(network.batch)}")
    weights = {name: backend.to_numpy(value).copy() for name, value in model.named_arrays().items()}
    x, labels = (backend.to_device(array, device) for array in network.data(seed))
    kept = kept_by_layer(model.to(device), Tensor(x), lambda y: ops.cross_entropy(y, labels))
    row.kept_bytes = float(kept.total)
    if machine.torch_or_none():
        try:
            theirs = Rival(kept_bytes=float(saved_by_torch(network, weights, seed)))
        except KeyError:
            theirs = Rival(f"bench/training/torch_models.py has no {network.name}")
        row.against["torch"] = theirs
    if not args.no_peak and kind != "emulator":
        row.peak_bytes = peak(network, "ours", args.threads, seed, kind)
        if "torch" in row.against and row.against["torch"].reason is None:
            row.against["torch"].peak_bytes = peak(network, "torch", args.threads, seed, kind)
    return row, kept


def by_layer(kept: Kept) -> list[str]:
    """A line for each call that keeps something, and one for those that keep nothing."""
    lines = [f"    {name or 'the network itself':32}{size * MB:12,.3f} MB" for name, size in kept.layers if size]
    nothing = sum(not size for _, size in kept.layers)
    return [*lines, f"    {nothing} calls keep nothing besides"] if nothing else lines


def saved_by_torch(network: Network, weights: dict[str, Any] | None, seed: int) -> int:
    """Bytes of the memory that PyTorch's saved tensors share, but for weights and buffers."""
    import torch

    model = torch_model(network, weights)
    own = {value.untyped_storage().data_ptr() for value in (*model.parameters(), *model.buffers())}
    found: dict[int, int] = {}

    def pack(saved: Any) -> Any:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return saved

    images, labels = (torch.from_numpy(array) for array in network.data(seed))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        # The graph stays until all is counted, so that no memory is used twice.
        loss = torch.nn.functional.cross_entropy(model(images), labels)
    del loss
    return sum(found.values())


# ---------------------------------------------------------------- peaks
def peak(network: Network, side: str, threads: int, seed: int, kind: str = "cpu") -> int | None:
    """Bytes that a step takes at most on `side`, measured in a process of its own; None where it cannot be."""
    if kind == "cpu" and machine.memory("VmHWM", STATUS) is None:
        return None
    measure = grown if kind == "cpu" else allocated
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        try:
            return process.submit(measure, network, side, threads, seed).result()
        except Exception as error:  # a process that was killed, a /proc that cannot be written
            print(f"bench: memory of {network.name} ({side}) not measured: {error}", file=sys.stderr)
            return None


def grown(network: Network, side: str, threads: int, seed: int) -> int:
    """By how much the resident set grows: its high-water mark during a step less its size before the model was made.

    Libraries are imported and warmed up by a step of LeNet-5 on two images before, and the batch is in memory. So it
    holds weights, gradients, momentum, activations, scratch memory and what the allocators keep: NumPy's, oneDNN's or
    BLAS's; not what a library loads at its first step, 80 MB of PyTorch's.
    """
    if side == "ours":
        set_thread_count(threads)
    else:
        import torch

        torch.set_num_threads(threads)
    _step(Network("lenet5", (2, 1, 28, 28)), side, seed)()
    batch = network.data(seed)  # in memory on both sides
    before = machine.memory("VmRSS", STATUS) or 0
    step = _step(network, side, seed)
    for _ in range(3):  # gradients and momentum exist from the second step on
        Path("/proc/self/clear_refs").write_text("5")  # forgets the high-water mark
        step()
    del batch
    return (machine.memory("VmHWM", STATUS) or 0) - before


def allocated(network: Network, side: str, threads: int, seed: int) -> int:
    """The most that a GPU's allocator gave out during the third step and before: weights and batch are in it."""
    if side == "torch":
        import torch

        step = _step(network, side, seed, "cuda")
        for _ in range(3):
            torch.cuda.reset_peak_memory_stats()
            step()
        return torch.cuda.max_memory_allocated()
    with watched("cuda") as use:
        step = _step(network, side, seed, "cuda")
        for _ in range(3):
            use.peak = use.now
            step()
        backend.synchronize("cuda")
    return use.peak


def _step(network: Network, side: str, seed: int, device: str = "cpu") -> Call:
    """A side's training step, with a model of its own."""
    if side == "ours":
        return our_step(network, our_model(network, seed).to(device), seed, device)
    return torch_step(network, torch_model(network), seed, device, last=device == "cuda")
