"""What a Trainer does among ranks: begins as the others do, agrees with them, adds up what all have measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpunn import random
from gpunn.dist.alike import check_alike, share
from gpunn.dist.parallel import DataParallel
from gpunn.dist.reducer import Reducer
from gpunn.errors import DistError, UsageError
from gpunn.nn import Module
from gpunn.optim import Optimizer
from gpunn.optim.accumulate import Accumulation
from gpunn.optim.schedules import Schedule
from gpunn.ranks.group import Alone, Group, current
from gpunn.text import brief
from gpunn.train.agreement import STREAMS, counters, told
from gpunn.train.metrics import Running


def group_of(who: str, ranks: Group | bool | None, model: Module) -> Group:
    """The ranks of an option `ranks`: a Group; None: those that `dist.init` joined, if any; False: this process."""
    if isinstance(model, DataParallel):
        raise UsageError(f"{who}: model is a DataParallel, which averages gradients itself; give its .module")
    if ranks is None or ranks is True:
        return current()
    if ranks is False:
        return Alone()
    if not isinstance(ranks, Group):
        raise TypeError(f"{who}: ranks is {ranks!r}, expected what dist.init() returns, None for that, or False")
    return ranks


def sums_over(group: Group, every: int) -> Accumulation:
    """What sums the gradients of `every` batches an update, of all ranks."""
    return Accumulation(every) if group.size == 1 else Reducer(every, group)


def together(running: Running, group: Group) -> Running:
    """The means over the batches of all ranks, which all of them ask for."""
    if group.size == 1:
        return running
    total = Running()
    for state in told(group, "the means of batches", _as_lists(running.state_dict())):
        part = Running()
        part.load_state_dict({key: _as_arrays(value) for key, value in state.items()})
        total.count, total.seconds = total.count + part.count, max(total.seconds, part.seconds)
        for sums, more in ((total.sums, part.sums), (total.counts, part.counts)):
            for name, value in more.items():
                sums[name] = sums[name] + value if name in sums else value
    return total


def _as_lists(state: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON takes: means over classes hold arrays."""
    one = lambda value: value.tolist() if isinstance(value, np.ndarray) else value  # noqa: E731
    tables = {key: {name: one(v) for name, v in value.items()} for key, value in state.items() if key in TABLES}
    return {**state, **tables}


TABLES = "sums", "counts"


def _as_arrays(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: np.array(v) if isinstance(v, list) else v for name, v in value.items()}


def check_same(who: str, group: Group, what: Mapping[str, object]) -> None:
    """DistError on all ranks where one of them has another value of `what` than rank 0: which rank, and what."""
    plain = {name: value if isinstance(value, (int, float)) else str(value) for name, value in what.items()}
    found = told(group, f"the start of a {who}'s run", plain)
    for rank, theirs in enumerate(found):
        for name, value in found[0].items():
            if theirs[name] != value:
                raise DistError(
                    f"{who}: rank {rank} has {name} {brief(theirs[name])}, rank 0 {brief(value)}; start all ranks with "
                    "the same program, options and data"
                )


def join(
    who: str,
    group: Group,
    model: Module,
    optimizer: Optimizer,
    what: Mapping[str, object],
    schedule: Schedule | None = None,
) -> None:
    """Begin as the other ranks do: with the same network, from rank 0's weights. DistError where `what` differs.

    So it does where what makes updates of gradients differs, with which ranks would drift apart.
    """
    if group.size == 1:
        return
    groups = [{key: value for key, value in one.items() if key != "params"} for one in optimizer.param_groups]
    plan = None if schedule is None else {"name": type(schedule).__name__, **schedule.state_dict()}
    names = {id(p): name for name, p in model.named_parameters()}
    options = {"optimizer": type(optimizer).__name__, "optimizer's options": groups, "schedule": plan}
    check_same(who, group, {**what, **options})
    check_alike(who, model, group)
    check_same(who, group, {"optimizer's parameters": [names.get(id(p)) for p in optimizer.parameters()]})
    share(model.named_arrays().values(), group)


def use_own_numbers(group: Group, taken: Sequence[int] = ()) -> None:
    """Let gpunn.random draw from this rank's own streams: else all ranks would drop the same units.

    `taken` are the counters of all ranks of the run that goes on, which count if there are as many now.
    """
    if group.size == 1:
        return
    state = random.get_state()
    if len(taken) == group.size:
        state["counter"] = taken[group.rank]
    random.set_state({**state, "stream": state["stream"] % STREAMS + group.rank * STREAMS})


@contextmanager
def common_numbers_after(group: Group) -> Iterator[None]:
    """A block of a rank's own random numbers, after which gpunn.random draws the same on all ranks."""
    try:
        yield
        if group.size > 1:  # ranks whose parts were smaller have taken fewer
            random.set_state({**random.get_state(), "counter": max(counters(group))})
    finally:
        if group.size > 1:
            state = random.get_state()
            random.set_state({**state, "stream": state["stream"] % STREAMS})
