"""Rows of images beside what became of them, codes as points, and the images of a plane of codes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

import gpunn
from gpunn import pictures
from gpunn.pictures.canvas import GAP, NothingToDraw

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 6)).astype(np.uint8)


def wall(axes):
    return np.asarray(axes.images[0].get_array())


def test_each_image_is_above_what_became_of_it():
    noisy = IMAGES / 255 + 0.25
    figure = pictures.reconstructions(IMAGES, gpunn.tensor(noisy), IMAGES, most=3)
    assert [axes.get_title("left") for axes in figure.axes] == ["original", "with noise", "reconstructed"]
    first, second, third = map(wall, figure.axes)
    assert first.shape == (4, 3 * 6 + 2 * GAP, 3) and np.array_equal(first, third)
    np.testing.assert_allclose(second[:, :6, 0], np.clip(noisy[0, 0], 0, 1), rtol=1e-6)
    np.testing.assert_allclose(first[:, 6 + GAP : 12 + GAP, 2], IMAGES[1, 0] / 255)
    assert (first[:, 6] == 1).all(), "a white gap"


def test_a_wall_of_samples_colours_and_numbers_that_are_none():
    samples = np.full((4, 3, 2, 2), np.nan)
    samples[:, 1] = 1
    (axes,) = pictures.reconstructions(samples, columns=2, titles=["drawn"]).axes
    assert wall(axes).shape == (4 + GAP, 4 + GAP, 3) and axes.get_title("left") == "drawn"
    assert wall(axes)[0, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pictures.reconstructions(IMAGES, IMAGES[:3]), r"reconstructions: there are \[5, 3\] images, expected"),
        (lambda: pictures.reconstructions(IMAGES[:0], IMAGES[:0]), r"there are \[0, 0\] images, expected equally many"),
        (lambda: pictures.reconstructions(IMAGES[:, 0]), r"images are \(5, 4, 6\), expected \(N, C, H, W\)"),
        (lambda: pictures.reconstructions(IMAGES, titles=["a", "b"]), "there are 2 titles for 1 rows"),
        (lambda: pictures.reconstructions(IMAGES, most=0), "reconstructions: most is 0, expected at least 1"),
        (lambda: pictures.reconstructions(IMAGES, columns=0), "reconstructions: columns is 0, expected at least 1"),
        (lambda: pictures.latent_map(np.ones((3, 1)), np.zeros(3, int), ["a"]), r"codes are \(3, 1\) and labels"),
        (lambda: pictures.latent_map(np.ones((3, 2)), np.zeros(2, int), ["a"]), r"labels \(2,\), expected"),
        (lambda: pictures.latent_map(np.ones((1, 2)), np.array([1]), ["a"]), "labels reach from 1 to 1, expected 0 to"),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_codes_are_points_in_their_classes_colours():
    codes, labels = np.array([[0.0, 1], [2, 3], [4, 5], [9, 9]]), np.array([0, 2, 2, 0])
    (axes,) = pictures.latent_map(codes, labels, ["cat", "dog", "owl"]).axes
    points, *_ = axes.collections
    assert np.asarray(points.get_offsets()).tolist() == codes.tolist()
    colours = points.get_facecolors()
    assert np.array_equal(colours[0], colours[3]) and not np.array_equal(colours[0], colours[1])
    assert {text.get_text(): text.get_position() for text in axes.texts} == {"cat": (4.5, 5.0), "owl": (3.0, 4.0)}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["cat", "owl"]
    many = pictures.latent_map(codes, labels, [f"class {i}" for i in range(30)]).axes[0]
    assert many.get_legend() is None and len(many.texts) == 2
    with pytest.raises(NothingToDraw, match="there are no codes"):
        pictures.latent_map(codes[:0], labels[:0], ["cat"])


def test_a_plane_of_codes_reads_like_axes():
    def decode(z):
        assert z.dtype == np.float32
        return np.repeat(z[:, :1, None, None] / 4 + z[:, 1:, None, None] / 8 + 0.5, 2, axis=2)

    (axes,) = pictures.latent_plane(decode, side=3, reach=1.0).axes
    image = wall(axes)
    assert axes.images[0].get_extent() == [-1, 1, -1, 1] and image.shape == (3 * 2 + 2 * GAP, 3 + 2 * GAP, 3)
    assert image[0, 0, 0] == 0.375 and image[0, -1, 0] == 0.875 and image[-1, 0, 0] == 0.125
