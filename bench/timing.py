"""Two steps timed by turns, so that whatever else the machine does meets both alike."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from bench.training.networks import Step

SETTLE = 0.01  # seconds before each measurement: OpenMP's threads spin on for some ms after PyTorch's step


@dataclass
class Spread:
    """Seconds of one side: median, 10th and 90th percentile."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        if len(seconds) < 2:
            return cls(seconds[0], seconds[0], seconds[0])
        cuts = statistics.quantiles(seconds, n=10, method="inclusive")
        return cls(statistics.median(seconds), cuts[0], cuts[-1])


def once(step: Step) -> float:
    time.sleep(SETTLE)
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def by_turns(steps: list[Step], repeats: int, budget: float) -> list[list[float]]:
    """Seconds of each step, `repeats` times in turn; after `budget` seconds no more than 5 times. Order alternates."""
    for step in steps:
        once(step)
        once(step)
    seconds: list[list[float]] = [[] for _ in steps]
    end = time.perf_counter() + budget
    for i in range(repeats):
        if i >= 5 and time.perf_counter() > end:
            break
        for side in range(len(steps))[:: 1 if i % 2 else -1]:
            seconds[side].append(once(steps[side]))
    return seconds
