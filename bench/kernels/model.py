"""`python -m bench model FILE...`: what the model of an H200 predicts beside what was measured, its constants fitted.

Files are of the suites `conv2d` and `kernels`, measured at this commit. The model (gpunn/verify/occupancy.py) knows
tiles of float32. PEAK and COPY are what the runs measured at their start; WARPS and EDGE those under which the
logarithms of predicted over measured have the least squares. gpunn/cuda/conv_tiles.py chooses tiles by the same two.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from bench.kernels import cases
from bench.output import results
from bench.rows import Row
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import OPERATIONS
from gpunn.errors import UsageError
from gpunn.verify import occupancy

WARPS, EDGES = np.arange(0, 4.01, 0.25).tolist(), range(7)


class Prediction(NamedTuple):
    """What was measured of a kernel, in seconds, and what predicts it under the constants as they are."""

    kernel: str
    measured: float
    predict: Callable[[], float]
    fits: bool  # whether it depends on what is fitted

    @property
    def ratio(self) -> float:
        return self.predict() / self.measured


def main(argv: list[str]) -> int:
    """Print the ratios by kernel, and the constants."""
    parser = argparse.ArgumentParser(prog="python -m bench model", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="of the suites conv2d and kernels, on cuda")
    runs = [results.load(path) for path in parser.parse_args(argv).files]
    found = [one for run in runs for row in run["rows"] for one in of_row(row)]
    if not found:
        raise UsageError("model: no row of these files is of a kernel that it knows; measure conv2d --precision fp32")
    roofs = [run["roofline"] for run in runs if run.get("roofline")]
    measured = {"COPY": max((roof["copy"] for roof in roofs), default=occupancy.COPY)}
    measured["PEAK"] = max((roof["peaks"].get("fp32", 0.0) for roof in roofs), default=0.0) or occupancy.PEAK
    print(*table(found), sep="\n")
    found = [one for one in found if one.fits]
    if not found:
        print("no convolution in tiles among them, so nothing to fit to")
        return 0
    with constants(**measured):
        warps, edge, error = fitted(found)
    print(f"measured: PEAK {measured['PEAK'] / 1e12:.1f}e12, COPY {measured['COPY'] / 1e12:.2f}e12; with them the best")
    print(f"fit is WARPS {warps:g}, EDGE {edge}: {error:.0%} off in the root mean square of {len(found)} rows")
    print(f"in use: PEAK {occupancy.PEAK / 1e12:.1f}e12, COPY {occupancy.COPY / 1e12:.2f}e12, "
          f"WARPS {occupancy.WARPS:g}, EDGE {occupancy.EDGE}: {spread(found):.0%} off")  # fmt: skip
    return 0


def of_row(row: Row) -> Iterator[Prediction]:
    """A row's prediction, where it was measured and the model knows its kernel."""
    if row.status != "ok" or row.seconds is None:
        return
    kernel, seconds = f"{row.operation} {row.variant}", row.seconds.median
    if (stored := row.predicted_seconds) is not None:  # of the suite kernels
        yield Prediction(kernel, seconds, lambda: stored, False)
    elif row.suite == "conv2d" and row.precision == "fp32" and (problem := problem_of(row)) is not None:
        variant = {one.name: one for one in OPERATIONS[row.operation].variants}.get(row.variant)
        if variant is None or variant.precision != "fp32" or variant.refusal(problem):
            return
        launches = variant.plan(problem)
        tiled = bool(occupancy.work(problem, launches[0]))
        one = Prediction(kernel, seconds, lambda: occupancy.seconds(launches, problem), tiled)
        try:
            one.predict()
        except (KeyError, NameError, AssertionError):
            return
        yield one


def problem_of(row: Row) -> Conv | None:
    """The convolution of a row of the suite conv2d: its case at the batch that it was measured with."""
    case = next((one for one in cases.TABLES["conv2d"] if one.name == row.case), None)
    if case is None or not row.shape.startswith("x ") or row.pass_ == "grad_bias":  # which sums columns
        return None
    batch = int(row.shape.split()[1].partition("x")[0])
    return Conv("float32", True, (batch, *case.x[1:]), case.w, (batch, *case.y[1:]), case.window(), case.groups)


def table(found: list[Prediction]) -> Iterator[str]:
    """A line a kernel: how often it was measured, and predicted over measured."""
    groups: dict[str, list[float]] = {}
    for one in found:
        groups.setdefault(one.kernel, []).append(one.ratio)
    yield f"{'predicted over measured':44}{'count':>6}{'mean':>7}{'least':>7}{'most':>7}"
    for kernel, ratios in sorted(groups.items()):
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        yield f"{kernel:44}{len(ratios):6}{mean:7.2f}{min(ratios):7.2f}{max(ratios):7.2f}"


def spread(found: list[Prediction]) -> float:
    """The root mean square of the logarithms of predicted over measured, as a part of the measured."""
    return math.exp(math.sqrt(sum(math.log(one.ratio) ** 2 for one in found) / len(found))) - 1


def fitted(found: list[Prediction]) -> tuple[float, int, float]:
    """WARPS and EDGE with the least spread, and that."""
    tried = {}
    for warps, edge in itertools.product(WARPS, EDGES):
        with constants(WARPS=warps, EDGE=edge):
            tried[warps, edge] = spread(found)
    warps, edge = min(tried, key=tried.__getitem__)
    return warps, edge, tried[warps, edge]


@contextmanager
def constants(**values: float) -> Iterator[None]:
    """Inside, the model has these constants."""
    before = {name: getattr(occupancy, name) for name in values}
    try:
        for name, value in values.items():
            setattr(occupancy, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(occupancy, name, value)
