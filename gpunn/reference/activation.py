"""Activations and their slopes, number by number in float64: the oracle, and what it is asked about."""

import math

import numpy as np

ACTIVATIONS = (
    *((name, ()) for name in ("relu", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh")),
    *(("leaky_relu", (a,)) for a in (0.01, 0.0, 2.0, -0.5, 1.5)),  # of 16 bits a half more is a tie every other time
    *(("elu", (a,)) for a in (1.0, 0.25, -2.0)),
    *(("hardtanh", bounds) for bounds in ((-1.0, 1.0), (0.0, 6.0), (0.25, 15.0))),
    *(("softplus", options) for options in ((1.0, 20.0), (0.5, 1.0), (-2.0, 20.0), (-1.0, math.inf))),
    *((name, ()) for name in ("hardswish", "hardsigmoid", "selu", "mish", "tanhshrink", "softsign")),
    *((name, (width,)) for name in ("hardshrink", "softshrink") for width in (0.5, 0.0)),
    ("threshold", (0.0, 8.0)),
    *(("celu", (a,)) for a in (1.0, 0.5, -2.0)),
)
SHAPES = ((), (1,), (0, 3), (7,), (16,), (2, 3, 5, 4), (1, 8, 2, 2), (3, 1400))  # the last: a thread of every access


def inputs(shape):
    """Numbers of both signs and of every size, in a fixed order."""
    count = math.prod(shape)
    sizes = np.array([0.3, 1.7, 0.01, 6.0, 0.9, 15.0, 2.5, 100.0, 0.0])[np.arange(count) % 9]
    return (sizes * np.where(np.arange(count) % 2, -1, 1) * np.linspace(1, 1.1, count)).reshape(shape)


def extremes():
    """NaN, the infinities, both zeros, and numbers at either end of float16."""
    ends = np.array([65504.0, 40000.0, 6.1e-5, 5.9e-5, 1.5 * 2.0**-24, 2.0**-24])
    return np.concatenate([[np.nan, np.inf, -np.inf, 0.0, -0.0], ends, -ends])


def is_exact(name, options=()):
    """Whether every value is one product of numbers that float32 has."""
    of_two = name == "leaky_relu" and float(np.float32(options[0])) == options[0]
    return of_two or name in ("relu", "hardtanh", "hardshrink", "threshold")


def value(name, x, options=()):
    """f(x), element by element."""
    return _mapped(lambda v: _value(name, v, *options), x)


def slope(name, x, options=()):
    """f'(x), element by element."""
    return _mapped(lambda v: _slope(name, v, *options), x)


def slope_of_value(name, y, options=()):
    """f'(x) of those functions whose y = f(x) tells it, element by element."""
    return _mapped(lambda v: _slope_of_value(name, v, *options), y)


def _mapped(function, x):
    return np.array([function(float(v)) for v in x.reshape(-1)], np.float64).reshape(x.shape)


def _logistic(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _bend(x):
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _expm1(x):
    return math.inf if x >= 700 else math.expm1(x)


def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _mish_slope(x, a):
    t = math.tanh(_softplus(x))
    return t + (0.0 if x > 700 else x * (1 - t * t) * _logistic(x))


SELU, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
CURVES = {  # values by x and the options
    "hardswish": lambda x, a, b: x * min(max(x + 3, 0), 6) / 6 if x == x else x,
    "hardsigmoid": lambda x, a, b: min(max(x + 3, 0), 6) / 6 if x == x else x,
    "hardshrink": lambda x, a, b: 0.0 if -a <= x <= a else x,
    "softshrink": lambda x, a, b: 0.0 if -a <= x <= a else x - math.copysign(a, x),
    "threshold": lambda x, a, b: b if x <= a else x,
    "selu": lambda x, a, b: SELU * (x if x > 0 else SELU_ALPHA * math.expm1(x)),
    "celu": lambda x, a, b: x if x > 0 else a * _expm1(x / a),
    "mish": lambda x, a, b: x * math.tanh(_softplus(x)),
    "tanhshrink": lambda x, a, b: x - math.tanh(x),
    "softsign": lambda x, a, b: x / (1 + abs(x)),
}
SLOPES = {  # of those whose x tells them
    "hardswish": lambda x, a: 0.0 if x <= -3 else 1.0 if x >= 3 else x / 3 + 0.5,
    "hardsigmoid": lambda x, a: 1 / 6 if -3 < x < 3 else 0.0,
    "hardshrink": lambda x, a: 0.0 if -a <= x <= a else 1.0,
    "softshrink": lambda x, a: 0.0 if -a <= x <= a else 1.0,
    "threshold": lambda x, a: 0.0 if x <= a else 1.0,
    "mish": _mish_slope,
    "tanhshrink": lambda x, a: math.tanh(x) ** 2,
    "softsign": lambda x, a: 1 / (1 + abs(x)) ** 2,
}


def _value(name, x, a=0.0, b=0.0):
    if name == "relu":
        return max(x, 0.0)
    if name == "leaky_relu":
        return x if x > 0 else a * x
    if name == "tanh":
        return math.tanh(x)
    if name == "sigmoid":
        return _logistic(x)
    if name == "silu":
        return x * _logistic(x)
    if name == "gelu":
        return x * _cdf(x)
    if name == "gelu_tanh":
        return 0.5 * x * (1 + math.tanh(_bend(x)))
    if name == "elu":
        return x if x > 0 else a * math.expm1(x)
    if name == "hardtanh":
        return a if x < a else b if x > b else x
    if name in CURVES:
        return CURVES[name](x, a, b)
    assert name == "softplus"
    return x if a * x > b else (max(a * x, 0) + math.log1p(math.exp(-abs(a * x)))) / a


def _slope(name, x, a=0.0, b=0.0):
    if name == "relu":
        return float(not x <= 0)
    if name == "leaky_relu":
        return 1.0 if x > 0 else a
    if name == "tanh":
        return 1 - math.tanh(x) ** 2
    if name == "sigmoid":
        return _logistic(x) * _logistic(-x)
    if name == "silu":
        return _logistic(x) * (1 + x * _logistic(-x))
    if name == "gelu":
        return _cdf(x) + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    if name == "gelu_tanh":
        t = math.tanh(_bend(x))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    if name == "elu":
        return 1.0 if x > 0 else a * math.exp(x)
    if name == "hardtanh":
        return 0.0 if x <= a or x >= b else 1.0
    if name in SLOPES:
        return SLOPES[name](x, a)
    assert name == "softplus"
    return 1.0 if a * x > b else _logistic(a * x)


def _slope_of_value(name, y, a=0.0):
    if name == "relu":
        return float(not y <= 0)  # of NaN 1, as PyTorch's
    if name == "leaky_relu":
        return 1.0 if y > 0 else a
    if name == "tanh":
        return 1 - y * y
    if name == "sigmoid":
        return y * (1 - y)
    if name == "selu":
        return SELU if y > 0 else y + SELU * SELU_ALPHA
    if name == "celu":
        return 1.0 if y > 0 else y / a + 1
    assert name == "elu"
    return 1.0 if y > 0 else y + a
