"""The tasks of `gpunn verify` for the first and the last kernel of a captured step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.backend import to_device
from gpunn.cuda import step
from gpunn.reference import step as oracle
from gpunn.reference.step import NUMBER, STEPS, StepCase
from gpunn.verify.task import Task

WIDTH = step.HEAD + step.ROWS
UNTOUCHED = -77


def step_tasks(device: str) -> Iterator[Task]:
    """Every case, whatever the storage type."""
    for case in STEPS:
        yield from _of_case(case, device)


def _of_case(case: StepCase, device: str) -> Iterator[Task]:
    def there(values: Any, dtype: Any) -> Any:
        return to_device(np.array(values, dtype), device)

    def begin() -> tuple:
        feed = there([UNTOUCHED] * 2 * case.packs, np.int64)
        step.begin(there(case.ring(), np.int64), there([case.turn, case.used], np.int64), feed)
        return (feed,)

    def end() -> tuple:
        values = [there(value, kind) for kind, value, _ in case.values]
        feed, state = there([NUMBER, UNTOUCHED], np.int64), there([case.turn, case.used], np.int64)
        fault, results = there(case.known, np.int64), there(np.full((case.slots, WIDTH), UNTOUCHED), np.float64)
        step.end(values, [watched for _, _, watched in case.values], feed, state, fault, results)
        return results, state, fault

    def ended() -> tuple:
        slot, state, fault = oracle.end(case, WIDTH)
        results = np.full((case.slots, WIDTH), float(UNTOUCHED))
        results[case.turn % case.slots] = [UNTOUCHED if value is None else value for value in slot]
        return (results, 0, None), (np.array(state), 0, None), (np.array(fault), 0, None)

    untouched = [UNTOUCHED] * 2 * case.packs
    yield Task("step.begin", case.name, begin, lambda: ((np.array(oracle.begin(case, untouched)), 0, None),))
    yield Task("step.end", case.name, end, ended)
