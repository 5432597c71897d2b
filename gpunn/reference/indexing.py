"""Rows added up by key, one by one: the oracle of the gradient of an index, and its cases."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SegmentCase:
    """Row m of the gradient, of `columns` elements, goes to place keys[m]."""

    name: str
    keys: tuple
    places: int
    columns: int

    def gradient(self):
        return np.random.default_rng(len(self.keys)).standard_normal((len(self.keys), self.columns))


SEGMENTS = (
    SegmentCase("no two alike", (3, 0, 5), 7, 4),
    SegmentCase("some twice", (2, 0, 2, 1, 2), 3, 5),
    SegmentCase("all to one", (1,) * 40, 2, 3),
    SegmentCase("one column", (5, 4, 4, 0), 6, 1),
    SegmentCase("the last place", (8, 8), 9, 257),
    SegmentCase("no rows", (), 3, 2),
    SegmentCase("no columns", (1, 1), 3, 0),
)


def segment_sums(gy, keys, places):
    """gx[keys[m]] += gy[m], in order."""
    gx = np.zeros((places, gy.shape[1]))
    for m, key in enumerate(keys):
        gx[key] += gy[m]
    return gx
