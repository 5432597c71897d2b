"""The suite `optim`: one step of each optimiser over all parameters of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import clocks
from bench.kernels import rivals, suite
from bench.kernels.oracle import Expected, judge
from bench.kernels.subjects import PRECISIONS
from gpunn import backend, models, nn, optim
from gpunn.errors import UsageError, unknown_name

LR = 0.01
STEPS = 2  # that are verified
Rule = Callable[[np.ndarray, np.ndarray, dict, int], np.ndarray]


@dataclass(frozen=True)
class Row:
    """An optimiser with its options; bytes and FLOP a parameter (read p, g and state, write p and state); its rule."""

    name: str
    options: dict[str, Any]
    arrays: int
    flops: int
    rule: Rule


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


ROWS = {
    "sgd": Row("SGD", {}, 3, 2, _sgd),
    "momentum": Row("SGD", {"momentum": 0.9}, 5, 4, _momentum),
    "adam": Row("Adam", {}, 7, 12, _adam),
    "adamw": Row("AdamW", {"weight_decay": 0.01}, 7, 13, _adamw),
    "rmsprop": Row("RMSprop", {}, 5, 7, _rmsprop),
}


class Plan:
    def __init__(self, args: Any):
        self.device, self.args, self.kind = args.device, args, backend.device(args.device).type
        if self.kind == "emulator":
            raise UsageError("optim: no kernel of ours runs in an optimiser's step; choose --device cpu or cuda")
        names = args.cases.split(",") if args.cases else ["lenet5", "resnet20", "resnet18"]
        self.names = models.names() if names == ["all"] else names
        for name in self.names:
            if name not in models.names():
                raise unknown_name("case of optim", name, [*models.names(), "all"])
        self.passes = suite.chosen("pass of optim", args.passes, list(ROWS))
        self.precisions = ["fp32"]
        self.rivals = [name for name in rivals.names_of(args.against, args.device) if name == "torch"]


def rows(plan: Plan, clock: Any, roof: Any, said: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A row a model and optimiser."""
    for name in plan.names:
        shapes = [p.shape for p in models.create(name).parameters()]
        count = sum(int(np.prod(s)) for s in shapes)
        rng = np.random.default_rng(plan.args.seed)
        values, grads = ([rng.standard_normal(s).astype(np.float32) for s in shapes] for _ in range(2))
        for label in plan.passes:
            one = ROWS[label]
            flops, bytes_ = one.flops * count, 4 * one.arrays * count
            row = {"suite": "optim", "case": name, "operation": f"optim.{label}", "variant": "library",
                   "precision": "fp32", "shape": f"{count:,} parameters in {len(shapes)} arrays",
                   "flops": flops, "bytes": bytes_}  # fmt: skip
            step, parameters = _ours(one, values, grads, plan.device)
            result = _verify(one, step, parameters, values, grads)
            if result["status"] == "failed":
                yield {**row, **result}
                continue
            others = {} if "torch" not in plan.rivals or said["torch"].startswith("missing") else {
                "torch": _torch(one, values, grads, plan.device)}  # fmt: skip
            samples = clocks.by_turns([step, *others.values()], clock, plan.args.repeats, plan.args.budget)
            against = suite.versus(samples[0], dict(zip(others, samples[1:], strict=True)))
            yield {**row, **result, **suite.figures(samples[0], flops, bytes_, "fp32", roof), "against": against}


def _ours(one: Row, values: list, grads: list, device: str) -> tuple[Callable[[], None], list]:
    parameters = [nn.Parameter(backend.to_device(v.copy(), device)) for v in values]
    for p, g in zip(parameters, grads, strict=True):
        p.grad = backend.to_device(g.copy(), device)
    return getattr(optim, one.name)(parameters, lr=LR, **one.options).step, parameters


def _verify(one: Row, step: Callable, parameters: list, values: list, grads: list) -> dict[str, Any]:
    """Every parameter after STEPS steps, beside the rule in float64."""
    for _ in range(STEPS):
        step()
    expected = []
    for value, g in zip(values, grads, strict=True):
        p, state = value.astype(np.float64), {}
        for t in range(1, STEPS + 1):
            p = one.rule(p, g.astype(np.float64), state, t)
        expected.append(Expected(p, 4.0 * STEPS))
    worst, wrong = judge(tuple(p.data for p in parameters), expected, PRECISIONS["fp32"])
    return {"status": "failed" if wrong else "ok", "reason": wrong, "verified": {"worst": worst, "whole": True}}


def _torch(one: Row, values: list, grads: list, device: str) -> Callable[[], None]:
    import torch

    parameters = [torch.nn.Parameter(torch.from_numpy(v.copy()).to(device)) for v in values]
    for p, g in zip(parameters, grads, strict=True):
        p.grad = torch.from_numpy(g.copy()).to(device)
    return getattr(torch.optim, one.name)(parameters, lr=LR, **one.options).step
