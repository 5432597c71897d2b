"""The suite `optim`: one step of each optimiser over all parameters of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import gpunn
from bench.clocks import Call
from bench.kernels.oracle import Part, judge
from bench.measure import Plan, chosen, timed
from bench.rows import Row
from gpunn import backend, models
from gpunn.errors import UsageError

RIVALS, ROOF = ("torch",), True
LR = 0.01
STEPS = 2  # that are verified
Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Optimiser:
    """Its class and options; a parameter's FLOP, and its arrays: p, g and state read, p and state written."""

    name: str
    options: dict[str, Any]
    arrays: int
    flops: int


OPTIMISERS = {
    "sgd": Optimiser("SGD", {}, 3, 2),
    "momentum": Optimiser("SGD", {"momentum": 0.9}, 5, 4),
    "adam": Optimiser("Adam", {}, 7, 12),
    "adamw": Optimiser("AdamW", {"weight_decay": 0.01}, 7, 13),
    "rmsprop": Optimiser("RMSprop", {}, 5, 7),
}


def expected(name: str, p: np.ndarray, g: np.ndarray) -> np.ndarray:
    """p after STEPS steps of the rule, in float64; Adam's is algorithm 1 of Kingma and Ba 2015."""
    p, g = p.astype(np.float64), g.astype(np.float64)
    m = v = np.zeros(p.shape)
    for t in range(1, STEPS + 1):
        if name in ("sgd", "momentum"):
            m = (0.9 if name == "momentum" else 0.0) * m + g
            p = p - LR * m
        elif name == "rmsprop":
            v = 0.99 * v + 0.01 * g * g
            p = p - LR * g / (np.sqrt(v) + 1e-8)
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            p = p * (1 - LR * 0.01) if name == "adamw" else p
            p = p - LR * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return p


def choose(plan: Plan) -> None:
    if plan.kind == "emulator":
        raise UsageError("optim: no kernel of ours runs in an optimiser's step; choose --device cpu or cuda")
    if plan.args.precision:
        raise UsageError("optim: weights, gradients and state are float32 in every precision; leave --precision away")
    plan.cases = chosen("case of optim", plan.args.cases or "lenet5,resnet20,resnet18", models.names("classification"))
    plan.passes = chosen("pass of optim", plan.args.passes, list(OPTIMISERS))


def rows(plan: Plan) -> Iterator[Row]:
    """A row a model and optimiser."""
    for case in plan.cases:
        shapes = [p.shape for p in models.create(case).parameters()]
        count = sum(math.prod(s) for s in shapes)
        rng = np.random.default_rng(plan.args.seed)
        values, grads = ([rng.standard_normal(s).astype(np.float32) for s in shapes] for _ in range(2))
        for name in plan.passes:
            one = OPTIMISERS[name]
            row = Row("optim", case, f"optim.{name}", "library", shape=f"{count:,} parameters in {len(shapes)} arrays",
                      flops=one.flops * count, bytes=4 * one.arrays * count)  # fmt: skip
            step, parameters = _step(gpunn, one, values, grads, lambda array: backend.to_device(array, plan.device))
            for _ in range(STEPS):
                step()
            wants = tuple((expected(name, p, g), 4.0 * STEPS, None) for p, g in zip(values, grads, strict=True))
            worst, wrong = judge(tuple(p.array for p in parameters), Part(wants))
            row.verified, row.status, row.reason = {"worst": worst, "whole": True}, "failed" if wrong else "ok", wrong
            if not wrong:
                others = plan.calls(lambda _, one=one, v=values, g=grads: _torch(one, v, g, plan.device))
                row = timed(row, step, others, plan)
            yield row


def _torch(one: Optimiser, values: Arrays, grads: Arrays, device: str) -> Call:
    import torch

    return _step(torch, one, values, grads, lambda array: torch.from_numpy(array).to(device))[0]


def _step(library: Any, one: Optimiser, values: Arrays, grads: Arrays, give: Callable) -> tuple[Call, list[Any]]:
    """The optimiser's step in gpunn or PyTorch, whose names are alike, and its parameters."""
    parameters = [library.nn.Parameter(give(v.copy())) for v in values]
    for p, g in zip(parameters, grads, strict=True):
        p.grad = give(g.copy())
    return getattr(library.optim, one.name)(parameters, lr=LR, **one.options).step, parameters
