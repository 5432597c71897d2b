"""Gradients of several outputs with respect to several inputs, with PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from gpunn.backend import Array, array_module
from gpunn.engine.tensor import Tensor, data_of, refuse_graph
from gpunn.engine.tensor import grad as gradients_of

Several: TypeAlias = Tensor | Sequence[Tensor]
Seeds: TypeAlias = Tensor | Sequence[Tensor | None] | None


def grad(
    outputs: Several,
    inputs: Several,
    grad_outputs: Seeds = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    *,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of `outputs` with respect to each of `inputs`, leaving every `.grad` alone.

    Args:
        outputs: one Tensor or several.
        inputs: one Tensor or several, leaves or not.
        grad_outputs: the gradient of each output, needed unless it has one element.
        retain_graph: keep the graph for another backward.
        create_graph: False; there are no second derivatives.
        only_inputs: asks nothing: other leaves never get a gradient here.
        allow_unused: give None for an input on which no output depends, rather than an error.
        materialize_grads: give zeros for it.

    Raises:
        NotImplementedError: create_graph.
        RuntimeError: an input does not matter to the outputs, or nothing requires a gradient.

    Examples:
        >>> x = gpunn.tensor([1.0, 2.0], requires_grad=True)
        >>> gpunn.autograd.grad((x * x).sum(), x)
        (Tensor([2., 4.]),)
    """
    refuse_graph("grad", create_graph)
    ys, xs = _several(outputs), _several(inputs)
    totals: list[Array | None] = [None] * len(xs)
    for i, (y, seed) in enumerate(zip(ys, _seeds("grad", ys, grad_outputs), strict=True)):
        found = gradients_of(y, xs, seed, bool(retain_graph) or i + 1 < len(ys))
        for k, got in enumerate(found):
            array, total = None if got is None else data_of(got), totals[k]
            totals[k] = total if array is None else array if total is None else total + array
    if materialize_grads:
        zeros = [array_module(data_of(x)).zeros_like(data_of(x)) for x in xs]
        totals = [zero if total is None else total for zero, total in zip(zeros, totals, strict=True)]
    unused = next((i for i, total in enumerate(totals) if total is None), None)
    if unused is not None and not allow_unused:
        raise RuntimeError(
            f"grad: no output depends on input {unused}, expected one that does; leave it out, or pass "
            "allow_unused=True for None in its place"
        )
    return tuple([None if total is None else Tensor(total) for total in totals])


def backward(
    tensors: Several,
    grad_tensors: Seeds = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add the gradient of the sum of `tensors` to `.grad` of every leaf that they were computed from.

    Raises:
        NotImplementedError: create_graph.
        RuntimeError: nothing requires a gradient, or the graph was already used.

    Examples:
        >>> x = gpunn.tensor([1.0, 2.0], requires_grad=True)
        >>> gpunn.autograd.backward([x.sum(), (x * x).sum()])
        >>> x.grad.tolist()
        [3.0, 5.0]
    """
    refuse_graph("backward", create_graph)
    ys = _several(tensors)
    for i, (y, seed) in enumerate(zip(ys, _seeds("backward", ys, grad_tensors), strict=True)):
        y.backward(seed, bool(retain_graph) or i + 1 < len(ys))


def Variable(data: Tensor, requires_grad: bool = False) -> Tensor:
    """The Tensor itself: PyTorch's name from when Tensors had no gradients.

    Examples:
        >>> gpunn.autograd.Variable(gpunn.ones(1), requires_grad=True).requires_grad
        True
    """
    return data.requires_grad_() if requires_grad else data


def _several(x: Several) -> tuple[Tensor, ...]:
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _seeds(caller: str, ys: Sequence[Tensor], seeds: Any) -> tuple[Any, ...]:
    given = (seeds,) if isinstance(seeds, Tensor) or not isinstance(seeds, (list, tuple)) else tuple(seeds)
    if seeds is None:
        return (None,) * len(ys)
    if len(given) != len(ys):
        raise ValueError(f"{caller}: got {len(given)} gradients for {len(ys)} outputs, expected one each")
    return given
