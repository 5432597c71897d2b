"""Numbers among a user's arguments, checked. Errors show an array by its shape: its elements would fill the screen."""

from __future__ import annotations

import operator
from numbers import Real


def shown(value: object) -> str:
    """An argument in an error's words.

    >>> shown("2"), shown(np.ones((2, 3)))
    ("'2'", 'an array (2, 3)')
    """
    shape = getattr(value, "shape", None)
    return f"an array {tuple(shape)}" if shape else repr(value)


def as_int(op: str, name: str, value: object, expected: str = "an int") -> int:
    """`value` as an int, refused where it is none: 1.5 would become 1."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{op}: {name} is {shown(value)}, expected {expected}") from None


def as_number(op: str, name: str, value: object) -> float:
    """`value` as a float, refused where it is no real number; an array of no dimensions is one."""
    if type(value) is float:
        return value
    try:
        if isinstance(value, str | complex):  # which Python reads, and NumPy halves
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{op}: {name} is {shown(value)}, expected a number") from None


def as_probability(op: str, p: object, what: str, name: str = "p") -> float:
    """`p`, refused where it is no probability with which `what` is dropped."""
    if not isinstance(p, Real) or not 0 <= p <= 1:  # type: ignore[operator]
        raise ValueError(f"{op}: {name} is {shown(p)}, expected 0 to 1: the probability with which {what} is dropped")
    return float(p)


def check_eps(op: str, eps: object) -> None:
    """Refuses an eps below 0, or none."""
    if not as_number(op, "eps", eps) >= 0:
        raise ValueError(f"{op}: eps is {eps}, expected at least 0: it keeps the square root of the variance real")
