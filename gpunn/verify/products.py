"""The tasks of `gpunn verify` for matrix products and linear layers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.reference.products import (
    LINEARS,
    PRODUCTS,
    LinearCase,
    ProductCase,
    linear,
    linear_backward,
    product,
)
from gpunn.verify.task import Give, Task, as_f64, placed

SPARE = 8  # elements between the rows of what lies apart


def product_tasks(give: Give) -> Iterator[Task]:
    """Every case of both tables, and those of 16-byte accesses off 16 bytes."""
    for case in PRODUCTS:
        a, b = (_placed(case, name, give(array)) for name, array in zip("ab", case.arrays(), strict=True))
        yield _product(case.name, case, a, b)
        if case.name == "16 bytes":
            yield _product(f"{case.name}, unaligned", case, placed(a, "unaligned"), placed(b, "unaligned"))
    for one in LINEARS:
        arrays = [give(array) for array in one.arrays()]
        arrays[0] = arrays[0].T.copy(order="C").T if one.across else arrays[0]
        yield from _linear(one.name, one, *arrays)
        if one.name == "16 bytes, ReLU":
            yield from _linear(f"{one.name}, unaligned", one, *(placed(array, "unaligned") for array in arrays))


def _placed(case: ProductCase, name: str, array: Array) -> Array:
    """The operand as the case has it in memory."""
    array = array.swapaxes(-1, -2) if name in case.across else array
    if name in case.apart:
        wider = array_module(array).empty_like(array, shape=(*array.shape[:-1], array.shape[-1] + SPARE))
        wider[...] = np.nan
        wider[..., : array.shape[-1]] = array
        array = wider[..., : array.shape[-1]]
    else:
        array = array.copy(order="C")
    return array.swapaxes(-1, -2) if name in case.across else array


def _product(name: str, case: ProductCase, a: Array, b: Array) -> Task:
    def want() -> tuple:
        return ((product(as_f64(a), as_f64(b)), case.terms, None),)

    return Task("matmul.product", name, lambda: (twins(a).matmul.matmul(a, b),), want)


def _linear(name: str, case: LinearCase, x: Array, w: Array, b: Array | None, gy: Array, y: Array) -> Iterator[Task]:
    act, twin, (rows, features), filters = case.activation, twins(x).linear, case.x, case.w[0]
    given_x, given_w = None if "w" in case.without else x, None if "x" in case.without else w
    kept = None if act is None else y

    def want() -> tuple:
        return ((linear(as_f64(x), as_f64(w), as_f64(b), act), features + 1, None),)

    def run_backward() -> tuple:
        return tuple(one for one in twin.backward(gy, given_x, given_w, kept, act, case.bias) if one is not None)

    def want_backward() -> tuple:
        gx, gw, gb = linear_backward(as_f64(gy), as_f64(x), as_f64(w), as_f64(y), act)
        wanted = (gx, filters, given_w is not None), (gw, rows, given_x is not None), (gb, rows, case.bias)
        return tuple((value, max(terms, 1), None) for value, terms, asked in wanted if asked)

    yield Task("linear.forward", name, lambda: (twin.forward(x, w, b, act),), want)
    yield Task("linear.backward", name, run_backward, want_backward)
