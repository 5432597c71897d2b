"""The oracle of one optimiser step: plain loops over numbers in float64, and the cases that it judges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

SHAPES = ((), (0, 3), (7,), (5, 3), (3, 2, 5, 5), (4100,))  # the last one is more than a block's part
MANY = ((3,),) * 130  # a table of 256 rows, 15 to 31 KB of a kernel's parameters
STEP = 3  # of Adam: a step that has a bias to correct


def sign(x: float) -> float:
    """1, 0 or -1; NaN of NaN."""
    return x if math.isnan(x) else (x > 0) - (x < 0)


def rescaled(state: tuple[float, ...], growth: float, backoff: float, every: int) -> tuple[float, ...]:
    """A loss's scale, good steps in a row, skipped steps, whether this one was bad: as the next step has them."""
    scale, good, skipped, bad = state
    if bad:
        return scale * backoff, 0, skipped + 1, 0
    if good + 1 < every:
        return scale, good + 1, skipped, 0
    return scale * growth if scale * growth <= 2.0**126 else scale, 0, skipped, 0


def pull(p: float, decay: float, l1: float) -> float:
    """What weight decay and the 1-norm add to the gradient of p; what is off adds nothing, of NaN too."""
    return (decay * p if decay else 0) + (l1 * sign(p) if l1 else 0)


