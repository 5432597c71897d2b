"""The tasks of `gpunn verify` for activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array, twins
from gpunn.reference.activation import ACTIVATIONS, SHAPES, inputs, slope, value
from gpunn.verify.task import Give, Task, as_f64, orders


def activation_tasks(give: Give) -> Iterator[Task]:
    """Every activation, with several options, on every shape and memory order."""
    for number, (name, options) in enumerate(ACTIVATIONS):
        for shape in SHAPES:
            x, gy = give(inputs(shape)), give(np.random.default_rng(number).standard_normal(shape))
            for order, one in orders(x) if len(shape) > 2 else [("", x)]:
                case = f"{name}{options or ''} {shape}{order}"

                def run(name=name, options=options, one=one):
                    return (twins(one).activation.forward(name, one, options, True)[0],)

                def want(name=name, options=options, one=one):
                    return ((value(name, as_f64(one), options), 4, None),)

                def run_backward(name=name, options=options, one=one, gy=gy):
                    _, kept = twins(one).activation.forward(name, one, options, True)
                    return (twins(one).activation.backward(name, gy, kept, options),)

                def want_backward(name=name, options=options, one=one, gy: Array = gy):
                    wanted = slope(name, as_f64(one), options) * as_f64(gy)
                    # The slope comes from y as it is stored: 1 - y^2 has twice its rounding.
                    return ((wanted, 16, 2 * float(np.max(np.abs(as_f64(gy)), initial=0.5))),)

                yield Task("activation.forward", case, run, want)
                yield Task("activation.backward", case, run_backward, want_backward)
