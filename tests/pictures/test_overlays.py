"""Masks drawn over images: which pixel gets which colour, and what the figure says."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

from gpunn import pictures
from gpunn.pictures.overlays import COLOURS, GREY, OPACITY

NAMED = ["background", "disc", "triangle"]


def colours_of(figure):
    return [tuple(np.round(patch.get_facecolor()[:3], 6)) for patch in figure.legends[0].get_patches()]


def test_colours_of_classes_differ_and_a_background_is_black():
    for classes in (NAMED, [str(i) for i in range(40)]):
        colours = pictures.class_colours(classes)
        assert len(np.unique(colours.round(3), axis=0)) == len(classes)
        assert ((colours >= 0) & (colours <= 1)).all() and (colours[0] == 0).all() == (classes is NAMED)
    assert pictures.class_colours([]).size == 0


def test_an_overlay_tints_classes_and_leaves_a_background():
    image = np.full((3, 2, 2), 255, np.uint8)
    tinted = pictures.overlay(image, np.array([[0, 1], [2, -100]]), NAMED)
    for at, colour in (((0, 1), COLOURS[0]), ((1, 0), COLOURS[1])):
        np.testing.assert_allclose(tinted[at], 1 - OPACITY + OPACITY * np.array(colour) / 255)
    assert tinted[0, 0].tolist() == [1, 1, 1]
    np.testing.assert_allclose(tinted[1, 1], 1 - OPACITY + OPACITY * GREY)
    first = pictures.overlay(image[:1], np.zeros((2, 2), int), ["sky", "sea"])
    np.testing.assert_allclose(first[0, 0], 1 - OPACITY + OPACITY * np.array(COLOURS[0]) / 255)


def test_a_figure_shows_image_mask_and_prediction_and_how_much_is_right():
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 256, (3, 3, 4, 4), dtype=np.uint8), rng.integers(0, 3, (3, 4, 4))
    predicted = masks.copy()
    predicted[0, 0] = (masks[0, 0] + 1) % 3  # a quarter of it
    masks[1] = 255
    figure = pictures.overlays(images, masks, predicted, NAMED, most=2)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["image", "mask", "predicted\n75.0% right", "image", "mask", "predicted\nall ignored"]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    np.testing.assert_allclose(shown[0], images[0].transpose(1, 2, 0) / 255)
    np.testing.assert_allclose(shown[2], pictures.overlay(images[0], predicted[0], NAMED))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["disc", "triangle"]
    assert colours_of(figure) == [tuple(np.round(np.array(colour) / 255, 6)) for colour in COLOURS[:2]]


def test_what_does_not_fit_is_refused():
    images, masks = np.zeros((2, 3, 4, 4), np.uint8), np.zeros((2, 4, 4), int)
    with pytest.raises(ValueError, match=r"overlays: predicted are \(2, 3, 4, 4\), expected \(2, 4, 4\) for images"):
        pictures.overlays(images, masks, np.zeros((2, 3, 4, 4)), NAMED)
    with pytest.raises(ValueError, match=r"overlays: masks are \(1, 4, 4\), expected \(2, 4, 4\)"):
        pictures.overlays(images, masks[:1], masks, NAMED)
    with pytest.raises(pictures.NothingToDraw, match="overlays: there is none to draw of 0 images"):
        pictures.overlays(images[:0], masks[:0], masks[:0], NAMED)
    with pytest.raises(ValueError, match=r"overlay: mask is \(4, 3\) but image is \(3, 4, 4\), expected \(H, W\)"):
        pictures.overlay(images[0], masks[0, :, :3], NAMED)
    with pytest.raises(ValueError, match="overlays: most is 0, expected at least 1"):
        pictures.overlays(images, masks, masks, NAMED, most=0)
