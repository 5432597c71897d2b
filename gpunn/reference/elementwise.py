"""Functions of up to three arrays, number by number in float64: the oracle, and what it is asked about."""

from __future__ import annotations

import itertools
import math

import numpy as np


def _larger(u, v):
    return u if u > v or u != u else v


def _smaller(u, v):
    return u if u < v or u != u else v


def _share(v, w, lost):
    """What v gets of the gradient of the one that was chosen of v and w."""
    return 0.0 if lost else 0.5 if v == w else 1.0


def _remainder(u, v):
    """What is left of u, of v's sign."""
    left = np.fmod(u, v)
    return left + v if left != 0 and (left < 0) != (v < 0) else left


def _power_slope(gy, v, w):
    return gy * (0.0 if w == 0 else w * v ** (w - 1))


def _power_log(gy, v, w):
    return gy * (0.0 if v == 0 and w >= 0 else v**w * np.log(v))


def _logistic(v):
    return np.exp(min(v, 0.0)) / (1 + np.exp(-abs(v)))


def _huber(u, t, width, scale):
    """Half the square of what is near, a line beyond."""
    far = abs(u - t)
    return scale * ((u - t) ** 2 / 2 if far <= width else width * (far - width / 2))


def _counted(weight, x):
    """A product of which 0 counts nothing."""
    return np.float64(0) if weight == 0 or x == 0 else weight * x


def _logistic_error(u, t):
    """-t log(1 / (1 + exp(-u))) - (1 - t) log(1 / (1 + exp(u))), what is far from 0 by itself."""
    far = _counted(1 - t, u if u > 0 else 0) + _counted(t, -u if u < 0 else 0)
    return far + (t + (1 - t)) * np.log1p(np.exp(-abs(u)))


FUNCTIONS = {
    "copy": lambda u: u,
    "add": lambda u, v: u + v,
    "subtract": lambda u, v: u - v,
    "multiply": lambda u, v: u * v,
    "true_divide": lambda u, v: u / v,
    "maximum": _larger,
    "minimum": _smaller,
    "power": lambda u, v: u**v,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "absolute": abs,
    "negative": lambda u: -u,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "rsqrt": lambda u: 1 / np.sqrt(u),
    "erf": math.erf,
    "erfc": math.erfc,
    "rint": np.rint,
    "floor": np.floor,
    "sign": lambda u: float(u > 0) - float(u < 0),
    "remainder": _remainder,
    "clip": lambda u, low, high: _smaller(_larger(u, np.float64(low)), np.float64(high)),
    "divide_slope": lambda gy, v, y: -(gy / v) * y,
    "sqrt_slope": lambda gy, y: gy / (y + y),
    "absolute_slope": lambda gy, x: gy * (float(x > 0) - float(x < 0)),
    "clip_slope": lambda gy, x, low, high: gy * float(low <= x <= high),
    "maximum_slope": lambda gy, v, w: gy * _share(v, w, v < w),
    "minimum_slope": lambda gy, v, w: gy * _share(v, w, v > w),
    "power_slope": _power_slope,
    "power_log": _power_log,
    "glu": lambda u, v: u * _logistic(v),
    "glu_slope": lambda gy, u, v: gy * u * _logistic(v) * _logistic(-v),
    "squared_error": lambda u, t: (u - t) ** 2,
    "squared_error_slope": lambda gy, u, t: gy * 2 * (u - t),
    "absolute_error": lambda u, t: abs(u - t),
    "absolute_error_slope": lambda gy, u, t: gy * (float(u > t) - float(u < t)),
    "huber": _huber,
    "huber_slope": lambda gy, u, t, width, scale: gy * scale * np.clip(u - t, -width, width),
    "logistic_error": _logistic_error,
    "logistic_error_slope": lambda gy, u, t: gy * (_logistic(u) - t),
}
BOUNDS = (-0.5, 1.25)  # of clip
OPTIONS = {"clip": BOUNDS, "clip_slope": BOUNDS, "huber": (0.75, 1.5), "huber_slope": (0.75, 1.5)}
EXACT = {"copy", "maximum", "minimum", "absolute", "negative", "clip", "rint", "floor", "sign"}
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 2.0, -1.5, 0.25)


