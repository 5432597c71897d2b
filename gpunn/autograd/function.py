"""Functions whose backward the user writes, as PyTorch's torch.autograd.Function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunn.backend import Array, array_module
from gpunn.engine.autograd import Gradients, Needs, no_grad
from gpunn.engine.record import record_all
from gpunn.engine.tensor import Tensor, data_of


class FunctionCtx:
    """What forward hands to backward.

    Attributes:
        saved_tensors: what `save_for_backward` got.
        needs_input_grad: for each argument of forward, whether its gradient is wanted.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]):
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Any, ...] = ()
        self._materialize = True
        self._without: tuple[int, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep Tensors for backward, which finds them in `saved_tensors`."""
        self.saved_tensors = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward gets None, not zeros, for an output that no gradient reached."""
        self._materialize = value

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Outputs that no gradient goes through, such as indices."""
        self._without = tuple(id(x) for x in args)

    def mark_dirty(self, *args: Tensor) -> None:
        """NotImplementedError: an input changed in place may be wanted by other gradients."""
        raise NotImplementedError(
            "Function: mark_dirty is for inputs changed in place, which gpunn's graph does not follow; return a new "
            "Tensor from forward"
        )


class Function:
    """A function of Tensors with a backward of its own: subclass it, and call `apply`.

    `forward(ctx, *args)` computes, unrecorded, a Tensor or a tuple of them. `backward(ctx, *gys)` gets the gradient of
    each and returns one, or None, for each argument of forward. With a static `setup_context(ctx, inputs, output)`
    forward takes no ctx, as in PyTorch.

    Examples:
        >>> class Cube(gpunn.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...     @staticmethod
        ...     def backward(ctx, gy):
        ...         (x,) = ctx.saved_tensors
        ...         return gy * 3 * x * x
        >>> x = gpunn.tensor([2.0], requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad.tolist()
        [12.0]
    """

    forward: Callable
    backward: Callable
    setup_context: Callable | None = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The results of forward, whose gradients come from backward."""
        ctx = FunctionCtx(tuple(isinstance(x, Tensor) and x.requires_grad for x in args))
        with no_grad():
            if cls.setup_context is None:
                made = cls.forward(ctx, *args)
            else:
                made = cls.forward(*args)
                cls.setup_context(ctx, args, made)
        several = isinstance(made, tuple)
        outputs = made if several else (made,)
        arrays = [data_of(y) for y in outputs]
        recorded = record_all(cls.__name__, arrays, args, _closure(cls, ctx, arrays, len(args)))
        results = [Tensor(a) if id(y) in ctx._without else r
                   for a, y, r in zip(arrays, outputs, recorded, strict=True)]  # fmt: skip
        return tuple(results) if several else results[0]


def _closure(cls: type[Function], ctx: FunctionCtx, ys: list[Array], count: int) -> Callable[..., Gradients]:
    """backward on arrays, as the engine calls it."""
    shapes = [(array_module(y), y.shape, y.dtype) for y in ys]

    def backward(gys: tuple[Array | None, ...], needs: Needs) -> Gradients:
        given = [
            (Tensor(xp.zeros(shape, dtype)) if ctx._materialize else None) if gy is None else Tensor(gy)
            for gy, (xp, shape, dtype) in zip(gys, shapes, strict=True)
        ]
        with no_grad():
            found = cls.backward(ctx, *given)
        gradients = found if isinstance(found, tuple) else (found,)
        if len(gradients) < count or any(g is not None for g in gradients[count:]):
            raise RuntimeError(
                f"{cls.__name__}: backward gave {len(gradients)} gradients, expected {count}, one for each argument of "
                "forward; return None for those without one"
            )
        return tuple([None if g is None else data_of(g) for g in gradients[:count]])

    return backward
