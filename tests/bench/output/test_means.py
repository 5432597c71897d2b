"""What all cases of a suite come to."""

import math

from bench.output import means
from bench.output.schema import MEAN
from bench.rows import Rival, Row, Spread
from gpunn import kinds


def row(case, variant, seconds, speed, gflops, **more):
    rival = Rival.of(Spread(1.0, 1.0, 1.0), speed)
    spread = Spread(seconds, seconds, seconds)
    how = {"precision": "bf16", "seconds": spread, "gflops": gflops, "against": {"torch": rival}, **more}
    return Row("conv2d", case, "conv2d.forward", variant, **how)


ROWS = [
    row("a", "tiled64", 2.0, 0.5, 10.0),
    row("a", "bf16_64x64", 1.0, 1.0, 20.0),  # the faster of two
    row("b", "bf16_64x64", 1.0, 4.0, 30.0),
    row("c", "bf16_64x64", 1.0, 2.0, 40.0),
    row("d", "bf16_64x64", 1.0, 9.0, 1.0, status="failed", reason="wrong"),
    row("alone", "tiled64", 1.0, 9.0, 1.0, precision="fp32"),
]


def test_the_fastest_of_each_case_make_the_mean():
    (found,) = means.of(ROWS)
    assert (found["operation"], found["precision"], found["cases"]) == ("conv2d.forward", "bf16", 3)
    assert math.isclose(found["speeds"]["torch"], 2.0)
    assert math.isclose(found["slowest"], 20 / 30) and found["slowest_case"] == "a"
    assert not kinds.fault(MEAN, found)
    assert list(means.lines([found])) == [
        "3 cases, conv2d.forward bf16: 2.00 times torch's speed; the slowest at 0.67 of the median's GFLOP/s (a)"
    ]


def test_nothing_measured_has_no_mean():
    assert means.of([]) == [] and list(means.lines([])) == []
