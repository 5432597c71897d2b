"""The loss's scale in fp16: gradients that would be too small for it are kept, and steps that overflow are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture
from gpunn.engine.tensor import Tensor
from gpunn.errors import TrainingError
from gpunn.optim import Optimizer
from gpunn.optim.batch import by_kind

START, GROWTH, BACKOFF, EVERY = 2.0**16, 2.0, 0.5, 2000  # PyTorch's GradScaler has the same
FIELDS = ("scale", "good_steps", "skipped")


class LossScale:
    """A factor of the loss by which its gradients are divided before the update (Micikevicius et al., 2018).

    It starts at 65,536, doubles after 2,000 steps in a row whose gradients were all finite, and is halved after one
    with a gradient that was not: then neither a parameter nor an array of the optimizer's state changes. Such a step
    counts for schedules, averages and Adam's corrections, as the host does not know of it: scale, counts and the flag
    lie in `state` on the parameters' device, which nobody waits for.
    """

    def __init__(self) -> None:
        self.state: Array | None = None  # float32: FIELDS, and whether the step under way is bad
        self.known: dict[str, float] = dict(zip(FIELDS, (START, 0.0, 0.0), strict=True))  # as last read

    def backward(self, loss: Tensor) -> None:
        """The scaled loss's gradients."""
        loss.backward(self._on(loss.array)[:1].reshape(loss.shape).astype(loss.dtype, copy=False))

    def _on(self, like: Array) -> Array:
        """The state where an array lies."""
        if self.state is None or not backend.same_device(self.state, like):
            capture.refuse("the loss's scale is not on the device yet; take a step before one is captured")
            self.state = backend.to_device(self._numbers(), backend.device_of(like))
        return self.state

    def _numbers(self) -> np.ndarray:
        """The state as the host knows it."""
        if self.state is not None:
            self.look()
        return np.array([*self.known.values(), 0], np.float32)

    def unscale(self, optimizer: Optimizer) -> None:
        """Make the gradients those of the loss, and note whether all are finite."""
        grads = [(p.gradient,) for p in optimizer.parameters() if p.gradient is not None]
        for rows in by_kind(grads).values():
            some = [grad for (grad,) in rows]
            backend.twins(some[0]).optim.unscale(some, self._on(some[0]))

    def norm(self, norm: Any) -> Any:
        """A norm of the gradients; 0 where the step is left out, which infinite ones are no fault of."""
        if self.state is None or norm is None:
            return norm
        if isinstance(self.state, np.ndarray):
            return np.zeros_like(norm) if self.state[3] else norm
        xp = backend.array_module(self.state)
        return xp.where(self.state[3:].reshape(()) == 0, norm, 0).astype(norm.dtype, copy=False)

    def step(self, optimizer: Optimizer) -> None:
        """The optimizer's step, unless a gradient is not finite; then the scale of the next."""
        if self.state is None:  # no gradients at all
            optimizer.step()
            return
        flag = self.state[3:]
        if _heeds_flag(optimizer):
            optimizer.skip = flag
            try:
                optimizer.step()
            finally:
                optimizer.skip = None
        else:
            capture.refuse("the loss's scale asks the host whether to take a program's own optimizer's step")
            if not backend.to_numpy(flag)[0]:
                optimizer.step()
        backend.twins(self.state).optim.rescale(self.state, GROWTH, BACKOFF, EVERY)

    def look(self) -> None:
        """Read the state, for which this waits. TrainingError where the scale has fallen below 1."""
        if self.state is None:
            return
        self.known = dict(zip(FIELDS, backend.to_numpy(self.state).tolist(), strict=False))
        if self.known["scale"] < 1:
            raise TrainingError(
                f"the loss's scale has fallen to {self.known['scale']:g} after {self.known['skipped']:.0f} steps whose "
                "gradients were not finite in fp16, which holds numbers up to 65504; train in bf16 "
                '(precision="bf16"), or with a lower learning rate'
            )

    def words(self) -> str:
        """The scale and the steps left out, as last read."""
        skipped = self.known["skipped"]
        return f"scale {self.known['scale']:,.0f}" + (f", {skipped:.0f} steps left out" if skipped else "")

    def state_dict(self) -> dict[str, float]:
        """Scale and counts as numbers."""
        self.look()
        return dict(self.known)

    def load_state_dict(self, saved: Mapping[str, float]) -> None:
        """Take over what `state_dict` returned."""
        self.known = {name: float(saved[name]) for name in FIELDS}
        if self.state is not None:  # in place, for graphs hold it
            self.state[...] = backend.to_device(
                np.array([*self.known.values(), 0], np.float32), backend.device_of(self.state)
            )


def _heeds_flag(optimizer: Optimizer) -> bool:
    """Whether its rule is one of gpunn.optim's, which leave a step out by a flag on the device."""
    parts = [getattr(type(optimizer), name) for name in ("step", "rule", "update")]
    return all([part.__module__.startswith("gpunn.optim") for part in parts])
