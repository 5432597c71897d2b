"""Which kernels take a 3-d convolution, and a 1-d one: those of two dimensions, by plans alone."""

import math

import pytest

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import OPERATIONS
from gpunn.window import Window

PASSES = ("forward", "grad_input", "grad_weight")


def problem(c, k, spatial, size, stride=1, groups=1, dtype="float32", n=8):
    rank = len(spatial)
    win = Window(size, (stride,) * rank, tuple(r // 2 for r in size), (1,) * rank)
    x, w = (n, c, *spatial), (k, c // groups, *size)
    return Conv(dtype, True, x, w, (n, k, *win.out(spatial)), win, groups, bias=True)


def chosen(pass_, job):
    """The variant of a device without tensor cores, and why."""
    variant, why = OPERATIONS[f"conv{job.win.rank}d.{pass_}"].choose(job, EMULATOR)
    return variant.name, why


@pytest.mark.parametrize("pass_", PASSES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("c, k", [(4, 4), (4, 64), (32, 8), (64, 128), (7, 9), (30, 6)])
def test_three_dimensions_take_a_tile_from_four_channels_on(pass_, dtype, c, k):
    job = problem(c, k, (16, 16, 16), (3, 3, 3), dtype=dtype)
    name, why = chosen(pass_, job)
    assert name.startswith(("tiled", "narrow", "gather")), why
    grouped = problem(2 * c, 2 * k, (8, 8, 8), (3, 2, 1), groups=2, dtype=dtype)
    assert chosen(pass_, grouped)[0].startswith(("tiled", "narrow", "gather"))


@pytest.mark.parametrize("pass_", PASSES)
def test_the_same_work_takes_the_same_tile_in_every_rank(pass_):
    """27 taps of a line, a plane or a volume of as many pixels; the model knows sums, not axes."""
    line, plane, volume = (
        chosen(pass_, problem(64, 128, spatial, size))[0]
        for spatial, size in (((1, 32768), (1, 27)), ((128, 256), (3, 9)), ((32, 32, 32), (3, 3, 3)))
    )
    assert line == plane == volume


@pytest.mark.parametrize(
    "pass_, job, words",
    [
        ("forward", problem(8, 3, (4, 4, 4), (3, 3, 3)), "narrow64x16: 3 columns would leave a tile empty"),
        ("grad_input", problem(1, 16, (4, 4, 4), (3, 3, 3)), "narrow128: 1 columns would leave a tile empty"),
        ("grad_weight", problem(16, 2, (4, 4, 4), (1, 1, 1)), "2 columns would leave a tile empty"),
        ("forward", problem(16, 16, (4, 4, 4), (3, 3, 3), dtype="float64"), "gather: float64: sums are kept in float"),
        ("grad_weight", problem(16, 16, (4, 4, 4), (3, 3, 3), dtype="float64"), "float64: sums are kept in float"),
        ("grad_input", problem(6, 6, (8, 8, 8), (3, 3, 3), 2), "at stride (2, 2, 2) most fetches would be zeros"),
    ],
)  # fmt: skip
def test_what_stays_naive_says_why(pass_, job, words):
    name, why = chosen(pass_, job)
    assert name == "naive" and words in why


def test_windows_of_more_than_32_positions_take_what_has_no_mask():
    job = problem(16, 16, (8, 8, 8), (4, 3, 3))
    assert "the window has 36 positions, more than 32" in chosen("forward", job)[1]
    assert [chosen(pass_, job)[0] for pass_ in PASSES] == ["tiled64", "tiled64", "tiled64"]
    assert [chosen(pass_, problem(6, 6, (8, 8, 8), (4, 3, 3)))[0] for pass_ in PASSES] == ["gather"] * 3


@pytest.mark.parametrize("c, k", [(32, 64), (7, 9)])
def test_both_gradients_of_the_parameters_are_one_launch(c, k):
    job = problem(c, k, (8, 8, 8), (3, 3, 3))
    variant, _ = OPERATIONS["conv3d.grad_weight"].choose(job, EMULATOR)
    (launch,) = variant.plan(job)
    assert launch.args[3] == "gb" and math.prod(launch.grid) > 1
