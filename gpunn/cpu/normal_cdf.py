"""The standard normal distribution and erf on plain arrays, by rational approximations, since NumPy has neither."""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.over import held, like, over

# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969):
# erf(z) / z in z^2 for z <= 0.46875; exp(z^2) erfc(z) in z up to 4, and beyond in 1 / z^2. Highest power first.
_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
        1.23033935479799725e3,
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
        *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)
_LARGE = (
    (
        *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1),
        *(1.60837851487422766e-2, 6.58749161529837803e-4),
    ),
    (
        *(1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2),
        2.33520497626869185e-3,
    ),
)
# erf(x) / x in x^2 for float32, to 2e-8 of itself where |x| <= 3.92, beyond which erf is 1: fitted to math.erf by
# reweighted least squares.
_SINGLE = (
    (2.05007436237e-6, 2.84883927300e-4, 3.76567780422e-3, 5.27489126758e-2, 0.190407905470, 1.12837914613),
    (3.80916433876e-5, 1.16254990510e-3, 1.49693394541e-2, 0.114109705527, 0.502077353367, 1.0),
)
_ENOUGH = 3.92
_GONE = 10.3  # from here on erfc is 0 in float32
# exp(u^2 / 2) times the normal distribution's tail beyond u, for 0 <= u <= 14, as a ratio of polynomials in u, to
# 6e-8 (1 + u^2 / 2) of itself, as exp is in float32: fitted to math.erfc by reweighted least squares (Lawson, 1961).
# Highest power first, the first polynomial's own being 1; all are positive, so that nothing cancels.
ABOVE = (7.509474085, 23.72681763, 34.65677939)
BELOW = (2.507432011, 18.79662419, 62.35345821, 102.7576018, 69.31356279)
_FAR = 40.0  # here exp(-z^2) is 0 even in float64; beyond, powers of z would overflow in float32


def normal_cdf(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F(a), F'(a)) of the standard normal distribution for an array of float32 or float64, of a's dtype.

    Measured in float64: F is off by at most 2.3e-16, and far left, where it is small, by a few z^2 roundings of itself
    (7e-15 of it at -5).
    """
    z = np.abs(a)
    z *= math.sqrt(0.5)
    np.minimum(z, _FAR, out=z)
    density = np.exp(-(z * z))
    tail = _ratio(_MIDDLE, z)
    far = z > 4
    if far.any():
        outer = z[far]
        inverse = 1 / (outer * outer)
        tail[far] = (1 / math.sqrt(math.pi) - inverse * _ratio(_LARGE, inverse)) / outer
    tail *= density
    tail *= 0.5
    left = np.where(a > 0, 1 - tail, tail)
    z *= z
    inner = _ratio(_SMALL, z)
    inner *= a
    inner *= math.sqrt(0.125)  # a / sqrt(2), halved
    inner += 0.5
    density *= 1 / math.sqrt(2 * math.pi)
    return np.where(z <= 0.46875**2, inner, left), density


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], z: np.ndarray) -> np.ndarray:
    above, below = (_polynomial(c, z) for c in coefficients)
    above /= below
    return above


def _polynomial(coefficients: tuple[float, ...], z: np.ndarray) -> np.ndarray:
    """By Horner's rule; all coefficients and z are positive, so nothing cancels."""
    y = z * coefficients[0]
    for c in coefficients[1:-1]:
        y += c
        y *= z
    y += coefficients[-1]
    return y


def erf(x: np.ndarray) -> np.ndarray:
    """The error function of float32 or float64."""
    return over(_erf_single if x.dtype == np.float32 else _erf, x)[0]


def _erf(a: np.ndarray, y: np.ndarray) -> None:
    z = np.minimum(np.abs(a), _FAR)
    inner = a * _ratio(_SMALL, z * z)
    y[...] = np.where(z <= 0.46875, inner, np.copysign(1 - _tail(z), a))


def _erf_single(a: np.ndarray, y: np.ndarray) -> None:
    z, squared, below = (like(a, name) for name in ("z", "squared", "below"))
    np.multiply(held(a, -_ENOUGH, _ENOUGH, z), z, out=squared)
    for to, (first, *coefficients, last) in ((y, _SINGLE[0]), (below, _SINGLE[1])):
        np.multiply(squared, first, out=to)
        for c in coefficients:
            to += c
            to *= squared
        to += last
    y /= below
    y *= z
    held(y, -1.0, 1.0, y)


def erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x), as exact where it is small."""
    return over(_erfc_single if x.dtype == np.float32 else _erfc, x)[0]


def _erfc_single(a: np.ndarray, y: np.ndarray) -> None:
    """With the tail t of |x|: t, and left of 0 2 - t, which is (1 - s) + s t with the sign s of x."""
    z, other, below = (like(a, name) for name in ("z", "other", "below"))
    np.minimum(np.abs(a, out=z), np.float32(_GONE), out=z)
    np.multiply(z, math.sqrt(2), out=other)
    for to, (first, *coefficients) in ((y, (1.0, *ABOVE)), (below, BELOW)):
        np.multiply(other, first, out=to)
        for c in coefficients[:-1]:
            to += c
            to *= other
        to += coefficients[-1]
    y /= below
    y *= 2  # the normal distribution's tail is half of it
    np.multiply(z, z, out=other)
    y *= np.exp(np.negative(other, out=other), out=other)
    sign = other.view(np.uint32)
    np.bitwise_and(a.view(np.uint32), np.uint32(1 << 31), out=sign)
    np.bitwise_or(sign, np.uint32(0x3F800000), out=sign)
    y *= other
    y += np.subtract(1, other, out=other)


def _erfc(a: np.ndarray, y: np.ndarray) -> None:
    z = np.minimum(np.abs(a), _FAR)
    tail = _tail(z)
    y[...] = np.where(z <= 0.46875, 1 - a * _ratio(_SMALL, z * z), np.where(a < 0, 2 - tail, tail))


def _tail(z: np.ndarray) -> np.ndarray:
    """erfc of z > 0.46875."""
    outer = np.maximum(z, 4)
    inverse = 1 / (outer * outer)
    far = (1 / math.sqrt(math.pi) - inverse * _ratio(_LARGE, inverse)) / outer
    return np.where(z > 4, far, _ratio(_MIDDLE, z)) * np.exp(-(z * z))
