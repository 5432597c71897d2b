"""Whether operations are recorded: for a block, a function, or from now on; each thread has its own answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any


class _Mode(threading.local):
    enabled = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread now."""
    return _mode.enabled


class no_grad(ContextDecorator):
    """Context manager and decorator, `@no_grad()` as `@no_grad`: inside, nothing is recorded in this thread."""

    _wanted = False

    def __new__(cls, function: Callable | None = None) -> Any:
        """An object, or the decorated function."""
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: Callable | None = None) -> None:
        self._before: list[bool] = []

    def _recreate_cm(self) -> no_grad:
        return type(self)()  # as a decorator: one a call, since calls of two threads end in any order

    def __call__(self, function: Callable) -> Callable:
        return _generated(function, self._recreate_cm) if isgeneratorfunction(function) else super().__call__(function)

    def __enter__(self) -> None:
        self._before.append(_mode.enabled)
        _mode.enabled = self._wanted

    def __exit__(self, *exc_info: object) -> None:
        _mode.enabled = self._before[-1]  # before the call below, at whose end an interrupt may come
        self._before.pop()


def _generated(function: Callable, mode: Callable[[], no_grad]) -> Callable:
    """A generator function whose body, and not what runs between its values, is in a mode of its own."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        generator, send, given = function(*args, **options), "send", (None,)
        while True:
            try:
                with mode():
                    value = getattr(generator, send)(*given)
            except StopIteration as end:
                return end.value
            try:
                send, given = "send", ((yield value),)
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:
                send, given = "throw", (error,)

    return call


class enable_grad(no_grad):
    """Context manager and decorator: inside, operations are recorded, in a `no_grad` block, too.

    Examples:
        >>> x = gpunn.ones(1, requires_grad=True)
        >>> with gpunn.no_grad(), gpunn.enable_grad():
        ...     (x * 2).requires_grad
        True
    """

    _wanted = True


class set_grad_enabled(no_grad):
    """Record operations, or do not, from now on; as a context manager or decorator until the end of what is inside.

    Examples:
        >>> x = gpunn.ones(1, requires_grad=True)
        >>> with gpunn.set_grad_enabled(False):
        ...     (x * 2).requires_grad
        False
    """

    def __new__(cls, mode: bool) -> set_grad_enabled:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self._wanted, self._earlier = bool(mode), _mode.enabled
        _mode.enabled = self._wanted

    def __call__(self, function: Callable) -> Callable:
        _mode.enabled = self._earlier
        return super().__call__(function)

    def _recreate_cm(self) -> no_grad:
        return enable_grad() if self._wanted else no_grad()

    def __enter__(self) -> None:
        self._before.append(self._earlier)
        _mode.enabled = self._wanted


class inference_mode(no_grad):
    """`no_grad` under PyTorch's other name; `inference_mode(False)` records what an outer block does not.

    Examples:
        >>> @gpunn.inference_mode()
        ... def predict(x):
        ...     return (x * 2).requires_grad
        >>> predict(gpunn.ones(1, requires_grad=True))
        False
    """

    def __new__(cls, mode: bool | Callable = True) -> Any:
        return cls()(mode) if callable(mode) else object.__new__(cls)

    def __init__(self, mode: bool | Callable = True) -> None:
        super().__init__()
        self._wanted = not mode

    def _recreate_cm(self) -> no_grad:
        return inference_mode(not self._wanted)
