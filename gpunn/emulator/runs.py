"""The runs of a strict launch, and whether their results agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gpunn.emulator.faults import KernelError
from gpunn.emulator.loader import Compiled, Parameter
from gpunn.emulator.memory import dense_bytes

schedules = ("forward", "reverse", "random")


class Run(NamedTuple):
    """How one run of a launch goes."""

    schedule: str = "forward"
    early: bool = False
    seed: int = 0
    races: bool = False
    zeros: bool = False  # where nobody wrote, not 0xFF bytes


def compare(
    function: Compiled, p: Parameter, found: np.ndarray, results: list[tuple[Run, np.ndarray]],
    left: np.ndarray | None, unwritten: Callable[[], str] | None,
) -> None:  # fmt: skip
    """Raise where the result of another run differs from that of the first, in what was written.

    unwritten: what is to be said where the others began with zeros where the first had 0xFF bytes.
    """
    raw = dense_bytes(found)  # byte-wise, since NaN differs from itself
    for how, other in results:
        bytes_ = dense_bytes(other)
        differ = raw != bytes_
        if how.zeros and left is not None:
            differ &= left == 0
        if not differ.any():
            continue
        if how.zeros:
            raise KernelError(unwritten() if unwritten else "")
        first = int(np.flatnonzero(differ)[0]) // found.itemsize
        a, b = (r.view(found.dtype)[first] for r in (raw, bytes_))
        where = f"{function.name}: {p.name} depends on"
        what = f"element {first} in memory is {a} when"
        if not how.early:
            raise KernelError(
                f"{where} the order of threads: {what} they run forward and {b} in {how.schedule} order; "
                "a barrier is missing, or two threads write the same element"
            )
        order = "" if how.schedule == "forward" else f", threads in {how.schedule} order"
        raise KernelError(
            f"{where} when copies arrive: {what} the data of cp.async come at its wait and {b} when they come at its "
            f"issue{order}; a stage is copied into while it is still read, or read before its wait and barrier"
        )
