"""What the examples of single neurons and small networks claim: bounds hold, cycles are found, errors fall."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import nn
from tests.examples.test_examples import load


@pytest.fixture(scope="module")
def perceptron():
    return load("perceptron")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("margin", [0.03, 0.2])
def test_the_perceptron_makes_fewer_mistakes_than_its_bound(perceptron, seed, margin):
    x, y = perceptron.separable(40, margin, seed)
    weights, mistakes = perceptron.train(x, y, 2000)
    assert mistakes[-1] == 0 and (y * (perceptron.with_one(x) @ weights[-1]) > 0).all()
    assert 0 < sum(mistakes) == len(weights) - 1 <= perceptron.bound(x, y)


def test_the_bound_is_tight_where_it_can_be(perceptron):
    """One point: R = gamma, and the one mistake that weights 0 make."""
    x, y = np.array([[3.0, 4.0]]), np.array([-1])
    assert sum(perceptron.train(x, y)[1]) == 1 == pytest.approx(perceptron.bound(x, y))


def test_the_widest_margin_is_certified(perceptron):
    """Its direction reaches gamma, and the nearest point of the hull says that none reaches more."""
    x, y = perceptron.separable(40, 0.1, 0)
    u, gamma, most = perceptron.widest_margin(x, y)
    margins = y * (perceptron.with_one(x) @ u)
    assert np.linalg.norm(u) == pytest.approx(1) and margins.min() == pytest.approx(gamma)
    assert 0.1 / np.sqrt(1.09) < gamma <= most < gamma + 1e-9  # drawn with a margin of 0.1 and an offset of up to 0.3
    assert (np.isclose(margins, gamma, atol=1e-9)).sum() >= 2  # as far from two points at least


def test_points_that_no_line_separates_have_no_bound(perceptron):
    with pytest.raises(ValueError, match="not separable"):
        perceptron.bound(*perceptron.XOR)


def test_no_points_no_epochs_and_margins_too_wide_are_refused(perceptron, capsys):
    for words in (["--points", "0"], ["--epochs", "0"]):
        with pytest.raises(SystemExit):
            perceptron.main(words)
        assert f"{' '.join(words)}" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"margin 1\.5 leaves fewer than 9 points a class; take a smaller one"):
        perceptron.separable(9, 1.5, 0)


@pytest.mark.parametrize("start", [(0, 0, 0), (3, 1, 2), (10, -7, 4)])
def test_exclusive_or_cycles(perceptron, start):
    weights, mistakes = perceptron.train(*perceptron.XOR, 1000, start)
    cycle = perceptron.cycle_of(weights, mistakes)
    assert len(mistakes) < 20 and len(cycle) > 1 and (cycle[0] == cycle[-1]).all()
    again, _ = perceptron.train(*perceptron.XOR, 1000, cycle[0])
    assert np.array_equal(cycle, again)
    assert perceptron.cycle_of(*perceptron.train(*perceptron.separable(9, 0.2, 0))) == []


def test_the_logistic_neuron_ends_where_its_gradient_is_0(perceptron):
    """The mean of (sigmoid(w.x + b) - label) (x, 1), which is the gradient."""
    x, y = perceptron.overlapping(40, 1)
    neuron, right = perceptron.logistic_neuron(x, y, 400)
    with gpunn.no_grad():
        chance = 1 / (1 + np.exp(-gpunn.to_numpy(neuron(x.astype(np.float32)))[:, 0]))
    assert np.allclose(perceptron.with_one(x).T @ (chance - (y > 0)) / len(x), 0, atol=2e-3)
    assert right[-1] == ((chance > 0.5) == (y > 0)).mean() > 0.85


def test_the_perceptrons_picture(perceptron, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    found = perceptron.main(["--points", "20", "--epochs", "40", "--out", str(tmp_path / "a.png")])
    assert found["mistakes"] <= found["bound"] and found["left"] == 0 and found["cycle"] == 4
    assert found["logistic"] > 0.7  # of 40 points; the best decision there is is right in 90 % of many
    assert "(0, 0, 0) -> (1, 1, -1) -> (0, 2, 0) -> (1, 1, 1) -> (0, 0, 0)" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_exclusive_or_is_drawn_epoch_by_epoch(tmp_path):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    example = load("xor_mlp")
    film = example.Film(40)
    assert list(film.axes) == [0, 1, 2, 5, 10, 20, 40]  # twice as late each
    model, _ = example.train(40, watch=film)
    last = film.axes[40]
    assert last.get_title() == f"epoch 40: {((example.chances(model, example.X) > 0.5) == example.Y).sum()} of 4 right"
    assert [len(film.axes[step].lines) for step in film.axes] == [8] * 7  # a line a hidden unit
    for w, b, line in zip(*(p.detach().numpy() for p in model[0].parameters()), last.lines, strict=True):
        assert abs(w @ np.array(line.get_xy1()) + b) < 1e-4 > abs(w @ np.array(line.get_xy2()) + b)
    assert not example.main(["--steps", "2", "--out", str(tmp_path / "a.png")])  # too few, and drawn all the same
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_one_hidden_layer_approximates_a_curve():
    example = load("approximation")
    x = np.linspace(0, 1, 256)[:, None]
    y = example.curve(x)

    def error(model):
        return np.sqrt(((example.values(model, x) - y) ** 2).mean())

    trained = [error(example.trained(n, x, y, 400)) for n in (1, 4, 16)]
    assert trained[0] > 0.25 > trained[1] > 0.1 > 4 * trained[2]
    by_hand = [error(example.built(n)) for n in (16, 64, 256)]
    assert by_hand[0] > 3 * by_hand[1] > 9 * by_hand[2]  # 4 times less each, but for rounding


@pytest.mark.parametrize("n", [2, 8, 64, 256])
def test_bumps_built_by_hand_have_the_curves_heights(n):
    """In the middle of each bump the network is the curve, and between two a value between theirs."""
    example = load("approximation")
    middles = (np.arange(n // 2) + 0.5) / (n // 2)
    heights = example.values(example.built(n), middles[:, None])[:, 0]
    assert np.allclose(heights, example.curve(middles), atol=1e-9)
    x = np.linspace(0, 1, 1000)
    error = np.abs(example.values(example.built(n), x[:, None])[:, 0] - example.curve(x))
    steepest = np.abs(np.diff(example.curve(x)) / np.diff(x)).max()
    assert error.max() < steepest * 0.75 * 2 / n  # half a bump's width and a quarter for the slopes between two


def test_the_approximations_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    errors = load("approximation").main(["--iterations", "3", "--out", str(tmp_path / "a.png")])
    assert [len(row) for row in errors.values()] == [9, 9] and "by hand" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def paths():
    return load("descent_paths")


def test_delta_bar_delta_is_its_paper(paths):
    """Beside a loop on plain numbers, one weight at a time."""
    target = nn.Parameter(np.array([-4.0, 1.5]))
    optimizer = paths.DeltaBarDelta([target], lr=0.02, kappa=0.01, phi=0.4, theta=0.6)
    p, rate, bar = [-4.0, 1.5], [0.02, 0.02], [0.0, 0.0]
    for _ in range(30):
        optimizer.zero_grad()
        paths.valley(target[0], target[1]).backward()
        optimizer.step()
        for i, slope in enumerate((1, 40)):
            g = slope * p[i]
            if bar[i] * g > 0:
                rate[i] += 0.01
            elif bar[i] * g < 0:
                rate[i] -= 0.4 * rate[i]
            p[i] -= rate[i] * g
            bar[i] = 0.4 * g + 0.6 * bar[i]
        assert np.allclose(target.detach().numpy(), p, rtol=1e-9, atol=0)
    assert rate[0] > 0.05 > rate[1]  # each weight has found its own


def test_a_step_for_each_weight_pays_where_the_valley_lies_along_one(paths):
    straight, turned = (paths.SURFACES[name] for name in ("a valley along a weight", "the valley turned"))
    ends = {
        method: [paths.descend(surface, method, lr, 60)[1][-1] for surface in (straight, turned)]
        for method, lr in (("SGD", 0.03), ("momentum", 0.01), ("Rprop", 0.1), ("delta-bar-delta", 0.03))
    }
    for method in ("SGD", "momentum"):  # which know no axes, but that 3.9 and 1.8 are rounded
        assert ends[method][0] == pytest.approx(ends[method][1], rel=0.05)
    for method in ("Rprop", "delta-bar-delta"):
        assert ends[method][0] < 1e-3 * ends["SGD"][0] and ends[method][0] < 1e-3 * ends[method][1]


def test_surfaces_are_the_same_of_arrays_and_tensors_and_lowest_where_they_say(paths):
    for name, surface in paths.SURFACES.items():
        at = [surface.start, surface.lowest, (0.3, -0.7)]
        heights = surface.loss(*np.array(at).T)
        assert np.allclose([surface.loss(*map(gpunn.tensor, np.array(place))).item() for place in at], heights), name
        assert heights[1] == pytest.approx(0, abs=1e-12) and heights[0] > 1


def test_the_paths_picture(paths, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    monkeypatch.setattr(paths, "RATES", (0.001, 0.01, 1e9))  # the last one leaves the surface
    ends = paths.main(["--steps", "12", "--out", str(tmp_path / "a.png")])
    assert list(ends) == list(paths.SURFACES) and all(list(every) == list(paths.METHODS) for every in ends.values())
    assert all(end < 60 for every in ends.values() for end in every.values())
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
