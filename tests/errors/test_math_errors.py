"""Every refusal of the mathematical functions: the function's name, what it got, what it expected, what to do."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from tests.errors.refusals import check_refused

X, WHOLE, MASK = np.ones((2, 3)), np.ones(3, int), np.ones(3, bool)

# name: (call, error, words that the text must hold)
REFUSED = {
    "frac of integers": (lambda: ops.frac(WHOLE), TypeError, ["frac: got dtype int64", "floating point", "astype"]),
    "floor of bool": (
        lambda: ops.floor(MASK),
        TypeError,
        ["floor: got dtype bool", "expected numbers", ".to('int64')"],
    ),
    "decimals": (lambda: ops.round(X, 1.5), TypeError, ["round: decimals is 1.5", "expected an int"]),
    "decimals of integers": (lambda: ops.round(WHOLE, 1), TypeError, ["round: got int64 and decimals 1", "convert x"]),
    "quotient by 0": (
        lambda: Tensor(WHOLE) // 0,
        ZeroDivisionError,
        ["floor_divide: got integers divided by 0", "expected another divisor", "convert to floats"],
    ),
    "remainder by 0": (lambda: ops.remainder(WHOLE, WHOLE * 0), ZeroDivisionError, ["remainder: got integers divided"]),
    "fmod by 0": (lambda: ops.fmod(MASK, 0), ZeroDivisionError, ["fmod: got integers divided by 0"]),
    "rounding mode": (
        lambda: ops.div(X, X, rounding_mode="up"),
        ValueError,
        ["div: rounding_mode is 'up'", "'floor', 'trunc'"],
    ),
    "alpha": (lambda: ops.add(WHOLE, WHOLE, alpha=0.5), TypeError, ["add: alpha is 0.5 beside integers", "an int"]),
    "bits of floats": (
        lambda: Tensor(X) & 1,
        TypeError,
        ["bitwise_and: got float64", "integers or bool", "logical_and"],
    ),
    "bits of a float": (lambda: ops.bitwise_or(1.5, WHOLE), TypeError, ["bitwise_or: got a float", "compare first"]),
    "not of floats": (lambda: ~Tensor(X), TypeError, ["bitwise_not: got float64", "ops.logical_not"]),
    "close of two kinds": (
        lambda: ops.isclose(X, np.ones((2, 3), np.float32)),
        TypeError,
        ["isclose: got float64 and float32", "expected one dtype", ".to()"],
    ),
    "rtol": (lambda: ops.isclose(X, X, rtol=-1), ValueError, ["isclose: rtol is -1", "at least 0"]),
    "lerp of integers": (lambda: ops.lerp(WHOLE, WHOLE, 0.5), TypeError, ["lerp: got int64", "floating point", ".to("]),
    "addcdiv of integers": (lambda: ops.addcdiv(X, WHOLE, WHOLE), TypeError, ["addcdiv: got int64", "floating point"]),
    "value": (
        lambda: ops.addcmul(WHOLE, WHOLE, WHOLE, value=0.5),
        TypeError,
        ["addcmul: value is 0.5 beside integers", "expected an int", "convert x"],
    ),
    "shapes": (lambda: ops.hypot(X, np.ones(4)), ValueError, ["hypot: the shapes (2, 3) and (4,) do not broadcast"]),
    "no bound": (lambda: Tensor(X).clamp(), ValueError, ["clip: got neither min nor max", "min=0"]),
    "a bound of words": (lambda: ops.clamp(X, "0"), TypeError, ["clip: min is a str", "expected a number, an array"]),
    "std of one": (lambda: ops.std(np.ones(1)), ValueError, ["std: 1 element(s) with correction 1", "correction=0"]),
    "std of integers": (lambda: Tensor(WHOLE).std(), TypeError, ["std: got dtype int64", "floating point"]),
    "nanmean of integers": (lambda: ops.nanmean(WHOLE), TypeError, ["nanmean: got dtype int64", "floating point"]),
    "nuclear norm": (
        lambda: ops.norm(X, "nuc"),
        ValueError,
        ["norm: p is 'nuc'", "a number or 'fro'", "np.linalg.norm"],
    ),
    "smallest of none": (
        lambda: ops.norm(X[:0], -np.inf),
        ValueError,
        ["vector_norm: got shape (0, 3)", "one element"],
    ),
    "no dim": (lambda: ops.cumsum(X), TypeError, ["cumsum: dim is missing", "pass for example dim=0"]),
    "dim": (lambda: ops.cumprod(X, 2), IndexError, ["cumprod: dim is 2", "expected -2 to 1"]),
    "two names": (lambda: ops.sort(X, 0, axis=1), TypeError, ["sort: got both dim 0 and axis 1", "pass one"]),
    "unknown name": (
        lambda: ops.sort(X, dims=1),
        TypeError,
        ["sort: got an unexpected argument 'dims'", "dim or axis"],
    ),
    "k": (lambda: Tensor(X).topk(4), ValueError, ["topk: k is 4", "expected 0 to 3", "(2, 3)", "lower k"]),
    "k of kthvalue": (
        lambda: ops.kthvalue(X, 0),
        ValueError,
        ["kthvalue: k is 0", "expected 1 to 3", "pass another k"],
    ),
    "k of words": (lambda: ops.topk(X, "2"), TypeError, ["topk: k is '2'", "expected an int"]),
    "median of none": (lambda: ops.median(X[:0], 0), ValueError, ["median: got shape (0, 3) and dim 0", "one element"]),
    "median of no integers": (lambda: ops.median(WHOLE[:0]), ValueError, ["median: got shape (0,) of int64"]),
    "mode of none": (lambda: ops.mode(X[:0], 0), ValueError, ["mode: got shape (0, 3) and dim 0", "one element"]),
    "max of none": (lambda: Tensor(X[:0]).max(0), ValueError, ["max: got shape (0, 3)", "at least one element"]),
    "unique's dim": (lambda: ops.unique(X, dim=2), IndexError, ["unique: dim is 2", "expected -2 to 1"]),
    "counts of floats": (lambda: ops.bincount(X[0]), TypeError, ["bincount: got dtype float64", "expected integers"]),
    "counts of rows": (lambda: ops.bincount(WHOLE[None]), ValueError, ["bincount: x is (1, 3)", "one dimension"]),
    "counts below 0": (lambda: ops.bincount(-WHOLE), ValueError, ["bincount: x has -1", "no number below 0", "shift"]),
    "weights": (lambda: ops.bincount(WHOLE, X), ValueError, ["bincount: weights is (2, 3)", "expected (3,)", "cut"]),
    "minlength": (lambda: ops.bincount(WHOLE, None, -1), ValueError, ["bincount: minlength is -1", "at least 0"]),
    "bins": (lambda: ops.histc(X, 0), ValueError, ["histc: bins is 0", "expected at least 1"]),
    "limits": (lambda: ops.histc(X, 2, 3, 1), ValueError, ["histc: min is 3 and max 1", "not above max", "swap"]),
    "limits of inf": (
        lambda: ops.histc(X * np.inf, 2),
        ValueError,
        ["histc: x runs from inf to inf", "pass min and max"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_the_text_says_what_was_wrong_and_what_to_do(call, error, words):
    check_refused(call, error, words)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ops.pow(np.array([2, 3]), np.array([2, -1])), "pow: got integers to the power -1, expected"),
        (lambda: ops.take_along_dim(np.array(1.0), np.array(0), 0), "take_along_dim: dim is 0 but x has no dimensions"),
        (lambda: ops.unique(np.array(1.0), dim=0), "unique: dim is 0 but x has no dimensions"),
        (lambda: ops.clip(np.ones(1, np.uint8), -1, np.ones(1, np.uint8)), "clip: min is -1, which uint8 cannot hold"),
    ],
)
def test_what_numpy_would_say_in_its_own_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
