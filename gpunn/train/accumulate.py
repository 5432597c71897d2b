"""Gradient accumulation: several batches, one update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gpunn import backend
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError


class Accumulation:
    """Sums gradients of `every` batches and releases their mean over all samples, as of one large batch.

    The sums are arrays of their own in the parameters' order, so that they can be saved between two batches and a
    resumed run adds the same numbers in the same order. Memory: one array a parameter.
    """

    def __init__(self, every: int):
        if every < 1:
            raise UsageError(f"Trainer: accumulate must be at least 1 batch, got {every}")
        self.every = every
        self._start()

    def _start(self) -> None:
        self.batches = self.samples = 0
        self.sums: list[Any] = []

    def add(self, parameters: Iterable[Tensor], samples: int) -> None:
        """Take in the gradients of the mean loss of a batch of so many samples."""
        params = list(parameters)
        self.sums = self.sums or [None] * len(params)
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            if self.sums[i] is None:
                self.sums[i] = backend.array_module(p.data).zeros_like(p.data)
            self.sums[i] += p.grad * samples
        self.batches, self.samples = self.batches + 1, self.samples + samples

    def release(self, parameters: Iterable[Tensor]) -> None:
        """Make the mean the parameters' gradients, and start anew."""
        for p, total in zip(parameters, self.sums, strict=True):
            if total is not None:
                total /= self.samples
            p.grad = total
        self._start()

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches, "samples": self.samples, "sums": list(self.sums)}

    def load_state_dict(self, saved: Mapping[str, Any], parameters: Iterable[Tensor]) -> None:
        """Take over what `state_dict` returned, on the parameters' device."""
        self.batches, self.samples = saved["batches"], saved["samples"]
        self.sums = [
            None if total is None else backend.to_device(total, backend.device_of(p.data))
            for p, total in zip(parameters, saved["sums"], strict=False)
        ]
