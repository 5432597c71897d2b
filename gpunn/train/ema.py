"""The exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import is_
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture
from gpunn.errors import UsageError
from gpunn.nn import Module
from gpunn.nn.state import completed, copied
from gpunn.optim.batch import by_kind
from gpunn.optim.options import as_plain, is_number
from gpunn.optim.saved import like


class EMA:
    """Keeps average = decay average + (1 - decay) weights, one term an update; the first update copies the weights.

    Polyak and Juditsky 1992, in the form of PyTorch's AveragedModel with get_ema_multi_avg_fn. With `use_buffers`
    floating buffers (batch norm's running mean and variance) are averaged too, else all are the model's latest;
    whole numbers always are. `warmup` takes the lower decay (1 + t) / (10 + t) after t updates while it is one, as
    TensorFlow's average does: else a short run's average is still half its first weights. Memory: one copy of the
    weights, two while they are exchanged.

    As `Trainer(ema=EMA(0.999))` it is what validates, what best.npz and last.npz hold, and what the model holds after
    fit; checkpoint.npz has the trained weights as well, and training goes on from those.
    """

    def __init__(self, decay: float = 0.999, use_buffers: bool = True, warmup: bool = False):
        decay = as_plain(decay)
        if not is_number(decay) or not 0 <= decay < 1:
            raise UsageError(f"EMA: decay must be at least 0 and below 1, got {decay!r}; usual: 0.99 to 0.9999")
        self.decay, self.use_buffers, self.warmup = decay, use_buffers, warmup
        self.updates = 0
        self.average: dict[str, Array] = {}
        self._kept: dict[tuple, dict[str, Any]] = {}  # what each kind's launch keeps between updates
        self._trained: dict[str, Array] | None = None

    def update(self, model: Module) -> None:
        """Take in the model's weights."""
        now = model.named_arrays()
        if not self.updates:
            capture.refuse("EMA: it has no average yet, which each replay would start from anew; update it once before")
            self.average = {name: value.copy(order="K") for name, value in now.items()}
            self.updates = 1
            return
        share = capture.fed(self._advance, np.float64)
        averaged = now.keys() if self.use_buffers else {name for name, _ in model.named_parameters()}
        moving = {name for name in averaged if now[name].dtype.kind not in "iub"}
        for name in now.keys() - moving:
            self.average[name] = _copied(now[name], self.average[name])
        for kind, rows in by_kind((self.average[name], now[name]) for name in now if name in moving).items():
            means, values = map(list, zip(*rows, strict=True))
            kept = self._kept.setdefault(kind, {})
            backend.twins(means[0]).optim.average(means, values, self._share() if share is None else share, kept)
        if share is None:
            self.updates += 1
        else:
            capture.guard(partial(self._stands, list(self.average.values()), self.use_buffers))

    def _stands(self, arrays: list[Array], use_buffers: bool) -> bool:
        """Whether an update is still one of these arrays: it has not been started anew, or told otherwise."""
        now = self.average.values()
        return (
            self.updates > 0
            and self.use_buffers == use_buffers
            and len(now) == len(arrays)
            and all(map(is_, arrays, now))
        )

    def _share(self) -> float:
        """The next update's share of the weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warmup else self.decay
        return 1 - decay

    def _advance(self) -> float:
        """The same, where a replay makes the update."""
        share = self._share()
        self.updates += 1
        return share

    def state_of(self, model: Module) -> dict[str, Array]:
        """The averaged state of the model: its own before the first update."""
        return {name: value.copy() for name, value in self.average.items()} if self.updates else copied(model)

    def put_into(self, model: Module) -> None:
        """Let the model hold the average; `take_back` undoes it."""
        if self.updates and self._trained is None:
            self._trained = copied(model)
            model.load_state_dict(self.average)

    def take_back(self, model: Module) -> None:
        """Give the model its trained weights back, if it holds the average."""
        if self._trained is not None:
            model.load_state_dict(self._trained)
            self._trained = None

    @contextmanager
    def inside(self, model: Module) -> Iterator[None]:
        """The model holds the average within the block."""
        self.put_into(model)
        try:
            yield
        finally:
            self.take_back(model)

    def state_dict(self) -> dict[str, Any]:
        options = {"decay": self.decay, "use_buffers": self.use_buffers, "warmup": self.warmup}
        return {**options, "updates": self.updates, "average": self.average}

    def load_state_dict(self, saved: Mapping[str, Any], model: Module) -> None:
        """Take over what `state_dict` returned, options included, on the model's device and in its dtypes."""
        self.decay, self.use_buffers, self.warmup = (saved[name] for name in ("decay", "use_buffers", "warmup"))
        self.updates = saved["updates"]
        own = model.named_arrays() if self.updates else {}
        average = completed(own, saved["average"])
        self.average = {name: like(average[name], value) for name, value in own.items()}
        self._trained = None


def _copied(value: Array, into: Array) -> Array:
    """A copy of the value: in the array that held the last one, where it fits."""
    if type(into) is not type(value) or (into.shape, into.dtype) != (value.shape, value.dtype):
        return value.copy()
    into[...] = value
    return into
