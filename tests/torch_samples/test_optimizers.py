"""PyTorch's samples of each optimiser and schedule that gpunn has: weights, state and rates, step after step."""

from __future__ import annotations

import types
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from gpunn import Tensor, optim
from tests.parity import torch
from tests.torch_samples import tables
from tests.torch_samples.convert import difference, ours, to_numpy
from tests.torch_samples.purpose import REFUSED_OPTIONS, TAKEN_OPTIONS
from tests.torch_samples.rows import Sample, Verdicts, refusal_of

pytestmark = pytest.mark.filterwarnings("ignore")
OPTIMIZERS = (
    "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD", "Muon",
    "LBFGS",
)  # fmt: skip
SHAPES = ((5, 3), (3,), (), (2, 0), (2, 3, 2, 2))
MATRICES = ((5, 3), (3, 4), (2, 2), (6, 6), (1, 6))  # for Muon
STEPS = 6


def both_sides(name: str, options: dict[str, Any], dtype: str, groups: bool) -> tuple[Any, Any]:
    """The same optimiser of each side over equal parameters, in one group or in two."""
    shapes = MATRICES if name == "Muon" else SHAPES
    start = [torch().randn(shape, dtype=getattr(torch(), dtype)) for shape in shapes]
    other = [torch().nn.Parameter(x.clone()) for x in start]
    mine = [Tensor(x.numpy().copy(), requires_grad=True) for x in start]
    second = {"lr": 0.05} | ({} if name == "Rprop" else {"weight_decay": 0.3})

    def grouped(params: list[Any]) -> list[Any]:
        return [{"params": params[:2]}, {"params": params[2:], **second}] if groups else params

    return getattr(optim, name)(grouped(mine), **ours(options)), getattr(torch().optim, name)(grouped(other), **options)


def parameters(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def step(mine: Any, other: Any, t: int) -> None:
    """One step of each from equal gradients; now and then a parameter has none."""
    for i, (p, q) in enumerate(zip(parameters(mine), parameters(other), strict=True)):
        q.grad = None if (t + i) % 4 == 3 else torch().randn_like(q) * 10.0 ** (t % 3 - 1)
        p.gradient = None if q.grad is None else np.asarray(q.grad.numpy())
    if isinstance(mine, optim.LBFGS):
        for optimizer in (mine, other):
            optimizer.step(partial(bowl, parameters(optimizer)))
    else:
        mine.step()
        other.step()


def bowl(params: list[Any]) -> Any:
    """A loss that is no quadratic, and its gradients."""
    for p in params:
        p.grad = None
    loss = sum(((p * p + 1) ** 0.5 + (p - 0.5) ** 2).sum() for p in params)
    loss.backward()
    return loss


def state_differs(mine: Any, other: Any) -> str:
    """The two state dicts: names, numbers and arrays. PyTorch keeps None where gpunn keeps nothing."""
    got, want = mine.state_dict(), other.state_dict()
    for i, (g, w) in enumerate(zip(got["param_groups"], want["param_groups"], strict=True)):
        if missing := g.keys() - w.keys() - {"l1"}:
            return f"group {i} has the options {sorted(missing)}, which PyTorch's has not"
        shared = [k for k in g.keys() & w.keys() - {"params"} if g[k] != w[k]]
        if odd := [k for k in shared if not np.allclose(g[k], w[k], rtol=1e-12)]:
            return f"group {i}: {odd[0]} is {g[odd[0]]}, expected {w[odd[0]]}"
    for i, wanted in want["state"].items():
        wanted = {k: v for k, v in wanted.items() if v is not None and k != "al"}  # al: room of an LBFGS step
        found = got["state"].get(i, {})
        if found.keys() != wanted.keys():
            return f"state {i} has {sorted(found)}, expected {sorted(wanted)}"
        for k, v in wanted.items():
            if k == "ro":  # of LBFGS: 1 over products of differences, at the bottom of a bowl of rounding alone
                continue
            if isinstance(v, list):
                found[k], v = np.array(found[k]), torch().stack(v) if len(v) else torch().zeros(0)
            number = isinstance(found[k], int | float)
            if number and not np.isclose(found[k], float(v), rtol=1e-6):  # PyTorch keeps float32
                return f"state {i}: {k} is {found[k]}, expected {float(v)}"
            if not number and (text := difference({f"state {i}: {k}": found[k]}, {f"state {i}: {k}": to_numpy(v)})):
                return text
    return ""


def differs(name: str, options: dict[str, Any], dtype: str, groups: bool) -> str:
    mine, other = both_sides(name, options, dtype, groups)
    for t in range(STEPS):
        step(mine, other, t)
        for i, (p, q) in enumerate(zip(parameters(mine), parameters(other), strict=True)):
            what = f"parameter {i} after step {t + 1}"
            if name == "Muon":  # whose iterations PyTorch rounds to bfloat16, and small singular values grow 200-fold
                rate = 0.05 if groups and i > 1 else float(options.get("lr", 1e-3))
                found = abs(p.numpy() - to_numpy(q)).max(initial=0)
                text = f"{what} is {found} off" if found > 0.2 * (t + 1) * rate else ""
            else:
                text = difference({what: p.array}, {what: to_numpy(q)})
            if text:
                return text
    return state_differs(mine, other)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_samples(name):
    info = tables.optimizers()[name]
    verdicts = Verdicts(REFUSED_OPTIONS)
    foreach = (False,) if name == "ASGD" else (False, True)  # where PyTorch's foreach rounds float32 once more
    ways = product(("float64", "float32"), (False, True), foreach)
    if name == "Muon":  # has no foreach
        ways = product(("float64", "float32"), (False, True), (None,))
    elif name == "LBFGS":  # nor groups; at the bottom of a bowl float32 goes where rounding leads
        ways = [("float64", False, None)]
    for dtype, groups, foreach in ways:
        key = f"{name} {dtype} {groups} {foreach}"
        for given in tables.samples(key, partial(info.optim_inputs_func, "cpu")):
            how = {"foreach": foreach and not isinstance(given.kwargs.get("lr"), torch().Tensor)}
            options = {**given.kwargs, **({} if foreach is None else how)}
            sample = Sample(name, dtype, (), options, "two groups" if groups else "one group")
            verdicts.judge(sample, partial(differs, name, options, dtype, groups))
    verdicts.check(name, tables.EVERYTHING)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_errors(name):
    info = tables.optimizers()[name]
    verdicts = Verdicts(TAKEN_OPTIONS)
    for given in info.optim_error_inputs_func("cpu", torch().float32):
        bad = given.optimizer_error_input
        made: dict[int, Tensor] = {}

        def mine(x: Any, made: dict[int, Tensor] = made) -> Any:
            """A parameter that stands in two places is one there, too."""
            if isinstance(x, torch().Tensor) and not x.is_complex():
                return made.setdefault(id(x), Tensor(x.detach().numpy(), requires_grad=True))
            if isinstance(x, tuple | list):
                return type(x)(map(mine, x))
            return {k: mine(v) for k, v in x.items()} if isinstance(x, dict) else x

        params = mine([torch().nn.Parameter(torch().ones(1, 1))] if bad.params is None else bad.params)
        options = ours({k: v for k, v in bad.kwargs.items() if k != "foreach"})
        verdicts.judge(
            Sample(name, "error", (bad.desc,), bad.kwargs),
            partial(refusal_of, partial(getattr(optim, name), params, **options)),
        )
    verdicts.check(name, everything=True)


SCHEDULED = [name for name in OPTIMIZERS if name != "LBFGS"]  # in two groups
CYCLED = ("SGD", "Adam", "AdamW", "RMSprop", "Adamax", "NAdam", "RAdam", "Muon")  # with a momentum
# PyTorch's table has few schedules: these are those of gpunn with some of their arguments.
SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.5}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.4, "end_factor": 0.8, "total_iters": 4}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 6}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CosineAnnealingLR", {"T_max": 12, "eta_min": 0.01}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 8, "power": 1.5}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 14}),
    ("OneCycleLR", {"max_lr": [0.5, 0.2], "total_steps": 14, "anneal_strategy": "linear", "pct_start": 0.5}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 14, "cycle_momentum": False, "div_factor": 5.0}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 14, "base_momentum": 0.7, "max_momentum": 0.9}),
]


