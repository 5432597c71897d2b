"""The tasks of `gpunn verify` for activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array, twins
from gpunn.reference.activation import (
    ACTIVATIONS,
    SHAPES,
    extremes,
    inputs,
    is_exact,
    slope,
    slope_of_value,
    value,
)
from gpunn.verify.task import Give, Task, as_f64, orders


def finite(x: np.ndarray) -> float:
    """The largest finite number, of either sign."""
    return float(np.max(np.abs(x[np.isfinite(x)]), initial=0))


def activation_tasks(give: Give) -> Iterator[Task]:
    """Every activation, with several options, on every shape and memory order."""
    for number, (name, options) in enumerate(ACTIVATIONS):
        for numbers in (*map(inputs, SHAPES), extremes()):
            shape = numbers.shape
            x, gy = give(numbers), give(np.random.default_rng(number).standard_normal(shape))
            for order, one in orders(x):
                case = f"{name}{options or ''} {shape}{order}"

                def run(name=name, options=options, one=one):
                    return (twins(one).activation.forward(name, one, options, True)[0],)

                def want(name=name, options=options, one=one):
                    largest = finite(as_f64(one)) if name == "tanhshrink" else None  # a difference rounds as x does
                    return ((value(name, as_f64(one), options), 0 if is_exact(name, options) else 4, largest),)

                def run_backward(name=name, options=options, one=one, gy=gy):
                    _, kept = twins(one).activation.forward(name, one, options, True)
                    return (twins(one).activation.backward(name, gy, kept, options),)

                def want_backward(name=name, options=options, one=one, gy: Array = gy):
                    _, kept = twins(one).activation.forward(name, one, options, True)
                    found = slope if kept is one else slope_of_value
                    largest = float(np.max(np.abs(as_f64(gy)), initial=0.5))
                    return ((found(name, as_f64(kept), options) * as_f64(gy), 16, 2 * largest),)

                yield Task("activation.forward", case, run, want)
                yield Task("activation.backward", case, run_backward, want_backward)
