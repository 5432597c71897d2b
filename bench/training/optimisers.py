"""The suite `optim`: one step of each optimiser over all parameters of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.clocks import Call
from bench.kernels.oracle import Part, judge
from bench.measure import Plan, chosen, timed
from bench.rows import Row
from gpunn import backend, models, nn, optim
from gpunn.errors import UsageError

RIVALS, ROOF = ("torch",), True
LR = 0.01
STEPS = 2  # that are verified
Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Optimiser:
    """Its name and options; arrays read and written and FLOP a parameter; its rule in float64.

    rule: (p, g, state, t) -> p after step t.
    """

    name: str
    options: dict[str, Any]
    arrays: int  # read p, g and state, write p and state
    flops: int
    rule: Callable[[np.ndarray, np.ndarray, dict, int], np.ndarray]


def _sgd(p: np.ndarray, g: np.ndarray, state: dict, t: int) -> np.ndarray:
    return p - LR * g


def _momentum(p: np.ndarray, g: np.ndarray, state: dict, t: int) -> np.ndarray:
    state["b"] = g if t == 1 else 0.9 * state["b"] + g
    return p - LR * state["b"]


def _adam(p: np.ndarray, g: np.ndarray, state: dict, t: int) -> np.ndarray:
    """Kingma and Ba 2015, algorithm 1."""
    state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
    state["v"] = 0.999 * state.get("v", 0.0) + 0.001 * g * g
    return p - LR * state["m"] / (1 - 0.9**t) / (np.sqrt(state["v"] / (1 - 0.999**t)) + 1e-8)


def _adamw(p: np.ndarray, g: np.ndarray, state: dict, t: int) -> np.ndarray:
    return _adam(p * (1 - LR * 0.01), g, state, t)


def _rmsprop(p: np.ndarray, g: np.ndarray, state: dict, t: int) -> np.ndarray:
    state["v"] = 0.99 * state.get("v", 0.0) + 0.01 * g * g
    return p - LR * g / (np.sqrt(state["v"]) + 1e-8)


OPTIMISERS = {
    "sgd": Optimiser("SGD", {}, 3, 2, _sgd),
    "momentum": Optimiser("SGD", {"momentum": 0.9}, 5, 4, _momentum),
    "adam": Optimiser("Adam", {}, 7, 12, _adam),
    "adamw": Optimiser("AdamW", {"weight_decay": 0.01}, 7, 13, _adamw),
    "rmsprop": Optimiser("RMSprop", {}, 5, 7, _rmsprop),
}


def choose(plan: Plan) -> None:
    if plan.kind == "emulator":
        raise UsageError("optim: no kernel of ours runs in an optimiser's step; choose --device cpu or cuda")
    plan.cases = chosen("case of optim", plan.args.cases or "lenet5,resnet20,resnet18", models.names())
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
            step, parameters = _ours(one, values, grads, plan.device)
            row = _verified(row, one, step, parameters, values, grads)
            if row.status == "ok":
                others = plan.calls(lambda _, one=one, v=values, g=grads: _torch(one, v, g, plan.device))
                row = timed(row, step, others, plan)
            yield row


def _ours(one: Optimiser, values: Arrays, grads: Arrays, device: str) -> tuple[Call, list[nn.Parameter]]:
    parameters = [nn.Parameter(backend.to_device(v.copy(), device)) for v in values]
    for p, g in zip(parameters, grads, strict=True):
        p.grad = backend.to_device(g.copy(), device)
    return getattr(optim, one.name)(parameters, lr=LR, **one.options).step, parameters


def _verified(row: Row, one: Optimiser, step: Call, parameters: list, values: Arrays, grads: Arrays) -> Row:
    """The row with its status: every parameter after STEPS steps, beside the rule in float64."""
    for _ in range(STEPS):
        step()
    expected = []
    for value, g in zip(values, grads, strict=True):
        p, state = value.astype(np.float64), {}
        for t in range(1, STEPS + 1):
            p = one.rule(p, g.astype(np.float64), state, t)
        expected.append((p, 4.0 * STEPS, None))
    worst, wrong = judge(tuple(p.data for p in parameters), Part(tuple(expected)), "float32")
    return replace(row, status="failed" if wrong else "ok", reason=wrong, verified={"worst": worst, "whole": True})


def _torch(one: Optimiser, values: Arrays, grads: Arrays, device: str) -> Call:
    import torch

    parameters = [torch.nn.Parameter(torch.from_numpy(v.copy()).to(device)) for v in values]
    for p, g in zip(parameters, grads, strict=True):
        p.grad = torch.from_numpy(g.copy()).to(device)
    return getattr(torch.optim, one.name)(parameters, lr=LR, **one.options).step
