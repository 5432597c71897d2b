"""Random Tensors: their distributions, seeds and generators, and what is refused."""

import numpy as np
import pytest

import gpunn

DRAWS = {
    "rand": lambda g: gpunn.rand(8, generator=g),
    "randn": lambda g: gpunn.randn((8,), generator=g),
    "randint": lambda g: gpunn.randint(100, (8,), generator=g),
    "randperm": lambda g: gpunn.randperm(8, generator=g),
    "normal": lambda g: gpunn.normal(0.0, 1.0, (8,), generator=g),
    "bernoulli": lambda g: gpunn.bernoulli(gpunn.full((64,), 0.5), generator=g),
    "multinomial": lambda g: gpunn.multinomial(gpunn.ones(8), 8, generator=g),
    "rand_like": lambda g: gpunn.rand_like(gpunn.zeros(8), generator=g),
    "randn_like": lambda g: gpunn.randn_like(gpunn.zeros(8), generator=g),
    "randint_like": lambda g: gpunn.randint_like(gpunn.zeros(8), 100, generator=g),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_seeds_repeat_and_generators_are_streams_of_their_own(draw):
    def values(generator=None):
        return draw(generator).tolist()

    gpunn.manual_seed(3)
    before = gpunn.get_rng_state()
    first = values()
    assert values() != first
    gpunn.set_rng_state(before)
    assert values() == first and values(gpunn.Generator(device="cpu").manual_seed(3)) == first
    state = gpunn.get_rng_state()
    values(gpunn.Generator("cpu"))
    assert gpunn.get_rng_state() == state and gpunn.initial_seed() == 3


def test_seeds_that_nobody_chose_differ():
    assert gpunn.seed() != gpunn.seed() and gpunn.manual_seed(7).initial_seed() == 7


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_distributions(dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    x, z = (np.asarray(f(20_000, dtype=dtype)).astype(float) for f in (gpunn.rand, gpunn.randn))
    assert x.min() >= 0 and x.max() < 1 and abs(x.mean() - 0.5) < 0.01 and abs(x.var() - 1 / 12) < 0.005
    assert abs(z.mean()) < 0.03 and abs(z.var() - 1) < 0.05


def test_whole_numbers_are_as_likely():
    x = np.asarray(gpunn.randint(-2, 3, (20_000,)))
    assert set(x) == {-2, -1, 0, 1, 2} and abs(np.bincount(x + 2) / len(x) - 0.2).max() < 0.02
    wide = np.asarray(gpunn.randint(-(2**63), 2**63 - 1, (1000,)))
    assert wide.dtype == np.int64 and (wide < 0).any() and (wide > 0).any()
    assert gpunn.randint(0, 2, (3,), dtype=gpunn.float32).dtype == np.float32


def test_means_and_deviations_of_each_element():
    mean, std = gpunn.tensor([0.0, 100.0]), gpunn.tensor([1.0, 0.5])
    x = np.asarray(gpunn.normal(mean.reshape(1, 2).broadcast_to((5000, 2)), std))
    assert x.shape == (5000, 2) and abs(x.mean(0) - [0, 100]).max() < 0.06 and abs(x.std(0) - [1, 0.5]).max() < 0.04


def test_chances():
    p = gpunn.tensor([0.0, 0.25, 1.0], dtype="float64").reshape(3, 1).broadcast_to((3, 8000))
    got = np.asarray(gpunn.bernoulli(p)).mean(1)
    assert got[0] == 0 and abs(got[1] - 0.25) < 0.02 and got[2] == 1
    assert gpunn.bernoulli(gpunn.zeros(3, dtype="int64"), 1.0).tolist() == [1, 1, 1]


def test_places_come_as_their_weights():
    weights = gpunn.tensor([[1.0, 0.0, 3.0], [0.0, 5.0, 0.0]])
    x = np.asarray(gpunn.multinomial(weights, 8000, replacement=True))
    assert abs((x[0] == 2).mean() - 0.75) < 0.02 and 1 not in x[0] and set(x[1]) == {1}
    many = gpunn.tensor([1.0, 0.0, 3.0]).reshape(1, 3).broadcast_to((8000, 3))
    once = np.asarray(gpunn.multinomial(many, 2))
    assert (np.sort(once, 1) == [0, 2]).all() and abs((once[:, 0] == 2).mean() - 0.75) < 0.02


REFUSED = {
    "ints": (lambda: gpunn.rand(2, dtype=int), TypeError, "rand: dtype is int64, expected floating point; use randint"),
    "generator": (
        lambda: gpunn.rand(2, generator=3),
        TypeError,
        "rand: generator is a int, expected a gpunn.Gen",
    ),
    "order": (lambda: gpunn.randint(5, 3, (2,)), ValueError, "randint: low is 5 and high is 3, expected low < high"),
    "no size": (lambda: gpunn.randint(5), TypeError, "randint: size is missing"),
    "not held": (lambda: gpunn.randint(0, 300, (2,), dtype="uint8"), ValueError, "but uint8 holds 0 to 255"),
    "long": (lambda: gpunn.randperm(300, dtype="int8"), ValueError, "randperm: n is 300, which int8 does not hold"),
    "no sizes": (lambda: gpunn.normal(0.0, 1.0), TypeError, "normal: size is missing"),
    "std": (lambda: gpunn.normal(0.0, -1.0, (2,)), ValueError, "normal: std has -1.0, expected at least 0"),
    "chance": (lambda: gpunn.bernoulli(gpunn.full((2,), 1.5)), ValueError, r"values outside \[0, 1\]"),
    "no chance": (
        lambda: gpunn.bernoulli(gpunn.tensor([1])),
        TypeError,
        "bernoulli: input is int64, expected",
    ),
    "NaN": (lambda: gpunn.bernoulli(gpunn.full((2,), float("nan"))), ValueError, r"values outside \[0, 1\]"),
    "negative": (lambda: gpunn.multinomial(gpunn.tensor([1.0, -1]), 1), ValueError, "weights that are negative"),
    "nothing": (lambda: gpunn.multinomial(gpunn.zeros(2), 1), ValueError, "multinomial: input has weights that are"),
    "too many": (lambda: gpunn.multinomial(gpunn.tensor([1.0, 0]), 2), ValueError, "num_samples is 2, expected at"),
    "cube": (lambda: gpunn.multinomial(gpunn.ones(1, 1, 1), 1), ValueError, "expected floating point of 1 or 2"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why(call, error, words):
    with pytest.raises(error, match=words):
        call()
