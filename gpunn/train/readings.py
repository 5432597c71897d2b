"""What steps measured, left on the device until the host reads many of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpunn import backend
from gpunn.engine.tensor import Tensor

EVERY = 50  # steps between two reads of a device: it then has work while the host waits for one of them


@dataclass
class Step:
    """A batch's loss, metrics and gradients' norm, numbers or device scalars; and what an error has to name."""

    values: dict[str, Any]
    samples: int
    norm: Any = None
    epoch: int = 0
    number: int = 0
    batch: int = 0
    learning_rate: float = 0.0
    calls: range = range(0)  # serial numbers of its calls on a device that may have met a wrong label

    def problem(self) -> str:
        """What is not finite, in words; "" where all is well."""
        for what, value in (("loss", self.values.get("loss")), ("norm of the gradients", self.norm)):
            if value is not None and not math.isfinite(value):
                return (
                    f"the {what} is {value} in epoch {self.epoch}, step {self.number} (batch {self.batch} of the "
                    f"epoch), learning rate {self.learning_rate:g}"
                )
        return ""


def every(asked: int | None, array: Any) -> int:
    """Steps between two reads: as asked, else each step on the cpu, where reading is free, and EVERY on devices."""
    return asked or (1 if backend.device_of(array).type == "cpu" else EVERY)


def measured(metrics: Mapping[str, Callable], loss: Any, output: Any, y: Any, now: bool) -> dict[str, Any]:
    """The loss and each metric: as numbers, which waits for a device, or as they come."""
    if now:
        return {"loss": float(loss.item()), **{name: float(metric(output, y)) for name, metric in metrics.items()}}
    found = {"loss": loss, **{name: _lazy(metric)(output, y) for name, metric in metrics.items()}}
    # Without their history, which would keep the arrays of every step alive until the next read.
    return {name: value.data if isinstance(value, Tensor) else value for name, value in found.items()}


def _lazy(metric: Callable) -> Callable:
    """A metric's form that leaves its result on the device, where it has one."""
    return getattr(metric, "on_device", metric)


def read(steps: Sequence[Step]) -> None:
    """Replace what the steps hold by numbers: one read for each dtype on each device, however many steps there are."""
    places = [(step.values, name) for step in steps for name in step.values]
    places += [(vars(step), "norm") for step in steps if step.norm is not None]
    groups: dict[tuple, list[int]] = {}
    found = [value.data if isinstance(value := holder[name], Tensor) else value for holder, name in places]
    for i, value in enumerate(found):
        if backend.is_array(value) and backend.device_of(value).type != "cpu":
            groups.setdefault((backend.device_of(value), value.dtype), []).append(i)
    for indices in groups.values():
        xp = backend.array_module(found[indices[0]])
        numbers = backend.to_numpy(xp.stack([found[i].reshape(()) for i in indices]))
        for i, number in zip(indices, numbers.tolist(), strict=True):
            found[i] = number
    for (holder, name), value in zip(places, found, strict=True):
        holder[name] = float(value)
