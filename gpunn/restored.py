"""What an interrupt must not leave behind: settings that hold for a block, put back wherever Ctrl-C comes.

Python raises KeyboardInterrupt between any two lines, the first of a context manager's exit among them. What is kept in
context variables (NumPy's error state, gpunn's device and variants) is put back by the interpreter itself where the
function ran in a context of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token, copy_context
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


def restored(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, after which every context variable is as before, however it ends.

    Examples:
        >>> @restored.restored
        ... def half():
        ...     np.seterr(all="ignore")
        ...     return np.ones(1) / 0
        >>> before = np.geterr()
        >>> half(), np.geterr() == before
        (array([inf]), True)
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return copy_context().run(function, *args, **kwargs)

    return call


class Setting(ContextDecorator, Generic[V]):
    """Context manager and decorator: inside, `variable` is change(what it was), which `as` gets.

    No generator: an interrupt in one leaves the value in five more places.
    """

    def __init__(self, variable: ContextVar[Any], change: Callable[[Any], V]):
        self._variable, self._change = variable, change
        self._before: list[Token[Any]] = []

    def _recreate_cm(self) -> Setting[V]:
        return type(self)(self._variable, self._change)  # as a decorator: one a call

    def __enter__(self) -> V:
        value, token = self._change(self._variable.get(None)), None
        try:
            token = self._variable.set(value)
            self._before.append(token)
            return value
        except BaseException:  # an interrupt: nobody would call __exit__
            if token is not None:
                self._variable.reset(token)
            raise

    def __exit__(self, *exc_info: object) -> None:
        self._variable.reset(self._before[-1])  # to unset, too, where a variable's default then holds
        del self._before[-1]
