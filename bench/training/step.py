"""The suite `step`: a whole training step (forward, loss, backward, SGD with momentum) of every model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.clocks import Call, WallClock
from bench.measure import Calls, Plan, Unsupported, chosen, counted, refused, timed, within_memory
from bench.rows import Row
from bench.training.networks import (
    BATCHES,
    CAPTURED_AT,
    Network,
    differ,
    losses_of,
    our_model,
    our_step,
    torch_model,
    torch_step,
)
from gpunn import backend, models
from gpunn.nn.overview import rows as layers
from gpunn.window import size_text

RIVALS, ROOF = ("torch", "compiled", "graph", "tf32"), False
GPU_BATCH = {"mlp": 256, "alexnet_lite": 256, "resnet20": 128}
# How far losses may be from those of float64, by the bits of mantissa that products have.
WITHIN = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2, "fp16": 1e-2}
TF32 = WITHIN["tf32"]
EMULATED = "lenet5"  # what the emulator finishes in seconds
Weights = dict[str, np.ndarray]


def choose(plan: Plan) -> None:
    usual = EMULATED if plan.kind == "emulator" else None
    for name in chosen("case of step", plan.args.cases or usual, models.names("classification")):
        batch = {"cuda": GPU_BATCH.get(name, 64), "cpu": BATCHES.get(name, 64), "emulator": 2}[plan.kind]
        plan.cases.append(Network(name, (plan.args.batch or batch, *models.input_shape(name))))
    plan.precisions = chosen("precision of step", plan.args.precision or "fp32", list(WITHIN))


def rows(plan: Plan) -> Iterator[Row]:
    """A row a model and way of running it: eager, and where there is a GPU captured into a graph."""
    if plan.kind == "cuda":
        plan.clock = WallClock()
    for network in plan.cases:
        for precision in plan.precisions:
            row = Row("step", network.name, "step.train", "-", precision, f"batch {size_text(network.batch)}")
            yield from within_memory(_network_rows(network, row, plan), row, row.shape)


def _network_rows(network: Network, row: Row, plan: Plan) -> Iterator[Row]:
    """A step's bytes are nobody's formula, so it has no roofline: GFLOP/s alone."""
    seed = plan.args.seed
    model = our_model(network, seed)
    weights = {key: backend.to_numpy(value).copy() for key, value in model.named_arrays().items()}
    flops = 3 * sum(layer.flops for layer in layers(model, network.batch)[0])  # gradients cost the forward pass twice
    step = our_step(network, model.to(plan.device), seed, plan.device, precision=row.precision)
    row = replace(row, variant="eager", flops=flops, verified={"worst": None, "whole": True})
    if plan.kind == "emulator":
        loss, found = counted(step, flops)
        losses = [loss.item()]
        del found["traffic"]
    else:  # on a GPU so many that a CapturedStep has replayed some
        losses, found = losses_of(step, 2 + (CAPTURED_AT if plan.kind == "cuda" else 0)), None
    known = losses[: 1 if row.precision == "fp16" else 2]  # in fp16 the first step may overflow, and be left out
    wrong = differ(known, reference_losses(network, weights, seed, len(known)), WITHIN[row.precision])
    if wrong:
        yield refused(row, wrong, "failed")
    elif found:
        yield replace(row, counts=found)
    else:
        others = plan.calls(lambda name: _torch_step(name, network, weights, losses, row.precision, plan))
        yield timed(row, step, others, plan)
        if plan.kind == "cuda":
            yield _captured(row, network, weights, losses, others, plan)


def _captured(row: Row, network: Network, weights: Weights, losses: list[float], others: Calls, plan: Plan) -> Row:
    """The row of a CapturedStep, whose losses must be the eager ones to the last bit."""
    row = replace(row, variant="captured")
    model = our_model(network, plan.args.seed)
    model.load_state_dict(weights)
    device, seed = plan.device, plan.args.seed
    step = our_step(network, model.to(device), seed, device, capture=True, precision=row.precision)
    try:
        found = losses_of(step, len(losses))
    except Unsupported as error:
        return refused(row, str(error))
    if found != losses:
        return refused(row, differ(found, losses, 0.0), "failed")
    return timed(row, step, others, plan)


def reference_losses(network: Network, weights: Weights, seed: int, count: int) -> list[float]:
    """The losses of the first steps on the CPU in float64, from the same weights."""
    model = our_model(network, seed)
    model.load_state_dict(weights)
    return losses_of(our_step(network, model.to(np.float64), seed, dtype=np.float64), count)


def _torch_step(name: str, network: Network, weights: Weights, losses: list[float], precision: str, plan: Plan) -> Call:
    """PyTorch's step, whose losses must be ours. Raises Unsupported where it has none, or others."""
    try:
        model = torch_model(network, weights)
    except KeyError:
        raise Unsupported(f"bench/training/torch_models.py has no {network.name}") from None
    step = torch_step(network, model, plan.args.seed, plan.device, True, name, precision)
    within = TF32 if name == "tf32" and precision == "fp32" else WITHIN[precision]
    if wrong := differ(losses_of(step, len(losses)), losses, within):
        raise Unsupported(f"its {wrong}")
    return step
