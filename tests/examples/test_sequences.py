"""What the examples of sequences claim: how far gradients reach, what is recalled, what a grammar could write."""

from __future__ import annotations

import os

import numpy as np
import pytest

import gpunn
from gpunn import nn
from tests.examples.test_examples import load

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of training: in CI")


@pytest.fixture(scope="module")
def sequences():
    return load("sequences")


@pytest.fixture(scope="module")
def characters():
    return load("characters")


def test_the_reach_is_that_of_the_product_of_jacobians(sequences):
    """Of an RNN: dh_T/dx_t = J_T ... J_t+1 diag(1 - h_t^2) W_ih, J_s = diag(1 - h_s^2) W_hh."""
    gpunn.manual_seed(1)
    layer, length = nn.RNN(3, 4, dtype="float64").float(), 6
    found = sequences.reach(layer, length)
    x = np.random.default_rng(0).normal(size=(length, 64, 3)).astype(np.float32)
    w_ih, w_hh = (w.numpy().astype(float) for w in (layer.weight_ih_l0, layer.weight_hh_l0))
    g, norms = np.ones((64, 4)), []
    for h in layer(x)[0].numpy()[::-1]:
        g = g * (1 - h**2)
        norms.append(np.linalg.norm(g @ w_ih))
        g = g @ w_hh
    np.testing.assert_allclose(found, np.array(norms) / norms[0], rtol=1e-4)


def test_what_gates_let_through(sequences):
    norms = {name: sequences.reach(layer)[20] for name, layer in sequences.layers(0).items()}
    vanishing = norms["RNN"], norms["LSTM, forget bias 0"], norms["LSTM, forget bias 2"], norms["LSTM, forget bias 5"]
    assert norms["RNN"] < 1e-6 and list(vanishing) == sorted(vanishing) and norms["LSTM, forget bias 5"] > 0.1
    assert norms["RNN, recurrent weights x 4"] > 1


def test_a_short_sign_is_recalled_and_the_picture_is_drawn(sequences, tmp_path, capsys):
    found = sequences.main(["--steps", "40", "--lengths", "3", "--out", str(tmp_path / "a.png")])
    assert found["recall of RNN"] == found["recall of LSTM, forget bias 5"] == 1
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert "a sign is recalled after 3 steps 100%" in capsys.readouterr().out


@in_ci
def test_a_long_one_by_open_gates_alone(sequences):
    assert sequences.recall(sequences.RECALL["LSTM, forget bias 5"], 40)[0] == 1
    assert sequences.recall(sequences.RECALL["LSTM, forget bias 0"], 40)[0] < 0.65


@in_ci
def test_a_sine_is_continued(sequences):
    model, losses = sequences.forecaster(nn.RNN, 400, 0)
    x = sequences.sines(4, sequences.GIVEN + 100, np.random.default_rng(9))
    y = sequences.continued(model, x[:, : sequences.GIVEN], 100)
    assert losses[-1] < losses[0] / 10 and ((y - x[:, sequences.GIVEN :]) ** 2).mean() < 0.02


def test_the_grammar_takes_what_it_writes_and_nothing_else(characters):
    grammar = characters.Grammar(3)
    text = grammar.text(20_000)
    assert set(text) <= set(characters.LETTERS) and characters.grammatical([text]) == 1
    assert 0.45 < grammar.bits / len(text) < 0.6 and characters.Grammar(3).text(100) == text[: len(
        characters.Grammar(3).text(100))]  # fmt: skip
    right = ["the cat sleeps", "some old dogs that see a bird that sings like the foxes"]
    wrong = ["", "the", "the cat", "the cat sleep", "some dogs sees a cat", "a cats sleep", "the cat sleeps now",
             "the cats that sees the dog sleep", "the cats that see the dog sleeps", "cat sleeps", "the old sleeps",
             "the cat that", "the cat sees", "the cat  sleeps"]  # fmt: skip
    assert all(map(characters.is_sentence, right)) and not any(map(characters.is_sentence, wrong))


def test_it_learns_letters(characters):
    gpunn.manual_seed(0)
    bits = characters.train(characters.CharacterModel(32), characters.Grammar(0).text(5000), 40, rows=8, length=20)
    assert 4.5 < bits[0] < 5.2 and bits[-1] < 3.5


@in_ci
def test_it_writes_sentences_and_the_picture_is_drawn(characters, tmp_path, capsys):
    found = characters.main(["--steps", "500", "--out", str(tmp_path / "a.png")])
    assert found["best"] < found["bits"] < found["best"] + 0.05
    assert found["right at 0.5"] > 0.75 > 0.2 > found["right at 2"]
    assert (tmp_path / "a.png").stat().st_size > 10_000 and "which no model beats" in capsys.readouterr().out


def test_samples_follow_the_seed_and_the_temperature(characters):
    gpunn.manual_seed(0)
    model = characters.CharacterModel(16)
    first = characters.sample(model, 30, 1.0, rows=2)
    assert first == characters.sample(model, 30, 1.0, rows=2) != characters.sample(model, 30, 1.0, rows=2, seed=1)
    assert [len(text) for text in first] == [30, 30] and first[0] != first[1]
    cold = characters.sample(model, 30, 1e-6, rows=4)
    assert len(set(cold)) == 1, "near 0 the likeliest letter is always drawn"
