"""What the options of optimisers and schedules must be, by name: numbers, in their limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunn import kinds
from gpunn.backend import is_array
from gpunn.engine.tensor import Tensor
from gpunn.kinds import Kind
from gpunn.text import brief


@dataclass(frozen=True)
class Option:
    """What an option must be, and a value that is."""

    kind: Kind
    usual: object


def at_least_0(usual: object) -> Option:
    """The row of an option that is a number >= 0."""
    return Option(kinds.number("a finite number >= 0", lambda v: v >= 0), usual)


def numbers(words: str, holds: Callable[..., bool]) -> Kind:
    """A tuple of as many finite numbers as `holds` takes, of which it is true."""
    count, one = holds.__code__.co_argcount, kinds.number()
    return Kind(words, lambda v: isinstance(v, tuple) and len(v) == count and all(map(one.holds, v)) and holds(*v))


BELOW_1 = kinds.number("in [0, 1)", lambda v: 0 <= v < 1)
PAIR = Kind("two numbers in [0, 1)", lambda v: isinstance(v, tuple) and len(v) == 2 and all(map(BELOW_1.holds, v)))
SWITCH = Kind("True or False", lambda v: type(v) is bool)
# How a step is computed, which PyTorch leaves to choose; what would change its results is refused.
HOW = {
    **dict.fromkeys(("foreach", "fused", "capturable"), Option(kinds.maybe(SWITCH), None)),
    "differentiable": Option(Kind("False: a step is not recorded", lambda v: v is False), False),
}
OF_SCHEDULES = {  # what a schedule leaves in a group, as PyTorch's do
    **{name: at_least_0(1e-3) for name in ("initial_lr", "max_lr", "min_lr", "swa_lr")},
    **{name: Option(BELOW_1, 0.9) for name in ("max_momentum", "base_momentum")},
}
OF_OPTIMISERS = {
    "lr": at_least_0(1e-3),
    "weight_decay": at_least_0(1e-4),
    "l1": at_least_0(0),
    "eps": at_least_0(1e-8),
    "momentum": at_least_0(0.9),
    "dampening": Option(kinds.number(), 0),
    "alpha": Option(kinds.number("a number in [0, 1]", lambda v: 0 <= v <= 1), 0.99),
    "betas": Option(PAIR, (0.9, 0.999)),
    "nesterov": Option(SWITCH, False),
    "centered": Option(SWITCH, False),
    "amsgrad": Option(SWITCH, False),
    "maximize": Option(SWITCH, False),
    "decoupled_weight_decay": Option(SWITCH, False),
    "rho": Option(kinds.number("a number in [0, 1]", lambda v: 0 <= v <= 1), 0.9),
    "lr_decay": at_least_0(0),
    "initial_accumulator_value": at_least_0(0),
    "momentum_decay": at_least_0(4e-3),
    "etas": Option(numbers("two numbers with 0 < first < 1 < second", lambda a, b: 0 < a < 1 < b), (0.5, 1.2)),
    "step_sizes": Option(numbers("two numbers, the first no larger", lambda a, b: 0 <= a <= b), (1e-6, 50)),
    "lambd": Option(kinds.number(), 1e-4),
    "t0": Option(kinds.number(), 1e6),
    **OF_SCHEDULES,
}


def checked(name: str, given: Mapping[str, Any], options: Mapping[str, Option] = OF_OPTIMISERS) -> dict[str, Any]:
    """What was given, as plain numbers; TypeError or ValueError for the first option that is not what it must be.

    Options that have no row pass unchanged: an optimiser of the user's own may have any.

    Examples:
        >>> from gpunn.optim.options import checked
        >>> checked("SGD", {"lr": "1e-3"})
        Traceback (most recent call last):
        TypeError: SGD: lr must be a finite number >= 0, got '1e-3'; usual: 0.001
    """
    found = {option: as_plain(value) if option in options else value for option, value in given.items()}
    for option in [option for option in found if option in options]:
        kind, usual, value = options[option].kind, options[option].usual, found[option]
        if not kind.holds(value):
            error = ValueError if _is_alike(value, usual) else TypeError
            raise error(f"{name}: {option} must be {kind.words}, got {brief(value)}; usual: {usual}")
    return found


def as_plain(value: Any) -> Any:
    """NumPy's numbers, and arrays and Tensors of one, as Python's; lists as tuples."""
    if isinstance(value, (tuple, list)):
        return tuple(map(as_plain, value))
    value = value.array if isinstance(value, Tensor) else value
    is_one = isinstance(value, np.generic) or (is_array(value) and value.size == 1)
    return value.item() if is_one else value


def is_number(value: Any) -> bool:
    """Whether a value is one of Python's numbers, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_alike(value: Any, usual: Any) -> bool:
    """Whether a value is of the type wanted, and so only out of range."""
    if isinstance(usual, tuple):
        return isinstance(value, tuple) and all(_is_alike(v, usual[0]) for v in value)
    return is_number(value) if is_number(usual) else type(value) is type(usual)
