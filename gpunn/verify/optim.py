"""The tasks of `gpunn verify` for optimisers: one step of many parameters, in groups, at every alignment and order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn import optim
from gpunn.backend import Array
from gpunn.engine.tensor import Tensor
from gpunn.reference.optim import MANY, OPTIMISERS, SCALARS, STEP, OptimCase, step
from gpunn.verify.task import Give, Task, as_f64, placed

OPERATIONS = {
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam"), "optim.adam"),
    **dict.fromkeys(("RMSprop", "Adagrad"), "optim.rmsprop"),
    **{rule: f"optim.{rule.lower()}" for rule in ("SGD", "Adadelta", "Adamax", "Rprop", "ASGD")},
}


def optim_tasks(give: Give) -> Iterator[Task]:
    """Every case aligned, off 16 bytes, and with the gradient in another order; for each rule also a large table."""
    large = {OPERATIONS[case.rule]: case for case in OPTIMISERS}
    for case in OPTIMISERS:
        for how in ("aligned", "unaligned", "gradient in another order"):
            yield _case(case, how, _given(case.arrays(), give))
        yield _case(case, "NaN and 0, aligned", _given([_strewn(one) for one in case.arrays()], give))
        if case is large[OPERATIONS[case.rule]]:
            yield _case(case, f"{len(MANY)} tensors, aligned", _given(case.arrays(MANY), give))


def _strewn(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A parameter with NaN in it and in its gradient, and with a 0, which the 1-norm leaves alone."""
    if arrays["p"].ndim:
        arrays["p"].flat[:2], arrays["g"].flat[2:3] = (np.nan, 0)[: arrays["p"].size], np.nan
    return arrays


def _given(arrays: list[dict[str, np.ndarray]], give: Give) -> list[dict[str, Array]]:
    return [{name: give(a) for name, a in one.items()} for one in arrays]


def _case(case: OptimCase, how: str, given: list[dict[str, Array]]) -> Task:
    half = len(given) // 2
    options = [case.options] * half + [{**case.options, **case.second}] * (len(given) - half)

    def run() -> tuple:
        place = how.rpartition(", ")[2]
        copies = [{name: placed(a, place, reverse=name == "g") for name, a in one.items()} for one in given]
        params = [Tensor(one["p"], requires_grad=True) for one in copies]
        groups = [{"params": params[:half]}, {"params": params[half:], **case.second}]
        optimizer = getattr(optim, case.rule)(groups, **case.options)
        for p, one in zip(params, copies, strict=True):
            p.gradient = one["g"]
            states = {name: one[name] for name in case.used}
            optimizer.state[p] = {"step": STEP - 1, **SCALARS.get(case.rule, {}), **states}
        optimizer.step()
        return tuple(one[name] for one in copies for name in ("p", *case.used))

    def want() -> tuple:
        after = [
            step(case.rule, {name: as_f64(a) for name, a in one.items()}, o)
            for one, o in zip(given, options, strict=True)
        ]
        return tuple((one[name], 16, None) for one in after for name in ("p", *case.used))

    return Task(OPERATIONS[case.rule], f"{case}, {how}", run, want)
