"""The shape table of recurrent layers' steps, and their oracle: one unit of one sample at a time, in float64."""

import math
from dataclasses import dataclass
from zlib import crc32

import numpy as np

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


@dataclass(frozen=True)
class StepCase:
    """Step t of L on N samples of H units; lengths (N,) say where sequences end, reverse goes from L to 0."""

    name: str
    N: int
    H: int
    L: int = 2
    t: int = 1
    lengths: tuple = ()
    reverse: bool = False
    far: bool = False

    def __str__(self):  # the pytest id
        return self.name

    @property
    def rows(self):
        """(row of the state before, row of the state after)."""
        return (self.t + 1, self.t) if self.reverse else (self.t, self.t + 1)

    def arrays(self, mode, dtype=np.float32):
        """What a step may take by its name, the gates as sums; `far`: large ones, NaN and infinities among them."""
        rng, gates = np.random.default_rng(crc32(f"{self.name} {mode}".encode())), GATES[mode]

        def normal(*shape):
            return rng.standard_normal(shape).astype(dtype)

        unit, steps, states = (self.N, self.H), (self.L, self.N), (self.L + 1, self.N, self.H)
        found = {"gates": normal(*steps, gates, self.H), "product": normal(self.N, gates, self.H)}
        found |= {name: normal(*states) for name in ("states", "cells")}
        found |= {name: normal(*steps, self.H) for name in ("inner", "gy")}
        found |= {name: normal(*unit) for name in ("gh", "carry", "gc")}
        if self.far:
            found["gates"] *= 300
            found["gates"].flat[:: self.H + 2] = np.inf
            found["product"].flat[:: self.H + 5] = np.nan
        return found


STEPS = [
    StepCase("one unit", 1, 1),
    StepCase("odd sizes", 3, 5),
    StepCase("packs", 2, 16),
    StepCase("sequences that are over", 5, 8, 3, 1, (1, 2, 3, 1, 2)),
    StepCase("in reverse, not begun", 4, 6, 3, 1, (1, 2, 1, 3), reverse=True),
    StepCase("several blocks", 9, 136),
    StepCase("NaN and infinities", 3, 8, far=True),
]


def _logistic(v):
    if v != v:
        return v
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(max(v, -745.0)) / (1 + math.exp(max(v, -745.0)))


def _relu(v):
    return v if v > 0 or v != v else 0.0


def _sequences(case):
    """(n, u, whether the sequence runs) of each unit."""
    for n in range(case.N):
        for u in range(case.H):
            yield n, u, not case.lengths or case.t < case.lengths[n]


def forward(mode, case, a):
    """state, y, and of LSTM and GRU (activations, cell or inner product) of the step: float64."""
    before = case.rows[0]
    sums, product, h, c = a["gates"][case.t], a["product"], a["states"][before], a["cells"][before]
    state, y, acts, extra = (np.zeros(s) for s in (h.shape, h.shape, sums.shape, h.shape))
    for n, u, runs in _sequences(case):
        s, p = [float(v) for v in sums[n, :, u]], [float(v) for v in product[n, :, u]]
        if mode == "LSTM":
            i, f, o = (_logistic(s[k] + p[k]) for k in (0, 1, 3))
            g = math.tanh(s[2] + p[2])
            cell = f * c[n, u] + i * g if runs else c[n, u]
            new, acts[n, :, u], extra[n, u] = o * math.tanh(cell), (i, f, g, o), cell
        elif mode == "GRU":
            r, z = (_logistic(s[k] + p[k]) for k in (0, 1))
            m = math.tanh(s[2] + r * p[2])
            new, acts[n, :, u], extra[n, u] = (1 - z) * m + z * h[n, u], (r, z, m), p[2]
        else:
            new = math.tanh(s[0] + p[0]) if mode == "RNN_TANH" else _relu(s[0] + p[0])
        state[n, u], y[n, u] = (new, new) if runs else (h[n, u], 0)
    return (state, y) if mode.startswith("RNN") else (state, y, acts, extra)


def backward(mode, case, a):
    """Gradients of the gates' sums, of a GRU's products, of the carried state and of an LSTM's cell: float64."""
    before, after = case.rows
    acts = a["gates"][case.t]
    ggates, gproducts = np.zeros(acts.shape), np.zeros(acts.shape)
    carry, gc = a["gh"] + a["carry"], np.array(a["gc"], np.float64)
    for n, u, runs in _sequences(case):
        if not runs:
            continue
        of_h = carry[n, u] + a["gy"][case.t, n, u]
        carry[n, u] = 0
        if mode == "LSTM":
            (i, f, g, o), bent = acts[n, :, u], math.tanh(a["cells"][after, n, u])
            of_c = gc[n, u] + of_h * o * (1 - bent**2)
            slopes = of_c * g, of_c * a["cells"][before, n, u], of_c * i, of_h * bent
            ggates[n, :, u] = [s * d for s, d in zip(slopes, (i - i * i, f - f * f, 1 - g * g, o - o * o), strict=True)]
            gc[n, u] = of_c * f
        elif mode == "GRU":
            (r, z, m), h = acts[n, :, u], a["states"][before, n, u]
            of_m = of_h * (1 - z) * (1 - m * m)
            of_r = of_m * a["inner"][case.t, n, u] * (r - r * r)
            of_z = of_h * (h - m) * (z - z * z)
            ggates[n, :, u], gproducts[n, :, u] = (of_r, of_z, of_m), (of_r, of_z, of_m * r)
            carry[n, u] = of_h * z
        else:
            h = a["states"][after, n, u]
            ggates[n, 0, u] = of_h * (1 - h * h) if mode == "RNN_TANH" else of_h * (h != 0)
    return ggates, gproducts, carry, gc
