"""A data-parallel step on paper: when each bucket's sum goes over a stated network, and what it leaves exposed.

An all-reduce of S bytes by n ranks, over links of latency a and bandwidth B, takes by the model of Hockney (1994)

    ring: 2 (n - 1) a + 2 (n - 1) / n S / B      (Patarasuk and Yuan 2009: no algorithm moves fewer bytes a link)
    tree: 2 log2(n) (a + S / B)                  (a sum up a binomial tree and a broadcast down it: few messages)

The sum in rank order of gpunn.dist sends pieces to their owners and the sums back: as many messages and bytes a rank as
a ring. Buckets go one after the other, each when its gradients are ready; the update waits for the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpunn.dist.buckets import plan
from gpunn.errors import UsageError

CAPS = [4.0**i * 2**20 for i in range(-3, 4)]  # bytes of buckets to choose from: 16 KB to 64 MB
Span = tuple[float, float]  # seconds from the step's start
ALGORITHMS: dict[str, Callable[[int], tuple[float, float]]] = {  # messages, and sizes S, that follow each other
    "ring": lambda n: (2 * (n - 1), 2 * (n - 1) / n),
    "tree": lambda n: (2 * math.ceil(math.log2(n)), 2 * math.ceil(math.log2(n))),
}


@dataclass(frozen=True)
class Interconnect:
    """What connects the ranks: seconds until a message's first byte is there, and bytes a second."""

    latency: float
    bandwidth: float

    def all_reduce(self, ranks: int, size: float, algorithm: str = "ring") -> float:
        """Seconds of an all-reduce of `size` bytes."""
        messages, sizes = ALGORITHMS[algorithm](ranks)
        return messages * self.latency + sizes * size / self.bandwidth

    def __str__(self) -> str:
        return f"latency {self.latency * 1e6:.3g} us, {self.bandwidth / 1e9:.3g} GB/s"


# One direction of a link at its nominal rate (10 Gbit/s; HDR, 200 Gbit/s; NVLink 4, 18 links), and round latencies:
# TCP through the kernels, a verb's message, a step of NCCL's ring.
INTERCONNECTS = {
    "ethernet10": Interconnect(50e-6, 1.25e9),
    "infiniband": Interconnect(2e-6, 25e9),
    "nvlink": Interconnect(3e-6, 450e9),
}


def fitted(samples: Iterable[tuple[int, float, float]], algorithm: str = "ring") -> Interconnect:
    """The interconnect that explains (ranks, bytes, seconds) best, by the squares of the relative errors.

    Raises UsageError where the samples do not tell a bandwidth.
    """
    rows, seconds = [], []
    for ranks, size, took in samples:
        messages, sizes = ALGORITHMS[algorithm](ranks)
        rows.append((messages / took, sizes * size / took))
        seconds.append(took)
    terms, ones = np.array(rows).reshape(-1, 2), np.ones(len(rows))
    latency, slowness = np.linalg.lstsq(terms, ones)[0] if rows else (0.0, 0.0)
    if latency < 0:  # no message takes less than no time
        latency, slowness = 0.0, terms[:, 1].sum() / (terms[:, 1] ** 2).sum()
    if not slowness > 0:
        raise UsageError(
            f"scaling: {len(rows)} all-reduces of {sum(seconds):.3g} s do not tell a bandwidth; measure larger ones"
        )
    return Interconnect(float(latency), float(1 / slowness))


