"""Which optimisers, clippings and schedules are stored, and PyTorch's steps of them. Needs PyTorch, as op_rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from tests.values.op_rows import some

# The last column scales the gradients: at 2^-20 the default eps of Adam and RMSprop shows.
RULES: list[tuple[str, dict[str, Any], float]] = [
    ("SGD", {"lr": 0.25}, 1),
    ("SGD", {"lr": 0.25, "weight_decay": 0.125, "l1": 0.0625}, 1),
    ("SGD", {"lr": 0.25, "l1": 0.25}, 1),
    ("SGD", {"lr": 0.25, "momentum": 0.9}, 1),
    ("SGD", {"lr": 0.25, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.125}, 1),
    ("SGD", {"lr": 0.25, "momentum": 0.8, "nesterov": True, "weight_decay": 0.125, "l1": 0.0625}, 1),
    ("Adam", {}, 1),
    ("Adam", {}, 2**-20),
    ("Adam", {"lr": 0.25, "betas": [0.8, 0.95], "eps": 0.125, "weight_decay": 0.5, "l1": 0.25}, 1),
    ("AdamW", {}, 1),
    ("AdamW", {}, 2**-20),
    ("AdamW", {"lr": 0.25, "betas": [0.8, 0.95], "eps": 0.125, "weight_decay": 0.5, "l1": 0.25}, 1),
    ("RMSprop", {}, 1),
    ("RMSprop", {}, 2**-20),
    ("RMSprop", {"lr": 0.25, "alpha": 0.9, "eps": 0.125, "weight_decay": 0.5, "l1": 0.25}, 1),
    ("RMSprop", {"lr": 0.25, "centered": True, "eps": 0.125, "weight_decay": 0.5}, 1),
    ("RMSprop", {"lr": 0.25, "centered": True, "momentum": 0.9, "l1": 0.25}, 1),
    ("RMSprop", {"lr": 0.25, "momentum": 0.9, "eps": 0.125}, 1),
    ("Adam", {"lr": 0.25, "amsgrad": True, "maximize": True}, 1),
    ("NAdam", {"lr": 0.25, "weight_decay": 0.5, "momentum_decay": 0.25}, 1),
    ("RAdam", {"lr": 0.25, "betas": [0.8, 0.5], "weight_decay": 0.5}, 1),
    ("Adagrad", {"lr": 0.25, "lr_decay": 0.5, "initial_accumulator_value": 0.125}, 1),
    ("Adadelta", {"weight_decay": 0.5}, 1),
    ("Adamax", {"lr": 0.25, "betas": [0.8, 0.5], "eps": 0.125}, 1),
    ("Rprop", {"lr": 0.25, "step_sizes": [0.125, 0.375]}, 1),
    ("ASGD", {"lr": 0.25, "lambd": 0.125, "t0": 2}, 1),
]
STEPS = 4


def steps_of(rule: str, options: dict[str, Any], scale: float) -> dict[str, Any]:
    """Four steps of two parameters; l1, which PyTorch lacks, joins the gradient as l1 sign(p)."""
    start = [np.append(some(2), 0.0), some(2, 2)]
    gradients = [[some(3) * scale, some(2, 2) * scale] for _ in range(STEPS)]
    params = [torch.nn.Parameter(torch.tensor(p)) for p in start]
    theirs = getattr(torch.optim, rule)(params, **{k: v for k, v in options.items() if k != "l1"})
    after = []
    for given in gradients:
        for p, g in zip(params, given, strict=True):
            p.grad = torch.tensor(g) + options.get("l1", 0) * p.detach().sign()
        theirs.step()
        after.append([p.detach().numpy().copy() for p in params])
    return {"rule": rule, "options": options, "parameters": start, "gradients": gradients, "after": after}


NORMS = [
    {"max_norm": 0.5},
    {"max_norm": 100.0},
    *({"max_norm": 0.5, "norm_type": norm_type} for norm_type in (1.0, 3.0, float("inf"))),
]


def clipped(call: str, options: dict[str, Any]) -> dict[str, Any]:
    given = [some(3), some(2, 2)]
    params = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in given]
    for p, g in zip(params, given, strict=True):
        p.grad = torch.tensor(g)
    norm = (
        torch.nn.utils.get_total_norm([p.grad for p in params if p.grad is not None]) if call == "grad_norm" else None
    )
    if call != "grad_norm":
        norm = getattr(torch.nn.utils, call)(params, **options)
    made = {"call": call, "options": {k: str(v) if v == float("inf") else v for k, v in options.items()}}
    after = [p.grad.numpy() for p in params if p.grad is not None]
    return {**made, "gradients": given, "after": after, "norm": None if norm is None else float(norm)}


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 2, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [5, 2, 2]}),
    ("MultiStepLR", {"milestones": [3], "gamma": 0.5}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 7}),
    ("CosineAnnealingLR", {"T_max": 6}),
    ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 4}),
    ("ExponentialLR", {"gamma": 0.75}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "mode": "triangular2"}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 0.4, "total_steps": 11, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 0.4, "total_steps": 11}),
    ("OneCycleLR", {"max_lr": 0.4, "total_steps": 11, "pct_start": 0.5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.4, "total_steps": 11, "cycle_momentum": False, "div_factor": 4.0}),
    (
        "OneCycleLR",
        {"max_lr": 0.4, "total_steps": 11, "base_momentum": 0.5, "max_momentum": 0.75, "final_div_factor": 8.0},
    ),
]


def rates(schedule: str, options: dict[str, Any], rule: str) -> dict[str, Any]:
    """The rate of two groups that start at 0.25 and 2, and the momentum of the first, before each of 11 steps."""
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.25, 2.0)]
    momentum = {"momentum": 0.625} if rule == "SGD" else {}
    optimiser = getattr(torch.optim, rule)(groups, **momentum)
    theirs = getattr(torch.optim.lr_scheduler, schedule)(optimiser, **options)
    found, momenta = [], []
    for step in range(11):
        if step:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it wants optimizer.step() before it
                theirs.step()
        first = optimiser.param_groups[0]
        found.append([float(rate) for rate in theirs.get_last_lr()])
        momenta.append(float(first["momentum"] if rule == "SGD" else first["betas"][0]))
    return {"schedule": schedule, "options": options, "rule": rule, "rates": found, "momenta": momenta}


def all_rows() -> dict[str, list[dict[str, Any]]]:
    """The rows of the three files."""
    clippings = [clipped("clip_grad_norm_", options) for options in NORMS]
    schedules = [rates(*row, "SGD") for row in SCHEDULES] + [rates("OneCycleLR", SCHEDULES[-1][1], "Adam")]
    return {
        "optimisers": [steps_of(*row) for row in RULES],
        "clippings": [*clippings, clipped("clip_grad_value_", {"clip_value": 0.5}), clipped("grad_norm", {})],
        "schedules": schedules,
    }
