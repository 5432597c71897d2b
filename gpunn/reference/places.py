"""Planes added up by places, one by one: the oracle of a max pooling's gradient from places alone, and its cases."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PlacesCase:
    """Of each of N*C planes `outputs` elements go to some of `inputs` places; every fifth goes nowhere."""

    name: str
    batch: tuple
    inputs: int
    outputs: int
    most: int = 0  # the places are below it; 0: all of them

    def arrays(self):
        """gy (N, C, 1, outputs), and as many places."""
        rng = np.random.default_rng(self.inputs + self.outputs)
        shape = (*self.batch, 1, self.outputs)
        place = rng.integers(0, self.most or self.inputs, shape)
        place[rng.random(shape) < 0.2] = -1
        place[..., -1] = (self.most or self.inputs) - 1
        return rng.standard_normal(shape), place


PLACES = (
    PlacesCase("one place", (1, 1), 1, 1),
    PlacesCase("all to few", (2, 3), 40, 70, 3),
    PlacesCase("as many as a warp takes at once", (2, 5), 50, 32),
    PlacesCase("two pieces of a small plane", (1, 2), 520, 30),
    PlacesCase("outputs that a block takes in turns", (1, 2), 60, 600),
    PlacesCase("two pieces, outputs in turns", (1, 1), 4100, 300),
)


def scatter(gy, place, inputs):
    """gx (N, C, 1, inputs): gy added at its place, one after another."""
    gx = np.zeros((*gy.shape[:3], inputs))
    for at in np.ndindex(gy.shape):
        if place[at] >= 0:
            gx[(*at[:3], place[at])] += gy[at]
    return gx
