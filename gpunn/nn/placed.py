"""device= and dtype= of layers that hold numbers, as PyTorch's take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable)
PLAIN = "_without_place"  # where the function without the two arguments is


def placed(init: F) -> F:
    """An __init__ that also takes device and dtype, by name, and puts what the layer holds there.

    >>> nn.Linear(2, 1, dtype="float64").weight.dtype
    dtype('float64')
    """

    def __init__(self: Any, *args: object, device: object = None, dtype: object = None, **options: object) -> None:
        init(self, *args, **options)
        if device is not None or dtype is not None:
            self.to(device=device, dtype=dtype)

    own = inspect.signature(init)
    kinds = {"device": "str | Device | int | None", "dtype": "DTypeLike | None"}
    how = inspect.Parameter.KEYWORD_ONLY
    names = [inspect.Parameter(name, how, default=None, annotation=kind) for name, kind in kinds.items()]
    made: Any = update_wrapper(__init__, init)
    setattr(made, PLAIN, init)
    made.__signature__ = own.replace(parameters=[*own.parameters.values(), *names])
    return made
