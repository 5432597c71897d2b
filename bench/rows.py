"""One measurement: what suites yield, files keep and tables show."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

NOISY = 1.6  # a 90th percentile that much over the 10th: something else was running


@dataclass(frozen=True)
class Spread:
    """Seconds of one side: median, 10th and 90th percentile."""

    median: float
    p10: float
    p90: float
    repeats: int | None = field(default=None, compare=False)

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        return cls(*np.percentile(seconds, (50, 10, 90)).tolist(), repeats=len(seconds))


@dataclass
class Rival:
    """Another program's side of a row: why it has none, or seconds and `speed`, how many times as long it takes."""

    reason: str | None = None
    median: float | None = None
    p10: float | None = None
    p90: float | None = None
    speed: float | None = None
    peak_bytes: float | None = None
    kept_bytes: float | None = None
    images_per_second: float | None = None
    test_accuracy: float | None = None
    train_loss: float | None = None
    train_seconds: float | None = None

    @classmethod
    def of(cls, spread: Spread, speed: float, **more: float | None) -> Rival:
        return cls(None, spread.median, spread.p10, spread.p90, speed, **more)


@dataclass
class Row:
    """A case, an operation and the variant that did it: its times or counts, or why there are none.

    status: ok, refused, skipped or failed. flops, bytes: the work, where it is known. calls, lost_seconds: of a step,
    and what they take over their floor. What is None stays out of files.
    """

    suite: str
    case: str
    operation: str
    variant: str = "-"
    precision: str = "fp32"
    shape: str = ""
    status: str = "ok"
    reason: str = ""
    flops: float | None = None
    bytes: float | None = None
    verified: dict[str, Any] | None = None
    seconds: Spread | None = None
    counts: dict[str, float] | None = None
    gflops: float | None = None
    gbs: float | None = None
    host_seconds: float | None = None
    roofline: float | None = None
    bound: str | None = None
    images_per_second: float | None = None
    peak_bytes: float | None = None
    kept_bytes: float | None = None
    test_accuracy: float | None = None
    train_loss: float | None = None
    train_seconds: float | None = None
    calls: float | None = None
    predicted_seconds: float | None = None
    lost_seconds: float | None = None
    against: dict[str, Rival] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two runs' rows the same row."""
        return self.suite, self.case, self.operation, self.variant, self.precision

    @property
    def pass_(self) -> str:
        return self.operation.rpartition(".")[2]

    def noisy(self, rival: str | None = None) -> bool:
        """Whether its times, or those of it and a rival, spread too far for a ratio to be quoted."""
        sides = [self.seconds, self.against.get(rival or "")]
        return any(side.p90 > NOISY * (side.p10 or 0) for side in sides if side and side.p90)

    def json(self) -> dict[str, Any]:
        return _stated(asdict(self))

    @classmethod
    def read(cls, found: dict[str, Any]) -> Row:
        """The row of a file; keys that are none of its fields are left out."""
        values = _fields(cls, found)
        if values.get("seconds"):
            values["seconds"] = Spread(**_fields(Spread, values["seconds"]))
        rivals = {name: Rival(**_fields(Rival, one)) for name, one in values.get("against", {}).items()}
        return cls(**{**values, "against": rivals})


def _fields(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """What a dataclass has a field for."""
    return {name: found[name] for name in kind.__dataclass_fields__ if name in found}


def find(row: Any, path: str) -> Any:
    """The value at "seconds.median" or "counts.sectors": attributes and keys from the row down, else None."""
    for name in path.split("."):
        row = row.get(name) if isinstance(row, dict) else getattr(row, name, None)
    return row


def _stated(values: dict[str, Any]) -> dict[str, Any]:
    """What has a value, at every depth; a loss that is not finite has none."""
    inner = {key: _stated(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {
        key: value
        for key, value in inner.items()
        if value is not None and value != {} and not (isinstance(value, float) and not math.isfinite(value))
    }


@dataclass(frozen=True)
class Training:
    """What one side's training gave: of the last epoch accuracy and loss, images an epoch, seconds of each epoch."""

    test_accuracy: float
    train_loss: float
    images: int
    epochs: list[float]
