"""What steps measured, left on the device until the host reads many of them at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import capture
from gpunn.engine.tensor import Tensor
from gpunn.ops.counts import Count

EVERY = 50  # steps between two reads of a device: it then has work while the host waits for one of them


@dataclass
class Share:
    """How many of the rows that count are right, numbers or device scalars: a mean that the host works out.

    Of several classes, arrays or lists of one a class: the mean of the shares of the classes that have any.
    """

    right: Any
    of: Any

    def __float__(self) -> float:
        if not has_classes(self.of):
            return float(self.right) / float(self.of) if self.of else math.nan
        right, of = numbers(self.right), numbers(self.of)
        return float((right[of != 0] / of[of != 0]).mean()) if of.any() else math.nan


def has_classes(value: Any) -> bool:
    """Whether it is one number a class, in place of one."""
    return isinstance(value, list) or (backend.is_array(value) and value.ndim > 0)


def one_each(value: Any) -> list[Any]:
    """An array of one number a class as a list of them, where they are; such a list as it is."""
    return value if isinstance(value, list) else [value[i : i + 1] for i in range(len(value))]


def numbers(value: Any) -> np.ndarray:
    """One number a class on the host, for which a device is waited for."""
    return np.array(value if isinstance(value, list) else backend.to_numpy(value), np.float64)


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
    counts: dict[str, Any] = field(default_factory=dict)  # what a value is the mean of, where not of all samples
    shares: dict[str, Share] = field(default_factory=dict)  # once read, of values that are a mean over classes

    def problem(self) -> str:
        """What is not finite, and where, in words; "" where all is well."""
        what = self.wrong()
        where = f"in epoch {self.epoch}, step {self.number} (batch {self.batch} of the epoch)"
        return what and f"{what} {where}, learning rate {self.learning_rate:g}"

    def wrong(self) -> str:
        """What is not finite, in words; "" where all is well."""
        for what, value in (("loss", self.values.get("loss")), ("norm of the gradients", self.norm)):
            of_nothing = what == "loss" and self.counts.get("loss") == 0
            if value is not None and not math.isfinite(value) and not of_nothing:
                return f"the {what} is {value}"
        return ""


def every(asked: int | None, array: Any) -> int:
    """Steps between two reads: as asked, else each step on the cpu, where reading is free, and EVERY on devices."""
    return asked or (1 if backend.device_of(array).type == "cpu" else EVERY)


def measured(
    metrics: Mapping[str, Callable], loss: Any, output: Any, y: Any, counts: Sequence[Count] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The loss and each metric as they come, which waits for no device; and what the loss is the mean of."""
    ignored = counts[0].ignore_index if counts else -100
    found = {"loss": loss}
    for name, metric in metrics.items():
        share = share_of(metric)
        found[name] = value = metric(output, y) if share is None else share(output, y, ignored)
        if isinstance(value, (bool, int, float)):
            capture.refuse(f"the metric {name} is a number of the host, which a graph would repeat; give an array")
    count = count_of(counts)
    # Without their history, which would keep the arrays of every step alive until the next read.
    values = {name: value.array if isinstance(value, Tensor) else value for name, value in found.items()}
    return values, {} if count is None else {"loss": count}


def share_of(metric: Callable) -> Callable | None:
    """The form of a metric that gives a Share of (output, target, the ignored label); None where it has none.

    Of functools.partial(metric, ignore_index=255) that label is ignored, whatever the loss ignores.
    """
    if not isinstance(metric, partial):
        return getattr(metric, "share", None)
    share = getattr(metric.func, "share", None)
    if share is None or metric.args:
        return None
    options = dict(metric.keywords)
    own = options.pop("ignore_index", None)
    return lambda output, target, ignored: share(output, target, ignored if own is None else own, **options)


def count_of(counts: Sequence[Count]) -> Any:
    """What a loss is the mean of: the sum of its labels' weights. None where it has no labels, or several."""
    if not counts or any(count.labels is not counts[0].labels for count in counts):
        return None
    count = counts[0].sums.reshape(-1)[-1:].reshape(())  # a view; of NumPy's [-1] would be a number
    return count if backend.is_array(count) else float(count)


def may_count_nothing(y: Any, given: Any) -> bool:
    """Whether all labels of a batch are one, as those of a batch that is ignored are, where the host holds them."""
    labels = given if given is not None else y.array if isinstance(y, Tensor) else y
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or not labels.size:
        return False
    return bool((labels == labels[(0,) * labels.ndim]).all())


def counts_nothing(counts: Sequence[Count], y: Any, given: Any) -> bool:
    """Whether a batch is ignored as a whole, as far as the host knows without waiting for a device.

    `given` are the labels y as the host holds them, if it does.
    """
    if count_of(counts) is None:
        return False
    if isinstance(counts[0].sums, np.ndarray):  # the emulator's memory too is the host's
        return not np.asarray(counts[0].sums).reshape(-1)[-1]
    return given is not None and counts[0].labels is y and bool((given == counts[0].ignore_index).all())


def read(steps: Sequence[Step]) -> None:
    """Replace what the steps hold by numbers: one read for each dtype on each device, however many steps there are."""
    shares = [(step, name, value) for step in steps for name, value in step.values.items() if isinstance(value, Share)]
    places: list[tuple[Any, Any]] = []
    for part, (_, _, share) in itertools.product(("right", "of"), shares):
        if has_classes(value := getattr(share, part)):
            setattr(share, part, one := list(one_each(value)))
            places += [(one, i) for i in range(len(one))]
        else:
            places.append((vars(share), part))
    places += [(step.values, name) for step in steps for name in step.values if type(step.values[name]) is not Share]
    places += [(step.counts, name) for step in steps for name in step.counts]
    places += [(vars(step), "norm") for step in steps if step.norm is not None]
    groups: dict[tuple, list[int]] = {}
    found = [value.array if isinstance(value := holder[name], Tensor) else value for holder, name in places]
    for i, value in enumerate(found):
        if backend.is_array(value) and backend.device_of(value).type != "cpu":
            groups.setdefault((backend.device_of(value), value.dtype), []).append(i)
    for (device, _), indices in groups.items():
        with device:
            xp = backend.array_module(found[indices[0]])
            together = backend.to_numpy(xp.stack([found[i].reshape(()) for i in indices]))
        for i, number in zip(indices, together.tolist(), strict=True):
            found[i] = number
    for (holder, name), value in zip(places, found, strict=True):
        holder[name] = float(value if not isinstance(value, np.ndarray) else value.item())
    for step, name, share in shares:
        step.values[name] = float(share)
        if has_classes(share.of):
            step.shares[name] = share
        else:
            step.counts[name] = share.of