def sgd_number(p: float, b: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p and its momentum buffer b after the gradient g under the options o."""
    d = g + pull(p, o.get("weight_decay", 0), o.get("l1", 0))
    if o.get("momentum", 0):
        b = o["momentum"] * b + (1 - o.get("dampening", 0)) * d
        d = d + o["momentum"] * b if o.get("nesterov") else b
    return p - o["lr"] * d, b


def adam_number(p: float, m: float, v: float, g: float, o: dict[str, Any], decoupled: bool) -> tuple[float, ...]:
    """The parameter p and its two moments after step STEP."""
    b1, b2 = o.get("betas", (0.9, 0.999))
    decay = o["weight_decay"]
    if decoupled:
        p = p - o["lr"] * decay * p
        decay = 0
    d = g + pull(p, decay, o.get("l1", 0))
    m = b1 * m + (1 - b1) * d
    v = b2 * v + (1 - b2) * d * d
    unbiased = m / (1 - b1**STEP), v / (1 - b2**STEP)
    return p - o["lr"] * unbiased[0] / (math.sqrt(unbiased[1]) + o.get("eps", 1e-8)), m, v


def rmsprop_number(p: float, v: float, a: float, b: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p, its mean square, mean and the momentum buffer after the gradient g."""
    alpha = o.get("alpha", 0.99)
    d = g + pull(p, o.get("weight_decay", 0), o.get("l1", 0))
    v = alpha * v + (1 - alpha) * d * d
    variance = v
    if o.get("centered"):
        a = alpha * a + (1 - alpha) * d
        variance = v - a * a
    d = d / (math.sqrt(max(variance, 0.0)) + o.get("eps", 1e-8))
    if o.get("momentum", 0):
        b = o["momentum"] * b + d
        d = b
    return p - o["lr"] * d, v, a, b


def step(rule: str, arrays: dict[str, np.ndarray], options: dict[str, Any]) -> dict[str, np.ndarray]:
    """The parameter "p" and its states after one step along the gradient "g", element by element."""
    after = {name: np.array(array, np.float64) for name, array in arrays.items()}
    order = STATES[rule]
    for i in np.ndindex(arrays["p"].shape):
        p, g, *states = (float(after[name][i]) for name in ("p", "g", *order))
        if rule == "SGD":
            found = sgd_number(p, states[0], g, options)
        elif rule == "RMSprop":
            found = rmsprop_number(p, states[0], states[1], states[2], g, options)
        else:
            found = adam_number(p, states[0], states[1], g, options, decoupled=rule == "AdamW")
        for name, value in zip(("p", *order), found, strict=True):
            after[name][i] = value
    return after


STATES = {
    "SGD": ("momentum_buffer",),
    "Adam": ("exp_avg", "exp_avg_sq"),
    "AdamW": ("exp_avg", "exp_avg_sq"),
    "RMSprop": ("square_avg", "grad_avg", "momentum_buffer"),
}


@dataclass(frozen=True)
class OptimCase:
    """One rule with options, over parameters of SHAPES in two groups; `used` are the states that it keeps."""

    rule: str
    options: dict[str, Any]
    used: tuple[str, ...] = ()
    second: dict[str, Any] = field(default_factory=lambda: {"lr": 0.125})  # what the second group has of its own

    def __str__(self) -> str:
        options = ", ".join(f"{k} {v}" for k, v in self.options.items())
        return f"{self.rule} {options}"

    def arrays(self, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[dict[str, np.ndarray]]:
        """For each shape p, its gradient g and every state; mean squares exceed the squares of means."""
        rng = np.random.default_rng(crc32(str(self).encode()))
        made = []
        for shape in shapes:
            one = {name: np.asarray(rng.standard_normal(shape)) for name in ("p", "g", *STATES[self.rule])}
            for name in {"exp_avg_sq", "square_avg"} & one.keys():
                one[name] = np.asarray(0.5 + rng.random(shape) + one.get("grad_avg", one["p"] * 0) ** 2)
            made.append(one)
        return made


MOMENTUM, MOMENTS = ("momentum_buffer",), ("exp_avg", "exp_avg_sq")
OPTIMISERS = [
    OptimCase("SGD", {"lr": 0.25}),
    OptimCase("SGD", {"lr": 0.25, "weight_decay": 0.125, "l1": 0.0625}),
    OptimCase("SGD", {"lr": 0.25, "momentum": 0.9}, MOMENTUM),
    OptimCase("SGD", {"lr": 0.25, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.125}, MOMENTUM),
    OptimCase("SGD", {"lr": 0.25, "momentum": 0.8, "nesterov": True, "l1": 0.0625}, MOMENTUM, {"weight_decay": 0.5}),
    OptimCase("Adam", {"lr": 0.01, "weight_decay": 0.0}, MOMENTS),
    OptimCase("Adam", {"lr": 0.25, "betas": (0.8, 0.95), "eps": 0.125, "weight_decay": 0.5, "l1": 0.25}, MOMENTS),
    OptimCase("AdamW", {"lr": 0.01, "weight_decay": 0.01}, MOMENTS),
    OptimCase("AdamW", {"lr": 0.25, "betas": (0.8, 0.95), "eps": 0.125, "weight_decay": 0.5, "l1": 0.25}, MOMENTS),
    OptimCase("RMSprop", {"lr": 0.01}, ("square_avg",)),
    OptimCase("RMSprop", {"lr": 0.25, "alpha": 0.9, "eps": 0.125, "weight_decay": 0.5, "l1": 0.25}, ("square_avg",)),
    OptimCase("RMSprop", {"lr": 0.25, "centered": True, "eps": 0.125}, ("square_avg", "grad_avg")),
    OptimCase("RMSprop", {"lr": 0.25, "momentum": 0.9, "weight_decay": 0.5}, ("square_avg", "momentum_buffer")),
    OptimCase("RMSprop", {"lr": 0.25, "centered": True, "momentum": 0.9, "l1": 0.25}, STATES["RMSprop"]),
]


def vector_norm(arrays: list[np.ndarray], order: float) -> float:
    """The norm of all numbers of all arrays."""
    numbers = [abs(float(x)) for array in arrays for x in array.flat]
    if math.isinf(order):
        return math.nan if any(map(math.isnan, numbers)) else max(numbers, default=0.0)
    return sum(x**order for x in numbers) ** (1 / order)


def clipped(arrays: list[np.ndarray], order: float, limit: float) -> list[np.ndarray]:
    """The arrays times min(1, limit / (norm + 1e-6))."""
    factor = min(1.0, limit / (vector_norm(arrays, order) + 1e-6))
    return [np.array([float(x) * factor for x in array.flat]).reshape(array.shape) for array in arrays]
