"""examples/autoencoders.py: the spaces beside PCA, the price of active units, and all of it at small settings."""

from __future__ import annotations

import os

import numpy as np
import pytest

from gpunn import data
from tests.examples.test_examples import load


@pytest.fixture(scope="module")
def example():
    return load("autoencoders")


@pytest.fixture(scope="module")
def images():
    return data.load("digits", limit=200).train.astype(np.float32) / 255


def test_a_linear_one_spans_the_principal_components(example, images):
    small = images.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5))
    components, basis, sine = example.linear(small, 3, 0)
    assert sine < 1e-3
    np.testing.assert_allclose(components @ basis.T @ basis, components, atol=2e-3)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-9)


def test_the_price_keeps_units_silent(example, images):
    _, means = example.sparse(images, images, 5, 0)
    free, priced = (np.median(mean) for mean in means.values())
    assert priced < 0.1 and free > 2 * priced


@pytest.mark.skipif("CI" not in os.environ, reason="draws seven pictures; set CI=1")
def test_all_of_it(example, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws pictures")
    found = example.main(["--data", "digits", "--limit", "600", "--epochs", "3", "--out", str(tmp_path)])
    names = {"denoised", "codes", "plane", "samples", "activations", "features", "components"}
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    assert found["bound 20"] < 784 * np.log(2) and found["denoised"] < 0.08 and found["sine"] < 1e-3
    assert f"{found['bound 20']:.1f} nats on 120 test images" in capsys.readouterr().out