def arity(name):
    """How many arrays a function takes."""
    unary = ("copy", "exp", "log", "sqrt", "absolute", "negative", "clip", "log1p", "expm1", "rsqrt")
    unary += ("erf", "erfc", "rint", "floor", "sign")
    three = ("divide_slope", "maximum_slope", "minimum_slope", "power_slope", "power_log", "glu_slope")
    three += tuple([one for one in FUNCTIONS if one.endswith(("error_slope", "huber_slope"))])
    return 1 if name in unary else 3 if name in three else 2


def value(name, *operands):
    """The function of arrays and numbers, element by element."""
    options = OPTIONS.get(name, ())
    arrays = np.broadcast_arrays(*operands)
    with np.errstate(all="ignore"):
        found = [FUNCTIONS[name](*numbers, *options) for numbers in zip(*(a.reshape(-1) for a in arrays), strict=True)]
    return np.array(found, np.float64).reshape(arrays[0].shape)


NUMBER = 1.5  # what stands for a None among the shapes
SHAPES = (  # of u, v and w; only the first ones of a function of fewer
    ("alike", (2, 3, 8, 4), (2, 3, 8, 4), (2, 3, 8, 4)),
    ("odd", (3, 5), (3, 5), (3, 5)),
    ("rows repeated", (5, 16), (16,), (5, 16)),
    ("columns repeated", (5, 16), (5, 1), (1,)),
    ("the first repeated", (1, 16), (6, 16), (6, 1)),
    ("crossed", (4, 1, 6, 1), (5, 1, 8), (4, 5, 6, 8)),
    ("one element", (1, 1), (1,), ()),
    ("0-d", (), (), ()),
    ("nothing", (0, 3), (1, 3), (0, 1)),
    ("one thread past a block", (2052,), (2052,), (2052,)),
)
WITH_NUMBERS = (("a number behind", (3, 16), None), ("a number before", None, (3, 16)))


def inputs(shapes, seed):
    """Numbers of both signs in a fixed order; where there is room, every pair of special ones among them."""
    rng = np.random.default_rng(seed)
    draw = lambda shape: np.asarray(rng.uniform(0.3, 2, shape) * rng.choice([-1, 1], shape))  # noqa: E731
    made = [None if shape is None else draw(shape) for shape in shapes]
    pairs = np.array(list(itertools.product(SPECIAL, SPECIAL)))
    for i, one in enumerate(made[-2:]):
        if one is not None and one.size > len(pairs) and len(set(shapes)) == 1:
            one.reshape(-1)[: len(pairs)] = pairs[:, i]
    return made


# x's shape, y's, where x begins along each axis, and in what steps.
FRAMES = (
    ("channels after", (2, 8, 3, 4), (2, 16, 3, 4), (0, 4, 0, 0), (1, 1, 1, 1)),
    ("odd channels", (2, 3, 3, 4), (2, 6, 3, 4), (0, 2, 0, 0), (1, 1, 1, 1)),
    ("every second pixel", (2, 8, 3, 4), (2, 8, 6, 7), (0, 0, 0, 0), (1, 1, 2, 2)),
    ("every third from the second", (3, 5), (8, 14), (1, 1), (3, 3)),
    ("a frame", (3, 4), (5, 12), (1, 4), (1, 1)),
    ("a row", (1, 8), (5, 8), (3, 0), (1, 1)),
    ("at the end", (2, 8), (2, 16), (0, 8), (1, 1)),
    ("all of it", (2, 3, 4), (2, 3, 4), (0, 0, 0), (1, 1, 1)),
    ("nothing in it", (0, 4), (3, 4), (1, 0), (1, 1)),
    ("0-d", (), (), (), ()),
    ("one thread past a block", (4100,), (4104,), (4,), (1,)),
)


def placed(x, shape, first, step, value):
    """x laid into an array of another shape, element by element."""
    y = np.full(shape, value, np.float64)
    for index in np.ndindex(x.shape):
        y[tuple(at + i * by for at, i, by in zip(first, index, step, strict=True))] = x[index]
    return y
