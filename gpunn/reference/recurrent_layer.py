"""The shape table of all steps of a recurrent layer, and their oracle: recurrent.py's, step by step."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from gpunn.reference.recurrent import GATES, StepCase, backward, forward


@dataclass(frozen=True)
class LayerCase:
    """L steps of N samples of H units; lengths (N,) say where sequences end, reverse goes from L to 0.

    far: sums that are NaN and infinities.
    """

    name: str
    N: int
    H: int
    L: int
    lengths: tuple = ()
    reverse: bool = False
    bias: bool = True
    far: bool = False

    def __str__(self):  # the pytest id
        return self.name

    @property
    def steps(self):
        """Each step as it comes."""
        found = [StepCase(self.name, self.N, self.H, self.L, t, self.lengths, self.reverse) for t in range(self.L)]
        return found[::-1] if self.reverse else found

    def arrays(self, mode, dtype=np.float32):
        """What the layer may take by its name."""
        rng, G = np.random.default_rng(crc32(f"{self.name} {mode}".encode())), GATES[mode]

        def normal(*shape):
            return rng.standard_normal(shape).astype(dtype)

        states = (self.L + 1, self.N, self.H)
        found = {"gates": normal(self.L, self.N, G, self.H), "w_hh": normal(G * self.H, self.H) / self.H**0.5}
        found |= {"b_hh": normal(G * self.H)} if self.bias else {}
        found |= {name: normal(*states) for name in ("states", "cells")}
        found |= {name: normal(self.L, self.N, self.H) for name in ("inner", "gy")}
        found |= {name: normal(self.N, self.H) for name in ("gh", "gc")}
        if self.far:
            found["gates"].flat[:: self.H + 2] = np.inf
            found["gates"].flat[3 :: self.N * self.H] = np.nan
        return {name: a.astype(dtype) for name, a in found.items()}


LAYERS = [
    LayerCase("one unit, one step", 1, 1, 1),
    LayerCase("one step of packs", 3, 24, 1),
    LayerCase("odd sizes", 3, 5, 3),
    LayerCase("packs, two blocks of units, two tiles", 5, 24, 2),
    LayerCase("sequences that are over", 5, 8, 4, (1, 2, 4, 1, 3), bias=False),
    LayerCase("in reverse, not begun", 4, 18, 3, (1, 2, 1, 3), reverse=True),
    LayerCase("all lanes of a product", 18, 72, 2),
    LayerCase("more than 256 units", 2, 264, 1),
    LayerCase("NaN and infinities", 3, 8, 2, far=True),
]


def layer_forward(mode, case, a):
    """States, y, and of LSTM and GRU (activations, cells or inner products) of all steps: float64."""
    G = GATES[mode]
    states, cells = np.zeros(a["states"].shape), np.zeros(a["cells"].shape)
    y, acts, inner = np.zeros(a["gy"].shape), np.zeros(a["gates"].shape), np.zeros(a["inner"].shape)
    first = case.L if case.reverse else 0
    states[first], cells[first] = a["states"][first], a["cells"][first]
    for step in case.steps:
        before, after = step.rows
        product = np.array([[np.dot(row, h) for row in a["w_hh"]] for h in states[before]]) + a.get("b_hh", 0)
        given = {"gates": a["gates"], "product": product.reshape(case.N, G, case.H), "states": states, "cells": cells}
        states[after], y[step.t], *rest = forward(mode, step, given)
        if rest:
            acts[step.t] = rest[0]
            (cells[after] if mode == "LSTM" else inner[step.t])[...] = rest[1]
    return (states, y) if mode.startswith("RNN") else (states, y, acts, cells if mode == "LSTM" else inner)


def layer_backward(mode, case, a):
    """Gradients of the gates' sums, of a GRU's products, of the first state and of an LSTM's first cell: float64."""
    ggates, gproducts = np.zeros(a["gates"].shape), np.zeros(a["gates"].shape)
    gh, gc = a["gh"], a["gc"]
    for step in case.steps[::-1]:
        given = {**a, "gh": gh, "gc": gc, "carry": np.zeros(gh.shape)}
        ggates[step.t], products, carry, gc = backward(mode, step, given)
        gproducts[step.t] = products if mode == "GRU" else ggates[step.t]
        rows, columns = gproducts[step.t].reshape(case.N, -1), a["w_hh"].T
        gh = carry + np.array([[np.dot(row, column) for column in columns] for row in rows])
    return ggates, gproducts, gh, gc
