"""RandomAffine against exact cases and against a plain loop over the pixels."""

import math

import numpy as np
import pytest

from gpunn.data import RandomAffine
from gpunn.data.augment.affine import bilinear
from gpunn.errors import DataError
from tests.data.augment.batches import images, run


def fixed(value):
    return (value, value)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_nothing_to_do_changes_no_bit(dtype):
    x = images(40, dtype=dtype)
    np.testing.assert_array_equal(run(RandomAffine(), x), x)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_counter_clockwise(turns):
    x = images(h=11, w=11)
    np.testing.assert_array_equal(run(RandomAffine(fixed(90 * turns)), x), np.rot90(x, turns, axes=(2, 3)))


def test_numpys_numbers_are_numbers():
    x = images()
    want = run(RandomAffine(10, 0.25, 2), x)
    np.testing.assert_array_equal(run(RandomAffine(np.float32(10), np.float32(0.25), np.int64(2)), x), want)


def test_whole_shifts_go_down_and_right():
    x = images()
    y = run(RandomAffine(shift=(fixed(2), fixed(-3)), fill=7), x)
    np.testing.assert_array_equal(y[:, :, 2:, :-3], x[:, :, :-2, 3:])
    assert (y[:, :, :2] == 7).all() and (y[:, :, :, -3:] == 7).all()


def test_scale_two_shows_the_middle():
    x = images(h=9, w=9, dtype=np.float64)
    np.testing.assert_allclose(run(RandomAffine(scale=fixed(2)), x)[:, :, ::2, ::2], x[:, :, 2:7, 2:7])


def test_shear_moves_rows_sideways():
    x = images(h=9, w=9)
    y = run(RandomAffine(shear=fixed(45)), x)
    for row in range(9):
        move = row - 4
        want = np.zeros_like(x[:, :, row])
        want[:, :, max(move, 0) : 9 + min(move, 0)] = x[:, :, row, max(-move, 0) : 9 - max(move, 0)]
        np.testing.assert_array_equal(y[:, :, row], want)


def loop(image, angle, scale, down, right, shear, fill):
    """One channel, pixel by pixel: solves for the place that the transformation brings to each pixel."""
    h, w = image.shape
    a, t = math.radians(angle), math.tan(math.radians(shear))
    turn = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])  # y points down
    forward = scale * turn @ np.array([[1, t], [0, 1]])
    middle = np.array([(w - 1) / 2, (h - 1) / 2])
    out = np.empty((h, w))

    def pixel(i, j):
        return image[i, j] if 0 <= i < h and 0 <= j < w else fill

    for i in range(h):
        for j in range(w):
            x, y = np.linalg.solve(forward, np.array([j, i]) - middle - [right, down]) + middle
            i0, j0 = math.floor(y), math.floor(x)
            out[i, j] = sum(
                pixel(i0 + di, j0 + dj) * abs(1 - di - (y - i0)) * abs(1 - dj - (x - j0))
                for di in (0, 1)
                for dj in (0, 1)
            )
    return out


@pytest.mark.parametrize("values", [(25, 1.2, 1.5, -2.25, 10), (-170, 0.6, 0, 3, -30), (3, 2.5, -6, 9.5, 0)])
def test_against_a_loop(values):
    angle, scale, down, right, shear = values
    step = RandomAffine(fixed(angle), fixed(scale), (fixed(down), fixed(right)), fixed(shear), fill=0.25)
    x = images(2, c=2, dtype=np.float64)
    want = [[loop(channel, *values, 0.25) for channel in image] for image in x]
    np.testing.assert_allclose(run(step, x), want, atol=1e-12)
    x8 = np.rint(255 * x).astype(np.uint8)
    want8 = [[loop(channel, *values, 64) for channel in image] for image in x8]
    y8 = run(RandomAffine(fixed(angle), fixed(scale), (fixed(down), fixed(right)), fixed(shear), fill=64), x8)
    assert y8.dtype == np.uint8 and np.abs(y8 - np.array(want8)).max() <= 0.502


def test_amounts_fill_their_ranges():
    """A ramp shows where its pixels come from."""
    ramp = np.broadcast_to(np.arange(41.0)[:, None], (500, 1, 41, 41)).copy()
    y = run(RandomAffine(shift=(3, 0)), ramp)[:, 0, 20, 20] - 20
    assert -3 <= y.min() < -2.8 and 2.8 < y.max() <= 3 and abs(y.mean()) < 0.3
    slope = np.diff(run(RandomAffine(scale=(0.5, 2.0)), ramp)[:, 0, 20:22, 20], axis=1)
    assert 0.5 <= slope.min() < 0.53 and 1.8 < slope.max() <= 2


def test_bilinear_far_outside_is_fill():
    far = np.array([-1e9, -1.0, 1e9]).reshape(1, 1, 3)
    np.testing.assert_array_equal(bilinear(images(1, c=2), far, far * 0, 5.0), np.full((1, 2, 1, 3), 5.0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"degrees": -5}, r"degrees is -5; give one number of at least 0, or \(low, high\)$"),
        ({"degrees": (5, -5)}, r"degrees is \(5, -5\); give one number"),
        ({"degrees": float("nan")}, "degrees is nan; give one"),
        ({"scale": (0, 2)}, r"scale is \(0, 2\); its lowest factor must be above 0"),
        ({"scale": (-1, 2)}, r"scale is \(-1, 2\); give one number of at least 0, or \(low, high\) of at least 0"),
        ({"scale": 1}, "scale is 1; its lowest factor must be above 0"),
        ({"shift": (1, 2, 3)}, r"shift is \(1, 2, 3\); give one number of pixels, or \(down, right\)"),
        ({"shift": "far"}, "shift is 'far'; give one number"),
        ({"shear": 90}, "shear is 90; give less than 90 degrees"),
    ],
)
def test_refuses(options, words):
    with pytest.raises(DataError, match=f"RandomAffine: {words}"):
        RandomAffine(**options)
