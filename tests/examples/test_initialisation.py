"""examples/initialisation.py and normalisation.py: sizes are what theory says, sets what they are called."""

import os

import numpy as np
import pytest

from tests.examples.test_examples import load

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of drawing: in CI")


@in_ci
def test_numbers_keep_their_size_where_theory_says_so(capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    found = load("initialisation").main(["--out", str(tmp_path / "init.png")])
    assert (tmp_path / "init.png").stat().st_size > 10_000
    for kept in found["ReLU", "He"]:  # n sigma^2 / 2 = 1 a layer, up and down
        assert 0.7 < kept < 1.4
    for kept in found["ReLU", "Glorot"]:  # half of it: 2 ** -4.5 after the nine layers behind the first
        assert kept == pytest.approx(2**-4.5, rel=0.3)
    for kept in found["ReLU", "normal 0.1"]:  # 256 * 0.01 / 2 = 1.28 a layer
        assert kept == pytest.approx(1.28**4.5, rel=0.3)
    for kept in found["tanh", "normal 0.01"]:  # 256 * 0.0001 a layer
        assert kept == pytest.approx(0.16**9, rel=0.3)
    assert max(down for (name, _), (_, down) in found.items() if name == "sigmoid") < 1e-4
    assert "normal 0.01       normal 0.1" in capsys.readouterr().out


def test_the_sets_are_what_the_norms_are_called_after():
    example = load("normalisation")
    n, c, _ = np.indices(example.SHAPE)
    want = {"batch norm": c, "layer norm": n, "instance norm": n * 4 + c, "group norm, 2 groups": n * 2 + c // 2}
    assert want.keys() == example.NORMS.keys()
    for name, norm in example.NORMS.items():
        found = example.sets(norm)
        same = found.reshape(-1, 1) == found.reshape(-1)
        np.testing.assert_array_equal(same, want[name].reshape(-1, 1) == want[name].reshape(-1), name)


@in_ci
def test_the_cubes_are_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    load("normalisation").main(["--out", str(tmp_path / "cubes.png")])
    assert (tmp_path / "cubes.png").stat().st_size > 10_000
