"""Ops under PyTorch's names of arguments: one translation for all of them.

`named(ops.sum)` is called as torch.sum is: `input`, `dim` and `keepdim` are its `x`, `axis` and `keepdims`, by place or
by name. What PyTorch's functions take beside an op's own arguments, `inplace`, `dtype` and a Tensor for `out`, is done
around the call; what is left out is refused where it asks for something.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from gpunn.engine.tensor import Tensor
from gpunn.ops import in_place
from gpunn.ops.elementwise import in_dtype
from gpunn.scalars import shown

THEIRS = {"axis": "dim", "keepdims": "keepdim", "b": "other", "xs": "tensors"}  # and `input`, whatever comes first
FIRST = ("x", "a")
IGNORED = ("_stacklevel",)  # of PyTorch's own warnings
SWITCHES = ("inplace", "antialias")  # off where nothing says otherwise; other arguments that ops lack are None


def words(text: str) -> tuple[str, ...]:
    """The words of a text, for tables of names."""
    return tuple(text.split())


def reduction_of(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """`reduction`, or what PyTorch's older arguments, where one is given, say in its place.

    Examples:
        >>> naming.reduction_of("mean", size_average=False, reduce=None)
        'sum'
    """
    if size_average is None and reduce is None:
        return reduction
    for value in (size_average, reduce):
        if not isinstance(value, bool | None):
            raise TypeError(f"size_average and reduce are bools, got {shown(value)}; pass reduction='mean' or 'sum'")
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def named(op: Callable, order: str = "", name: str = "", **theirs: str) -> Callable:
    """`op` under PyTorch's names of arguments.

    Args:
        order: PyTorch's positional arguments in its order, where that is not the op's.
        name: what the user calls it, where that is not the op's name.
        theirs: PyTorch's name for arguments of the op, where it is not of THEIRS.

    Examples:
        >>> naming.named(ops.sum)(input=[[1.0, 2.0]], dim=1, keepdim=True)
        array([[3.]], dtype=float32)
    """
    call = _Call(op, order, name or op.__name__, theirs)
    if any(p.kind is p.VAR_POSITIONAL for p in call.parameters.values()):
        return op  # as many Tensors, or places, as there are: nothing to translate

    @wraps(op)
    def function(*args: Any, **options: Any) -> Any:
        return op(*args) if not options and len(args) <= call.shared else call(args, options)

    function.__name__ = function.__qualname__ = call.name
    function.__signature__ = call.signature()  # type: ignore[attr-defined]
    return function


class _Call:
    """How one function's arguments become its op's."""

    def __init__(self, op: Callable, order: str, name: str, theirs: dict[str, str]):
        self.op, self.name = op, name
        self.parameters = inspect.signature(op).parameters
        own = [p.name for p in self.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        names = {mine: THEIRS.get(mine, mine) for mine in own}
        if own and own[0] in FIRST:
            names[own[0]] = "input"
        names |= {mine: their for mine, their in theirs.items()}
        self.order = order.split() or [names[mine] for mine in own]
        self.ours = {their: mine for mine, their in names.items()}
        pairs = zip(self.order, own, strict=False)
        fits = [self.ours.get(their) == mine for their, mine in pairs]
        self.shared = [*fits, False].index(False)  # arguments that stand where the op has them

    def __call__(self, args: tuple, options: dict[str, Any]) -> Any:
        given = self.bound(args, options)
        inplace = "inplace" not in self.parameters and given.pop("inplace", False)
        out = given.get("out")
        if any(isinstance(part, Tensor) for part in _several(out)):
            del given["out"]
        else:  # arrays are the op's own matter
            out = None
        dtype = None if "dtype" in self.parameters else given.pop("dtype", None)
        if "size_average" in self.order and "reduction" in self.parameters:
            older = given.pop("size_average", None), given.pop("reduce", None)
            given["reduction"] = reduction_of(given.get("reduction", "mean"), *older)
        self.refuse_others(given)
        call, first = self.translated(given), self.ours.get(self.order[0], self.order[0])
        if dtype is not None:  # PyTorch converts the input before anything is computed
            call[first] = in_dtype(call[first], dtype)
        y = self.op(**call)
        if inplace:
            return in_place.into(call[first], y, self.name)
        return y if out is None else delivered(self.name, y, out)

    def bound(self, args: tuple, options: dict[str, Any]) -> dict[str, Any]:
        """Arguments by PyTorch's names; the op's own names are taken, too."""
        if len(args) > len(self.order):
            raise TypeError(
                f"{self.name}: got {len(args)} positional arguments, expected at most {len(self.order)}: "
                f"{', '.join(self.order)}"
            )
        given = dict(zip(self.order, args, strict=False))
        for key, value in options.items():
            if key in given:
                raise TypeError(f"{self.name}: got {key} twice, by place and by name, expected it once; leave one out")
            given[key] = value
        return given

    def translated(self, given: dict[str, Any]) -> dict[str, Any]:
        """Arguments by the op's names."""
        found: dict[str, Any] = {}
        for key, value in given.items():
            mine = self.ours.get(key, key)
            if mine in found:
                raise TypeError(f"{self.name}: got {key} and {mine}, two names of one argument; leave one out")
            found[mine] = value
        return found

    def refuse_others(self, given: dict[str, Any]) -> None:
        """Refuses what PyTorch's function takes and the op does not, unless it asks for nothing."""
        for key in [key for key in given if key in self.order and self.ours.get(key, key) not in self.parameters]:
            value = given.pop(key)
            if key in IGNORED or value is None or (key in SWITCHES and not value):
                continue
            raise TypeError(f"{self.name}: got {key}={shown(value)}, which is not taken here; leave it out")

    def signature(self) -> inspect.Signature:
        """With PyTorch's names."""
        found = []
        for key in self.order:
            own = self.parameters.get(self.ours.get(key, key))
            default = own.default if own is not None else False if key in SWITCHES else None
            found.append(inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default))
        required = [p for p in found if p.default is inspect.Parameter.empty]
        rest = [p for p in found if p.default is not inspect.Parameter.empty]
        only = [p for p in self.parameters.values() if p.kind is p.KEYWORD_ONLY and p.name not in self.order]
        return inspect.Signature([*required, *rest, *only])


def delivered(name: str, y: Any, out: Any) -> Any:
    """`out`, a Tensor or several, with the values of y.

    Raises:
        RuntimeError: a gradient goes with y, which `out` would lose.
        ValueError: `out` has another shape.
    """
    for value, place in zip(_several(y), _several(out), strict=True):
        if getattr(value, "requires_grad", False):
            raise RuntimeError(
                f"{name}: out is given while an input requires a gradient, which it would lose, expected no_grad(); "
                "leave out= out"
            )
        if value.shape != place.shape:
            raise ValueError(f"{name}: out is {place.shape}, expected {value.shape}; make it with empty{value.shape}")
        in_place.into(place, value, name)
    return out


def _several(x: Any) -> Sequence[Any]:
    return x if isinstance(x, tuple) else (x,)
