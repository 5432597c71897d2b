"""The table of what captured steps measure, and the oracle of their first and last kernel."""

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

NUMBER = 2**40 + 7  # of the step


@dataclass(frozen=True)
class StepCase:
    """A replay of turn `turn` with `slots` slots, `used` packs of `packs` fed, and (dtype, value, watched) a value.

    `known` is the first step with a fault so far.
    """

    name: str
    values: tuple = ()
    turn: int = 0
    slots: int = 3
    packs: int = 4
    used: int = 4
    known: tuple = (0, 0)

    def __str__(self):  # the pytest id
        return self.name

    def ring(self):
        """What the host has written, int64 (slots, words)."""
        return np.arange(2 * self.slots * self.packs, dtype=np.int64).reshape(self.slots, -1) * 2**33 - NUMBER


KINDS = ("float32", "float64", "int32", "int64", "float16", "uint8", "bool")
STEPS = [
    StepCase("nothing measured"),
    StepCase("every dtype", tuple((kind, 1, -2) for kind in KINDS), 5),
    StepCase("numbers that end", (("float64", 0.1, -1), ("float16", -2.5, -1), ("int64", 2**52 + 1, -1)), 7, 4),
    StepCase("a fault", (("float32", 1.0, -1), ("float64", nan, -1), ("float32", nan, -1)), 1),
    StepCase("an infinite float16", (("float16", -np.inf, -1),)),
    StepCase("a fault known before", (("float32", nan, -1),), 3, known=(11, 4)),
    StepCase("not watched", (("float32", nan, -2), ("float32", np.inf, -2)), 2),
    StepCase("the mean of nothing", (("float32", nan, 1), ("float64", 0.0, -2)), 2),
    StepCase("a fault beside its count", (("float32", 0.0, -2), ("float32", 3.0, -2), ("float32", np.inf, 1)), 2),
    StepCase("as many as there may be", tuple(("float32", i / 8, -1) for i in range(32)), 64, 64),
    StepCase("the last alone", tuple(("float32", nan if i == 31 else 1.0, -1) for i in range(32)), 2**33, 3),
    StepCase("several blocks of feed, one used in part", packs=700, used=300, turn=1),
    StepCase("all of several blocks", packs=513, used=513, turn=2),
    StepCase("a turn past 2^31", turn=2**31 + 5, slots=7, used=1),
]


def begin(case, feed):
    """The feed after the first kernel, int64."""
    slot = case.ring()[case.turn % case.slots]
    return [slot[i] if i < 2 * case.used else feed[i] for i in range(2 * case.packs)]


def end(case, width):
    """(the turn's slot of `width` float64 from its head on, state, fault) after the last kernel; None: untouched."""
    values = [float(np.dtype(kind).type(value)) for kind, value, _ in case.values]
    number, row = case.known
    for i, (_, _, watched) in enumerate(case.values):
        counts = watched == -1 or (watched >= 0 and values[watched] != 0)
        if number == 0 and counts and not isfinite(values[i]):
            number, row = NUMBER, i
    slot = [case.turn + 1, NUMBER, number, row, *values] + [None] * (width - 4 - len(values))
    return slot, [case.turn + 1, case.used], [number, row]
