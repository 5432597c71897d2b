"""What watches a Module's calls: functions before and after forward, and at the end of its way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gpunn.backend import Array
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.record import record_all
from gpunn.engine.tensor import Tensor, data_of
from gpunn.handle import Handle


class Hook(NamedTuple):
    """A function, when it is called ("before", "after", "backward"), and whether it sees the keyword arguments."""

    when: str
    function: Callable
    with_kwargs: bool = False


class Hooks:
    """The part of a Module that registers what watches its calls."""

    _forward_hooks: dict[int, Hook]  # of every kind, in the order in which they are called

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call hook(module, args) before each forward; what it gives, unless None, takes the place of args.

        With `with_kwargs` hook(module, args, kwargs), which gives None or both.

        >>> layer = nn.ReLU()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: -args[0])
        >>> layer(np.array([-2.0]))
        array([2.])
        """
        return self._hooked(Hook("before", hook, with_kwargs), prepend)

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call hook(module, args, y) after each forward; what it gives, unless None, takes the place of y.

        With `with_kwargs` hook(module, args, kwargs, y).

        >>> layer = nn.ReLU()
        >>> handle = layer.register_forward_hook(lambda module, args, y: y + 1)
        >>> layer(np.array([-2.0]))
        array([1.])
        """
        return self._hooked(Hook("after", hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call hook(module, grad_input, grad_output) when the gradients of a call's Tensors have been computed.

        Both are tuples, a Tensor or None for each argument and each result. What it gives, unless None, takes the place
        of grad_input on the way back.

        >>> layer, x = nn.Linear(2, 1), gpunn.tensor([[1.0, 2.0]], requires_grad=True)
        >>> handle = layer.register_full_backward_hook(lambda module, gx, gy: (gx[0] * 0,))
        >>> layer(x).sum().backward()
        >>> x.grad
        Tensor([[0., 0.]])
        """
        return self._hooked(Hook("backward", hook), prepend)

    def _hooked(self, hook: Hook, prepend: bool) -> Handle:
        if not callable(hook.function):
            got = type(hook.function).__name__
            raise TypeError(f"{type(self).__name__}: the hook is a {got}, expected a function; pass it without calling")
        held = self._forward_hooks
        key = max(held, default=-1) + 1
        self._forward_hooks = {key: hook, **held} if prepend else {**held, key: hook}

        def remove() -> None:
            if self._forward_hooks.get(key) is hook:  # else removed already, and the key perhaps another's
                self._forward_hooks = {k: one for k, one in self._forward_hooks.items() if k != key}

        return Handle(remove)


def called(module: Any, forward: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """What forward gives, with the module's hooks around it."""
    hooks = tuple(module._forward_hooks.values())
    for hook in hooks:
        if hook.when == "before":
            args, kwargs = _before(module, hook, args, kwargs)
    watching = [hook.function for hook in hooks if hook.when == "backward"]
    way_back = _WayBack(module, watching) if watching and is_grad_enabled() else None
    if way_back is not None:
        args = way_back.entered(args)
    y = forward(*args, **kwargs)
    for hook in hooks:
        if hook.when == "after":
            seen = (args, kwargs, y) if hook.with_kwargs else (args, y)
            changed = hook.function(module, *seen)
            y = y if changed is None else changed
    return y if way_back is None else way_back.left(y)


def _before(module: Any, hook: Hook, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The arguments after one hook."""
    if not hook.with_kwargs:
        changed = hook.function(module, args)
        return args if changed is None else changed if isinstance(changed, tuple) else (changed,), kwargs
    changed = hook.function(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if not isinstance(changed, tuple) or len(changed) != 2:
        raise TypeError(
            f"{type(module).__name__}: a hook with_kwargs gave a {type(changed).__name__}, expected None or "
            "(args, kwargs); give both"
        )
    return changed


class _WayBack:
    """One call's arguments and results as Tensors of their own, through which gradients pass the hooks."""

    def __init__(self, module: Any, hooks: list[Callable]):
        self.module, self.hooks = module, hooks
        self.grad_output: tuple[Tensor | None, ...] = ()
        self.count, self.places = 0, ()

    def entered(self, args: tuple) -> tuple:
        """The arguments, those that want a gradient as Tensors whose gradient passes the hooks."""
        self.count = len(args)
        args, self.places = _passed(args, self._given)
        return args

    def left(self, y: Any) -> Any:
        """The results, whose gradients are noted on the way back."""
        several = isinstance(y, tuple)
        ys, places = _passed(y if several else (y,), lambda gys, needs: self._noted(len(ys), places, gys))
        return ys if several else ys[0]

    def _noted(self, count: int, places: tuple[int, ...], gys: Gradients) -> Gradients:
        self.grad_output = _spread(count, places, gys)
        if not self.places:  # no argument wants a gradient: the way back ends here
            for hook in self.hooks:
                hook(self.module, (None,) * self.count, self.grad_output)
        return gys

    def _given(self, gxs: Gradients, needs: Needs) -> Gradients:
        grad_input = _spread(self.count, self.places, gxs)
        for hook in self.hooks:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is None:
                continue
            grad_input = changed if isinstance(changed, tuple) else (changed,)
            if len(grad_input) != self.count:
                raise RuntimeError(
                    f"{type(self.module).__name__}: a backward hook gave {len(grad_input)} gradients, expected "
                    f"{self.count}, one an argument, or None"
                )
        return tuple([None if (g := grad_input[at]) is None else data_of(g) for at in self.places])


def _passed(values: tuple, backward: Callable[[Gradients, Needs], Gradients]) -> tuple[tuple, tuple[int, ...]]:
    """The values, those that want gradients as new Tensors of one node; and the places of these."""
    places = tuple([i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad])
    if not places:
        return values, places
    tensors = [values[i] for i in places]
    new = dict(zip(places, record_all("hook", [data_of(t) for t in tensors], tensors, backward), strict=True))
    return tuple([new.get(i, v) for i, v in enumerate(values)]), places


def _spread(count: int, places: tuple[int, ...], gradients: Gradients) -> tuple[Tensor | None, ...]:
    """A gradient for each of so many, None where there is none."""
    held: dict[int, Array | None] = dict(zip(places, gradients, strict=True))
    return tuple([None if held.get(i) is None else Tensor(held[i]) for i in range(count)])
