"""Where a run stands: what it has counted so far, and the words for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gpunn import backend
from gpunn.asked import current_precision
from gpunn.backend import Array
from gpunn.nn import Module
from gpunn.optim.accumulate import Accumulation
from gpunn.optim.schedules import Schedule
from gpunn.ranks.group import Alone, Group
from gpunn.stopping import name_of
from gpunn.train.ema import EMA
from gpunn.train.history import History
from gpunn.train.loss_scale import LossScale
from gpunn.train.metrics import Running
from gpunn.train.readings import Step


class Standing:
    """The counts, means and names that a Trainer's callbacks and errors speak of.

    A Trainer is one: callbacks, which it imports, know it by this name and so see also what it adds, declared here.
    """

    schedule: Schedule | None
    metrics: dict[str, Callable]
    info: dict[str, Any]
    accumulation: Accumulation
    ema: EMA | None
    loss_scale: LossScale
    callbacks: list[Any]
    train_loader: Any  # whatever gives batches
    updated: bool
    grad_norm: Any  # a number, or an array of one
    weights: Callable[[], dict[str, Array]]
    read: Callable[[], None]

    def __init__(
        self,
        model: Module,
        optimizer: Any,  # an Optimizer; None where nothing is trained
        device: backend.Device | None,
        out: str | os.PathLike | None,
        grad_clip: float | None,
    ):
        self.model, self.optimizer, self.device, self.out, self.grad_clip = model, optimizer, device, out, grad_clip
        self.group: Group = Alone()  # the ranks that train together
        self.epoch = self.batch = self.steps = 0  # finished epochs, finished batches of this one, all steps
        self.epochs = 0
        self.between_steps = True
        self.first_call = 1  # the serial number (backend.faults) of the first loss of labels of the last step begun
        self.running, self.unread, self.history = Running(), list[Step](), History()
        self.taken = Step({}, 0)  # what the last step measured
        self.row: dict[str, Any] = {}
        self.stop_reason: str | None = None
        self.resumed_from: Any = None
        self.agreed = False  # whether all ranks know of the signal that ends the run
        self.seen_by_all = False  # whether `running` is of all ranks, and not of this one's batches
        self.last_saved: str | None = None

    @property
    def writes(self) -> bool:
        """Whether this process is the one that logs, draws and saves: rank 0, or one by itself."""
        return self.group.rank == 0

    def _at(self) -> tuple[int, int, int, float]:
        """Epoch, step and batch under way, counted from 1, and the learning rate."""
        return self.epoch + 1, self.steps + 1, self.batch + 1, self.learning_rate()

    def advice(self) -> str:
        """What to do when a value is not finite, in words."""
        kept = f"the last good checkpoint is {self.last_saved}" if self.last_saved else "no checkpoint was saved yet"
        clip = "" if self.grad_clip is not None else ", or clip the gradients (grad_clip=1.0)"
        return f"{kept}; start again with a lower learning rate, such as {self.learning_rate() / 10:g}{clip}"

    def position(self) -> str:
        """Where the run stands, in words: the epoch counts from 1."""
        if self.batch == 0:
            return f"the end of epoch {self.epoch}" if self.epoch else "the start"
        return f"epoch {self.epoch + 1}, after batch {self.batch}"

    def _stopped(self, stop: BaseException) -> str:
        what = name_of(stop)
        if self.between_steps and self.last_saved and self.out is not None:
            return f"{what}; saved {self.last_saved}; go on with resume={os.fspath(self.out)!r}"
        kept = f"the last checkpoint is {self.last_saved}" if self.last_saved else "no checkpoint was saved"
        return f"{what} in epoch {self.epoch + 1}, after batch {self.batch}; {kept}"

    def learning_rate(self) -> float:
        """The rate of the first parameter group; 0 where nothing is to be optimised."""
        return float(self.optimizer.param_groups[0]["lr"]) if self.optimizer is not None else 0.0

    def images_per_second(self) -> float:
        """Training samples a second in this epoch; 0 before its first batch."""
        seen = self.running.count + sum(step.samples for step in self.unread)
        seen *= 1 if self.seen_by_all else self.group.size  # the other ranks' are as many, or one more or less
        return seen / self.running.seconds if self.running.seconds else 0.0

    def precision_name(self) -> str:
        """The precision of its steps."""
        return current_precision()

    def stated_precision(self) -> str:
        """The precision of its steps in words; "" for fp32."""
        return ""

    def way(self) -> str:
        """How steps on a GPU run, "captured" or "eager"; "" elsewhere."""
        return ""

    def device_name(self) -> str:
        """The device that the weights are on."""
        parameter = next(iter(self.model.parameters()), None)
        return str(self.device or (backend.default_device() if parameter is None else parameter.device))
