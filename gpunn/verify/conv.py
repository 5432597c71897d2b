"""Tasks of `gpunn verify` for convolutions of any rank, and what ends them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gpunn.backend import Array, twins
from gpunn.reference import activation, edges, naive
from gpunn.reference.shapes import ConvCase
from gpunn.verify.task import Task, as_f64


def conv_case(case: ConvCase, name: str, x: Array, w: Array, b: Array | None, gy: Array) -> Iterator[Task]:
    """A case forward, with what may end it, and its gradients by input, weight and bias."""
    family = f"conv{len(case.stride)}d"
    win, groups, how, conv = case.window(), case.groups, case.geometry, twins(x).conv

    def want_forward(beside: Array | None = None) -> tuple:
        return ((naive.conv(as_f64(x), as_f64(w), as_f64(b), **how, residual=as_f64(beside)), case.terms, None),)

    def want_input() -> tuple:
        return ((naive.conv_grad_input(as_f64(gy), as_f64(w), x.shape, **how), case.terms_grad_input, None),)

    def run_weight() -> tuple:
        gw, gb = conv.grad_weight(gy, x, w.shape, win, groups, case.bias)
        return (gw,) if gb is None else (gw, gb)

    def want_weight() -> tuple:
        gw = naive.conv_grad_weight(as_f64(gy), as_f64(x), w.shape, **how)
        return (gw, case.terms_grad_weight, None), *(want_bias() if case.bias else ())

    def want_bias() -> tuple:
        return ((naive.conv_grad_bias(as_f64(gy)), case.terms_grad_weight, None),)

    def want_ended(beside: Array | None) -> tuple:
        z, terms, _ = want_forward(beside)[0]
        return ((activation.value(ending, z), terms, float(np.max(np.abs(z[np.isfinite(z)])))),)

    yield Task(f"{family}.grad_weight", name, run_weight, want_weight)
    yield Task(f"{family}.grad_bias", name, lambda: (conv.grad_bias(gy),), want_bias)
    if case.name in edges.OF_WEIGHT:
        return
    x_shape, ending = x.shape, edges.ENDINGS.get(case.name)
    yield Task(f"{family}.forward", name, lambda: (conv.forward(x, w, b, win, groups),), want_forward)
    for beside, before in ((None, ""), (gy, ", residual")) if ending else ():
        run = partial(lambda beside: (conv.forward(x, w, b, win, groups, ending, beside),), beside)
        yield Task(f"{family}.forward", f"{name}{before}, then {ending}", run, partial(want_ended, beside))
    yield Task(f"{family}.grad_input", name, lambda: (conv.grad_input(gy, w, x_shape, win, groups),), want_input)
