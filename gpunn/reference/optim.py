"""The oracle of one optimiser step: plain loops over numbers in float64, and the cases that it judges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np

SHAPES = ((), (0, 3), (7,), (5, 3), (3, 2, 5, 5), (4100,))  # the last one is more than a block's part
MANY = ((3,),) * 130  # a table of 256 rows, 15 to 31 KB of a kernel's parameters
STEP = 8  # of those that count: one that has a bias to correct, and is late enough for RAdam to rectify


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


def pulled(g: float, p: float, o: dict[str, Any]) -> float:
    """The gradient with weight decay and the 1-norm's pull; what is off adds nothing, of NaN too."""
    decay, l1 = o.get("weight_decay", 0), o.get("l1", 0)
    return (-g if o.get("maximize") else g) + (decay * p if decay else 0) + (l1 * sign(p) if l1 else 0)


def sgd_number(p: float, b: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p and its momentum buffer b after the gradient g under the options o."""
    d = pulled(g, p, o)
    if o.get("momentum", 0):
        b = o["momentum"] * b + (1 - o.get("dampening", 0)) * d
        d = d + o["momentum"] * b if o.get("nesterov") else b
    return p - o["lr"] * d, b


def adam_number(rule: str, p: float, m: float, v: float, x: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p, its two moments and the second one's peak after step STEP of Adam, AdamW, NAdam or RAdam."""
    b1, b2 = o.get("betas", (0.9, 0.999))
    lr, eps = o["lr"], o.get("eps", 1e-8)
    if rule == "AdamW" or o.get("decoupled_weight_decay"):
        p, o = p - lr * o["weight_decay"] * p, {**o, "weight_decay": 0}
    d = pulled(g, p, o)
    m = b1 * m + (1 - b1) * d
    v = b2 * v + (1 - b2) * d * d
    if o.get("amsgrad"):
        x = math.nan if math.isnan(v) else max(x, v)
    mean, square = m / (1 - b1**STEP), (x if o.get("amsgrad") else v) / (1 - b2**STEP)
    if rule == "NAdam":
        now, ahead = (b1 * (1 - 0.5 * 0.96 ** (t * o.get("momentum_decay", 4e-3))) for t in (STEP, STEP + 1))
        product = float(np.float32(SCALARS["NAdam"]["mu_product"]) * np.float32(now))  # as PyTorch keeps it
        mean = (1 - now) * d / (1 - product) + ahead * m / (1 - product * ahead)
    if rule == "RAdam":
        end = 2 / (1 - b2) - 1
        length = end - 2 * STEP * b2**STEP / (1 - b2**STEP)
        if length <= 5:
            return p - lr * mean, m, v, x
        mean *= math.sqrt((length - 4) * (length - 2) * end / ((end - 4) * (end - 2) * length))
        return p - lr * mean * math.sqrt(1 - b2**STEP) / (math.sqrt(v) + eps), m, v, x
    return p - lr * mean / (math.sqrt(square) + eps), m, v, x


def rmsprop_number(p: float, v: float, a: float, b: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p, its mean square, mean and the momentum buffer after the gradient g."""
    alpha = o.get("alpha", 0.99)
    d = pulled(g, p, o)
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


def adagrad_number(p: float, v: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p and its sum of squares after step STEP."""
    d = pulled(g, p, o)
    v = v + d * d
    return p - o["lr"] / (1 + (STEP - 1) * o.get("lr_decay", 0)) * d / (math.sqrt(v) + o.get("eps", 1e-10)), v


def adadelta_number(p: float, v: float, a: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p, its mean square and that of its moves."""
    rho, eps = o.get("rho", 0.9), o.get("eps", 1e-6)
    d = pulled(g, p, o)
    v = rho * v + (1 - rho) * d * d
    d = math.sqrt(a + eps) / math.sqrt(v + eps) * d
    return p - o["lr"] * d, v, rho * a + (1 - rho) * d * d


def adamax_number(p: float, m: float, u: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p, its mean and the largest gradient, which fades, after step STEP."""
    b1, b2 = o.get("betas", (0.9, 0.999))
    d = pulled(g, p, o)
    m, size = b1 * m + (1 - b1) * d, abs(d) + o.get("eps", 1e-8)
    u = math.nan if math.isnan(size) else max(b2 * u, size)
    return p - o["lr"] / (1 - b1**STEP) * m / u, m, u


def rprop_number(p: float, b: float, s: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p, its last gradient and its step."""
    (minus, plus), (least, most) = o.get("etas", (0.5, 1.2)), o.get("step_sizes", (1e-6, 50))
    g = -g if o.get("maximize") else g
    turn = sign(g) * sign(b)
    if math.isnan(turn):
        return math.nan, g, math.nan
    s = min(max(s * (plus if turn > 0 else minus if turn < 0 else 1), least), most)
    g = 0.0 if turn < 0 else g
    return p - sign(g) * s, g, s


def asgd_number(p: float, a: float, g: float, o: dict[str, Any]) -> tuple[float, ...]:
    """The parameter p and its average; the step's length and the average's share are SCALARS."""
    eta, mu = (SCALARS["ASGD"][name] for name in ("eta", "mu"))
    p = p - o.get("lambd", 1e-4) * eta * p - eta * pulled(g, p, o)
    return p, a + mu * (p - a)


NUMBERS: dict[str, Any] = {
    "SGD": sgd_number,
    **{rule: partial(adam_number, rule) for rule in ("Adam", "AdamW", "NAdam", "RAdam")},
    "RMSprop": rmsprop_number,
    "Adagrad": adagrad_number,
    "Adadelta": adadelta_number,
    "Adamax": adamax_number,
    "Rprop": rprop_number,
    "ASGD": asgd_number,
}


def step(rule: str, arrays: dict[str, np.ndarray], options: dict[str, Any]) -> dict[str, np.ndarray]:
    """The parameter "p" and its states after one step along the gradient "g", element by element."""
    after = {name: np.array(array, np.float64) for name, array in arrays.items()}
    names = ("p", *STATES[rule])
    for i in np.ndindex(arrays["p"].shape):
        found = NUMBERS[rule](*(float(after[name][i]) for name in (*names, "g")), options)
        for name, value in zip(names, found, strict=False):
            after[name][i] = value
    return after


MOMENTS = ("exp_avg", "exp_avg_sq")
STATES = {
    "SGD": ("momentum_buffer",),
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam"), (*MOMENTS, "max_exp_avg_sq")),
    "RMSprop": ("square_avg", "grad_avg", "momentum_buffer"),
    "Adagrad": ("sum",),
    "Adadelta": ("square_avg", "acc_delta"),
    "Adamax": ("exp_avg", "exp_inf"),
    "Rprop": ("prev", "step_size"),
    "ASGD": ("ax",),
}
SCALARS: dict[str, dict[str, float]] = {"NAdam": {"mu_product": 0.75}, "ASGD": {"eta": 0.125, "mu": 0.25}}
POSITIVE = {"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum", "acc_delta", "exp_inf", "step_size"}


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
            for name in sorted(POSITIVE & one.keys()):
                one[name] = np.asarray(0.5 + rng.random(shape) + one.get("grad_avg", one["p"] * 0) ** 2)
            made.append(one)
        return made


MOMENTUM = ("momentum_buffer",)
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
    OptimCase("Adam", {"lr": 0.25, "amsgrad": True, "weight_decay": 0.5, "maximize": True}, STATES["Adam"]),
    OptimCase("AdamW", {"lr": 0.25, "amsgrad": True, "weight_decay": 0.5}, STATES["AdamW"]),
    OptimCase("NAdam", {"lr": 0.25, "weight_decay": 0.5}, MOMENTS, {"maximize": True}),
    OptimCase("NAdam", {"lr": 0.25, "weight_decay": 0.5, "eps": 0.125, "decoupled_weight_decay": True}, MOMENTS),
    OptimCase("RAdam", {"lr": 0.25, "weight_decay": 0.5}, MOMENTS),
    OptimCase("RAdam", {"lr": 0.25, "betas": (0.8, 0.2), "eps": 0.125, "weight_decay": 0.5}, MOMENTS),
    OptimCase("Adagrad", {"lr": 0.25, "weight_decay": 0.5}, ("sum",), {"lr_decay": 0.5}),
    OptimCase("Adadelta", {"lr": 1.0, "weight_decay": 0.5, "l1": 0.25}, STATES["Adadelta"]),
    OptimCase("Adadelta", {"lr": 1.0, "rho": 0.75, "eps": 0.125, "maximize": True}, STATES["Adadelta"]),
    OptimCase("Adamax", {"lr": 0.25}, STATES["Adamax"]),
    OptimCase("Adamax", {"lr": 0.25, "eps": 0.5, "weight_decay": 0.5, "maximize": True}, STATES["Adamax"]),
    OptimCase("Rprop", {"lr": 0.25}, STATES["Rprop"], {"maximize": True}),
    OptimCase("Rprop", {"lr": 0.25, "etas": (0.25, 2.0), "step_sizes": (0.25, 1.5)}, STATES["Rprop"], {}),
    OptimCase("ASGD", {"lr": 0.25, "lambd": 0.5, "weight_decay": 0.5}, ("ax",), {"maximize": True}),
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
