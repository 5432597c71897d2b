"""The suite `step`: a whole training step (forward, loss, backward, SGD with momentum) of every model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import gpunn
from bench import clocks
from bench.kernels import counts, rivals, suite
from bench.training.networks import LR, MOMENTUM, NETWORKS, Network, our_model, torch_model
from gpunn import backend, models, ops, optim
from gpunn.errors import unknown_name
from gpunn.nn.overview import rows as layers

GPU_BATCH = {"mlp": 256, "lenet5": 256, "lenet_20_50_500": 256, "resnet20": 128, "alexnet_lite": 128, "resnet18": 64}
EMULATED = ("lenet5",)  # what the emulator finishes in seconds
Step = Callable[[], Any]


class Plan:
    """The models and batches of one run."""

    def __init__(self, args: Any):
        self.device, self.args, self.kind = args.device, args, backend.device(args.device).type
        known = models.names()
        default = ",".join(EMULATED if self.kind == "emulator" else known)
        self.names = [name for part in (args.cases or default).split(",") if (name := part.strip())]
        self.names = known if self.names == ["all"] else self.names
        for name in self.names:
            if name not in known:
                raise unknown_name("case of step", name, [*known, "all"])
        self.precisions, self.rivals = ["fp32"], [n for n in rivals.names_of(args.against, args.device)
                                                  if n in ("torch", "compiled")]  # fmt: skip

    def network(self, name: str) -> Network:
        image = models.input_shape(name)
        usual = NETWORKS[name].batch[0] if name in NETWORKS else 64
        batch = {"cuda": GPU_BATCH.get(name, 64), "cpu": usual, "emulator": 2}[self.kind]
        return Network(name, (self.args.batch or batch, *image))


def rows(plan: Plan, clock: Any, roof: Any, said: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A row a model and way of running it: eager, and where there is a GPU captured into a graph."""
    clock = clocks.WallClock() if plan.kind == "cuda" else clock
    for name in plan.names:
        network = plan.network(name)
        row = {"suite": "step", "case": name, "operation": "step.train", "precision": "fp32",
               "shape": f"batch {'x'.join(map(str, network.batch))}"}  # fmt: skip
        try:
            yield from _network_rows(network, row, plan, clock, roof, said)
        except Exception as error:
            if not suite.is_out_of_memory(error):
                raise
            yield {**row, "variant": "-", "status": "skipped", "reason": f"out of memory at {row['shape']}: {error}"}


def _network_rows(network: Network, row: dict, plan: Plan, clock: Any, roof: Any, said: dict) -> Iterator[dict]:
    seed = plan.args.seed
    model = our_model(network, seed)
    weights = {key: backend.to_numpy(value).copy() for key, value in model.state_dict().items()}
    flops = 3 * sum(layer.flops for layer in layers(model, network.batch)[0])  # gradients cost the forward pass twice
    step = device_step(network, model.to(plan.device), plan.device, seed)
    row |= {"flops": flops, "bytes": None, "variant": "eager"}
    if plan.kind == "emulator":
        loss, found = counts.counted(step, flops)
        wrong = _wrong([_number(loss)], reference_losses(network, weights, seed, 1))
        del found["traffic"]
        yield {**row, **_status(wrong), **({} if wrong else {"counts": found})}
        return
    losses = [_number(step()) for _ in range(2)]
    wrong = _wrong(losses, reference_losses(network, weights, seed, 2))
    if wrong:
        yield {**row, **_status(wrong)}
        return
    others = _torch_steps(network, weights, losses, plan, said)
    runs = {name: run for name, run in others.items() if callable(run)}
    samples = clocks.by_turns([step, *runs.values()], clock, plan.args.repeats, plan.args.budget)
    against = suite.versus(samples[0], dict(zip(runs, samples[1:], strict=True)))
    against |= {name: {"reason": why} for name, why in others.items() if isinstance(why, str)}
    yield {**row, **_status(""), **_figures(samples[0], flops, roof), "against": against}
    if plan.kind == "cuda":
        yield {**row, "variant": "captured", **_captured(step, flops, clock, plan, roof)}


def _figures(sample: clocks.Sample, flops: int, roof: Any) -> dict[str, Any]:
    """A step's bytes are nobody's formula, so it has no roofline: GFLOP/s alone."""
    return {**suite.figures(sample, flops, 0, "none", roof), "gbs": None}


def _captured(step: Step, flops: int, clock: Any, plan: Plan, roof: Any) -> dict[str, Any]:
    try:
        with clocks.captured(step) as replay:
            sample = clocks.by_turns([replay], clock, plan.args.repeats, plan.args.budget)[0]
            return {**_status(""), **_figures(sample, flops, roof)}
    except Exception as error:
        return {"status": "refused", "reason": f"not capturable: {type(error).__name__}: {error}".splitlines()[0]}


def _status(wrong: str) -> dict[str, Any]:
    return {"status": "failed" if wrong else "ok", "reason": wrong, "verified": {"worst": None, "whole": True}}


def _number(loss: Any) -> float:
    return float(backend.to_numpy(loss)) if not hasattr(loss, "item") else float(loss.item())


def _wrong(got: list[float], want: list[float]) -> str:
    """What differs between two runs' losses by more than 1e-3, or ""."""
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        if not math.isfinite(a) or abs(a - b) > 1e-3 * max(1.0, abs(b)):
            return f"loss {number} is {a:.6g}, expected {b:.6g}"
    return ""


def device_step(network: Network, model: Any, device: str, seed: int, dtype: Any = np.float32) -> Step:
    """One step on a device; gives its loss without waiting for it."""
    optimizer = optim.SGD(list(model.parameters()), lr=LR, momentum=MOMENTUM)
    images, labels = network.data(seed)
    x, target = backend.to_device(images.astype(dtype), device), backend.to_device(labels, device)

    def step() -> Any:
        optimizer.zero_grad()
        loss = ops.cross_entropy(model(gpunn.Tensor(x)), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def reference_losses(network: Network, weights: dict[str, np.ndarray], seed: int, count: int) -> list[float]:
    """The losses of the first steps on the CPU in float64, from the same weights."""
    model = our_model(network, seed)
    model.load_state_dict(weights)
    step = device_step(network, model.to(np.float64), "cpu", seed, np.float64)
    return [_number(step()) for _ in range(count)]


def _torch_steps(network: Network, weights: dict, losses: list[float], plan: Plan, said: dict) -> dict[str, Any]:
    """PyTorch's steps, whose losses must be ours, or why there is none."""
    found: dict[str, Any] = {}
    for name in plan.rivals:
        if said[name].startswith("missing"):
            continue
        try:
            step = _torch_step(network, weights, plan, name == "compiled")
            wrong = _wrong([float(step().item()) for _ in losses], losses)
            found[name] = f"its {wrong}" if wrong else step
        except KeyError:
            found[name] = f"bench/training/torch_models.py has no {network.name}"
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return found


def _torch_step(network: Network, weights: dict, plan: Plan, compiled: bool) -> Step:
    import torch

    order = torch.channels_last if len(network.batch) == 4 else torch.contiguous_format
    model = torch_model(network, weights).to(plan.device).to(memory_format=order)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    images, labels = (torch.from_numpy(array).to(plan.device) for array in network.data(plan.args.seed))
    images = images.contiguous(memory_format=order)
    run = torch.compile(model) if compiled else model

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