@dataclass(frozen=True)
class Profile:
    """A step of one rank, which waits for nobody. Times are seconds from its start.

    forward, backward, step: when each ends, the step with the update. ready, sizes: of each parameter in the
    parameters' order when its gradient is whole, and its bytes.
    """

    batch: int
    forward: float
    backward: float
    step: float
    ready: tuple[float, ...]
    sizes: tuple[int, ...]

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Profile:
        """The profile that a file of results keeps."""
        values = {name: found[name] for name in cls.__dataclass_fields__}
        return cls(**{**values, "ready": tuple(found["ready"]), "sizes": tuple(found["sizes"])})

    def slowed(self, times: float) -> Profile:
        """The same where computing takes that many times as long."""
        names = ("forward", "backward", "step")
        ready = tuple([times * one for one in self.ready])
        return replace(self, ready=ready, **{name: times * getattr(self, name) for name in names})

    def at(self, batch: float, least: Profile) -> Profile:
        """The step of a batch between `least`'s and this one's: time grows by the sample."""
        share = (batch - least.batch) / (self.batch - least.batch)

        def mix(a: float, b: float) -> float:
            return a + share * (b - a)

        ready = tuple([mix(a, b) for a, b in zip(least.ready, self.ready, strict=True)])
        times = {name: mix(getattr(least, name), getattr(self, name)) for name in ("forward", "backward", "step")}
        return replace(self, batch=batch, ready=ready, **times)


@dataclass(frozen=True)
class Bucket:
    """Gradients that go together: when the last of them is ready, and their bytes."""

    ready: float
    size: int


def buckets(profile: Profile, cap: float) -> list[Bucket]:
    """Those of gpunn.dist of `cap` bytes, and behind them the sum of what counts and of which gradients there are."""
    parts = plan([np.empty(size, np.uint8) for size in profile.sizes], int(cap))  # no memory before it is touched
    found = [Bucket(max(profile.ready[i] for i in part), sum(profile.sizes[i] for i in part)) for part in parts]
    return [*found, Bucket(profile.backward, 8 * (2 + len(profile.sizes)))]


@dataclass(frozen=True)
class Timeline:
    """A step of n ranks: spans of what one rank computes, and of the buckets on the network."""

    forward: Span
    backward: Span
    reduces: tuple[Span, ...]
    update: Span

    @property
    def step(self) -> float:
        """Seconds of the whole."""
        return self.update[1]

    @property
    def exposed(self) -> float:
        """Seconds in which a rank waits for the network."""
        return self.update[0] - self.backward[1]


def simulated(
    profile: Profile, parts: Sequence[Bucket], ranks: int, net: Interconnect, algorithm: str = "ring"
) -> Timeline:
    """The step of `ranks` ranks of this profile. One rank sends nothing."""
    free, reduces = 0.0, []
    for bucket in parts if ranks > 1 else ():
        start = max(bucket.ready, free)
        free = start + net.all_reduce(ranks, bucket.size, algorithm)
        reduces.append((start, free))
    begin = max(profile.backward, free)
    update = begin, begin + profile.step - profile.backward
    return Timeline((0.0, profile.forward), (profile.forward, profile.backward), tuple(reduces), update)


@dataclass(frozen=True)
class Predicted:
    """What so many ranks make of it.

    step, exposed: seconds of a step, and of its wait for the network. weak: images a second over those of as many
    ranks that wait for nobody, each with the whole batch. strong: the same where the batch of one rank is divided
    among all; None where there are more ranks than samples. best, best_bucket: the weak scaling with the bucket of
    CAPS that suits best, and its bytes.
    """

    ranks: int
    step: float
    exposed: float
    weak: float
    strong: float | None
    best: float
    best_bucket: float


def predicted(
    profile: Profile, least: Profile, cap: float, ranks: int, net: Interconnect, algorithm: str = "ring"
) -> Predicted:
    """The row of so many ranks; `least`: the profile of a batch of one sample."""

    def taking(step: Profile, bytes_: float = cap) -> Timeline:
        return simulated(step, buckets(step, bytes_), ranks, net, algorithm)

    step, strong = taking(profile), None
    if ranks <= profile.batch:
        part = profile.at(profile.batch / ranks, least) if profile.batch > least.batch else profile
        strong = profile.step / ranks / taking(part).step
    best = min((cap, *CAPS), key=lambda bytes_: taking(profile, bytes_).step)
    weak = [profile.step / one.step for one in (step, taking(profile, best))]
    return Predicted(ranks, step.step, step.exposed, weak[0], strong, weak[1], best)
