"""Points of two classes and the regions of a decision, read from the axes themselves."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

import gpunn
from gpunn import nn, ops, pictures

X, LABELS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]), np.array([0, 1, 1])


def axes():
    return pictures.new_figure(3, 3).subplots()


def test_points_lie_inside_and_have_their_class():
    drawn = axes()
    pictures.labelled_points(drawn, X, LABELS)
    circles, squares = (points.get_offsets() for points in drawn.collections)
    assert np.array_equal(circles, X[:1]) and np.array_equal(squares, X[1:])
    assert drawn.get_xlim()[0] < 0 < 1 < drawn.get_xlim()[1] and drawn.get_ylim()[0] < 0 < 2 < drawn.get_ylim()[1]


def test_the_field_is_the_chance_at_its_place():
    drawn = axes()
    pictures.decision_regions(drawn, lambda grid: ops.sigmoid(gpunn.tensor(grid[:, :1] - 0.5)), X, LABELS)
    (image,) = drawn.images
    left, right, bottom, top = image.get_extent()
    field = image.get_array()
    assert (left, right) == drawn.get_xlim() and (bottom, top) == drawn.get_ylim()
    assert np.allclose(field[0, [0, -1]], 1 / (1 + np.exp(0.5 - np.array([left, right]))), atol=1e-6)
    border = drawn.collections[-1].get_paths()[0].vertices
    assert np.allclose(border[:, 0], 0.5, atol=1e-3)  # where the chance is one half


def test_a_decision_that_is_everywhere_the_same_has_no_border():
    drawn = axes()
    pictures.decision_regions(drawn, lambda grid: np.full(len(grid), 0.9), X, LABELS)
    assert len(drawn.collections) == 2  # the points alone


@pytest.mark.parametrize(
    ("x", "labels", "words"),
    [
        (X[:, :1], LABELS, r"x is \(3, 1\), expected \(N, 2\)"),
        (X[:0], LABELS[:0], r"x is \(0, 2\), expected \(N, 2\), one point at least"),
        (X * np.nan, LABELS, "values that are not finite"),
        (X, LABELS[:2], r"labels \(2,\) of 2 kinds, expected 0 or 1 for each of the 3 points"),
        (X, np.array([1, 2, 3]), "of 3 kinds.* compare with a class first"),
    ],
)
def test_refused(x, labels, words):
    with pytest.raises(ValueError, match=words):
        pictures.labelled_points(axes(), x, labels)


def test_examples():
    runner, said = doctest.DocTestRunner(verbose=False), []
    for found in doctest.DocTestFinder().find(pictures.plane, globs={"np": np, "gpunn": gpunn, "nn": nn}):
        runner.run(found, out=said.append)
    assert runner.tries and not runner.failures, "".join(said)
