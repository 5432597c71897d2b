"""Dropout on plain arrays: forward gives the state from which its mask is made anew, for backward or to look at."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import numpy as np

from gpunn import random
from gpunn.backend import Array, array_module, is_array, twins
from gpunn.checks import arrays, check_constants, check_same_device
from gpunn.errors import kind_of
from gpunn.ops.dropout import taken
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide
from gpunn.restored import restored
from gpunn.scalars import as_probability

State: TypeAlias = random.Draw | Array


def dropout_forward(x: Array, p: float = 0.5, *, out: Array | None = None) -> tuple[Array, State]:
    """(y, state): y as dropout's in training, of the same numbers; state says where in the generator they begin.

    The state is three integers, a gpunn.random.Draw, and the mask a function of it and of x's shape, the same on every
    device. Inside a gpunn.train.CapturedStep it is device memory that each replay fills. Where p is 0 y is x, and no
    numbers are taken. ``out`` is for y.

    ValueError: a p outside 0 to 1, a Tensor that records; TypeError: a dtype that is not floating.

    >>> y, state = ops.dropout_forward(np.ones(6), 0.5)
    >>> y, state
    (array([0., 2., 2., 2., 2., 0.]), Draw(seed=0, stream=0, counter=0))
    """
    states: list[State] = []
    return _dropped(x, p, states, out=out), states[0]


@partial(with_out, name="dropout_forward")
def _dropped(x: Array, p: float, states: list[State], *, out: Array | None = None) -> Array:
    """dropout_forward's y; its state goes into the list."""
    op = "dropout_forward"
    check_constants(op, x=x)
    (a,) = arrays(op, x=x)
    p = as_probability(op, p, "an element")
    states.append(taken(op, a, a.size) if p else random.take(0))
    return dropout_backward(a, states[0], p)


@with_out
def dropout_backward(gy: Array, state: State, p: float = 0.5, *, out: Array | None = None) -> Array:
    """gx of dropout_forward, whose state and p these are: gy times its mask, over 1 - p. One kernel.

    A mask, of bool and gy's shape, does as well as the state.

    ValueError: a p outside 0 to 1; TypeError: dtypes, what is neither state nor mask of gy's shape.

    >>> y, state = ops.dropout_forward(np.ones(6), 0.5)
    >>> ops.dropout_backward(np.full(6, 3.0), state, 0.5)
    array([0., 6., 6., 6., 6., 0.])
    """
    op = "dropout_backward"
    (gy,) = arrays(op, gy=gy)
    p = as_probability(op, p, "an element")
    if is_array(state) and state.dtype == bool and state.shape == gy.shape:
        check_same_device(op, gy, state, "gy", "state")
        return _masked(gy, state, p)
    return gy if p == 0 else twins(gy).dropout.drop(gy, gy.shape, p, _checked(op, state, gy, "gy"))[0]


@restored
def _masked(gy: Array, mask: Array, p: float) -> Array:
    """gy times its mask, over 1 - p: of 16-bit floats computed in float32 and rounded once, as the kernel does."""
    xp, a = array_module(gy), wide(gy)
    y = xp.multiply(a, mask, out=xp.empty_like(a))  # in memory as gy lies
    y *= y.dtype.type(0.0 if p == 1 else 1 / (1 - p))
    with np.errstate(over="ignore"):  # past float16 it is infinite
        return y.astype(gy.dtype, copy=False)


@with_out
def dropout_mask(state: State, p: float, like: Array, *, out: Array | None = None) -> Array:
    """The mask of a dropout_forward, whose state and p these are: bool, of the shape and on the device of `like`.

    >>> y, state = ops.dropout_forward(np.ones(3), 0.5)
    >>> ops.dropout_mask(state, 0.5, y)
    array([False,  True,  True])
    """
    op = "dropout_mask"
    (a,) = arrays(op, like=like)
    p = as_probability(op, p, "an element")
    ones = array_module(a).ones_like(a, order="C")
    return (ones if p == 0 else twins(a).dropout.drop(ones, a.shape, p, _checked(op, state, a, "like"))[0]) != 0


def _checked(op: str, state: State, a: Array, name: str) -> State:
    """The state of a dropout, refused where it is none, or lies elsewhere."""
    if isinstance(state, random.Draw):
        return state
    if is_array(state) and state.shape == (3,) and state.dtype == np.int64 and type(a) is not np.ndarray:
        check_same_device(op, a, state, name, "state")
        return state
    got = f"{state.dtype} {state.shape}" if is_array(state) else kind_of(state)
    raise TypeError(
        f"{op}: state is {got}, expected what dropout_forward gave beside y, a gpunn.random.Draw; "
        f"pass that{', or a mask of bool ' + str(a.shape) if op == 'dropout_backward' else ''}"
    )