def rates_differ(name: str, make: list[Any], with_gpunn: list[Any]) -> str:
    """The rates and momenta of one optimiser under a chain of schedules, each stepped once a step."""
    mine, other = both_sides(name, {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}, "float32", groups=True)
    chains = [f(mine) for f in with_gpunn], [f(other) for f in make]
    for t in range(13):
        for i, (g, w) in enumerate(zip(mine.param_groups, other.param_groups, strict=True)):
            for k in ("lr", "momentum", "betas"):
                if k in w and not np.allclose(g[k], w[k], rtol=1e-10, atol=1e-15):
                    return f"{k} of group {i} after {t} steps is {g[k]}, expected {w[k]}"
        # The rate now, whoever set it last; PyTorch's is the one that this schedule has set.
        got, want = chains[0][-1].get_last_lr(), chains[1][-1].get_last_lr()
        if not np.allclose(got, want, rtol=1e-10):
            return f"get_last_lr after {t} steps: {got}, expected {want}"
        step(mine, other, t)
        for schedule in (*chains[0], *chains[1]):
            schedule.step(*[t % 3] * (type(schedule).__name__ == "ReduceLROnPlateau"))
    return ""


@pytest.mark.parametrize("name", SCHEDULED)
def test_schedules(name):
    verdicts = Verdicts([])
    pairs = [[a, b] for a, b in product(SCHEDULES, SCHEDULES) if "OneCycleLR" not in (a[0], b[0])]
    alone = [[one] for one in SCHEDULES if name in CYCLED or one[0] != "OneCycleLR" or "cycle_momentum" in one[1]]
    for chain in tables.samples(f"{name} schedules", lambda: [*alone, *pairs]):
        sides = [[partial(getattr(side, kind), **options) for kind, options in chain]
                 for side in (torch().optim.lr_scheduler, optim)]  # fmt: skip
        verdicts.judge(Sample(name, "schedules", tuple(map(str, chain))), partial(rates_differ, name, *sides))
    verdicts.check(name, everything=True)


@pytest.mark.parametrize("name", SCHEDULED)
def test_schedules_of_the_table(name):
    """PyTorch's own lambdas, read once with its schedules and once with gpunn's of the same names."""
    verdicts = Verdicts([])
    for chain in tables.optimizers()[name].scheduler_inputs:
        used = {word for make in chain for word in make.__code__.co_names}
        mine = [types.FunctionType(make.__code__, vars(optim)) for make in chain]
        verdicts.judge(Sample(name, "schedules", (sorted(used),)), partial(rates_differ, name, chain, mine))
    verdicts.check(name, everything=True)
    assert verdicts.count == len(tables.optimizers()[name].scheduler_inputs)
