"""The tasks of `gpunn verify` for images at the places of a grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import grid_sample as subject
from gpunn.grids import MODES, PADDINGS
from gpunn.reference.grid_sample import GRIDS, base, grid_sample, grid_sample_backward
from gpunn.verify.task import Give, Task, as_f64, placements


def grid_tasks(give: Give) -> Iterator[Task]:
    """Every case in every mode, padding and memory order; volumes in the modes that they have."""
    for number, case in enumerate(GRIDS):
        x, grid, gy = map(give, case.arrays())
        orders = list(zip(placements(x, True), placements(gy, True), strict=True))
        for turn, how in enumerate(product(MODES, PADDINGS, (False, True))):
            if how[0] == "bicubic" and x.ndim == 5:
                continue
            (order, one), (_, above) = orders[(number + turn) % len(orders)]
            yield from _case(f"{case.name}, {how[0]}, {how[1]}, {how[2]}{order}", one, grid, above, how)

    for sizes, align_corners in product(((3, 4), (1, 300), (2, 1, 5)), (False, True)):
        theta = give(np.zeros((1, 2, 3)))
        run = partial(lambda *how: (subject.base(*how),), theta, sizes, align_corners)
        wanted = partial(lambda *how: ((base(*how), 1, None),), sizes, align_corners)
        yield Task("grid_sample.base", f"{sizes}, {align_corners}", run, wanted)


def _case(name: str, x: Array, grid: Array, gy: Array, how: tuple[str, str, bool]) -> Iterator[Task]:
    wide = as_f64(x), as_f64(grid)
    terms = 4 ** grid.shape[-1]

    def want() -> tuple:
        return ((grid_sample(*wide, *how), 4 * terms, None),)

    def want_backward() -> tuple:
        above, below = as_f64(gy), wide[0]
        gx, ggrid = grid_sample_backward(above, *wide, *how)
        # Slopes of one pixel add up to nothing: their size is that of each.
        met = float(np.max(np.abs(above), initial=0.0) * np.max(np.abs(below), initial=0.0)) * max(x.shape[2:]) / 2
        return (gx, 4 * terms * math.prod(gy.shape[2:]), None), (ggrid, 4 * terms * x.shape[1], met or 1.0)

    yield Task("grid_sample.forward", name, lambda: (subject.forward(x, grid, *how),), want)
    run = partial(subject.backward, gy, x, grid, *how, (True, True))
    yield Task("grid_sample.backward", name, run, want_backward)
