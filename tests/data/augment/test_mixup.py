"""Mixup: images and targets are blended with the same partner and share, and cross_entropy takes the targets."""

import numpy as np
import pytest

from gpunn import ops
from gpunn.data import Mixup
from gpunn.errors import DataError
from tests.data.augment.batches import images

LABELS = np.array([0, 1, 2, 3, 4, 5])


def mix(x, labels=LABELS, seed=0, **options):
    return Mixup(**{"num_classes": 6, "alpha": 1.0, **options})(x, labels, np.random.default_rng(seed))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_targets_say_what_is_in_the_image(dtype):
    x = images(dtype=dtype)
    before, shares = x.copy(), []
    for seed in range(5):
        y, targets = mix(x, seed=seed)
        assert y.dtype == dtype and targets.dtype == np.float32 and targets.shape == (6, 6)
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(y, np.einsum("nk,kchw->nchw", targets, x), atol=1e-6)
        shares.append(targets[targets > 0].min())
    np.testing.assert_array_equal(x, before)
    assert len(set(shares)) == 5


def test_uint8_is_rounded():
    y, targets = mix(images())
    assert y.dtype == np.uint8
    assert np.abs(y - np.einsum("nk,kchw->nchw", targets, images().astype(float))).max() <= 0.501


def test_share_is_beta_distributed():
    x = np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    rows = [mix(x, np.array([0, 1]), seed, num_classes=2, alpha=0.4)[0][0, 0, 0, 0] for seed in range(2000)]
    mixed = np.array([v for v in rows if v != 0])  # half of the permutations pair an image with itself
    assert 850 < len(mixed) < 1150
    assert abs(mixed.mean() - 0.5) < 0.05 and abs(mixed.var() - 1 / (4 * (2 * 0.4 + 1))) < 0.02


def test_cross_entropy_takes_the_targets():
    y, targets = mix(images(dtype=np.float32))
    scores = y.mean(axis=(2, 3)) @ np.eye(3, 6, dtype=np.float32)
    loss = float(ops.cross_entropy(scores, targets))
    logp = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert loss == pytest.approx(-(targets * logp).sum(axis=1).mean(), rel=1e-5)


def test_no_images():
    y, targets = mix(images(0), np.zeros(0, np.int64))
    assert y.shape == (0, 3, 10, 12) and targets.shape == (0, 6)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (LABELS[:5], r"labels are int64 of shape \(5,\), expected whole numbers of shape \(6,\)"),
        (LABELS / 2, r"labels are float64 of shape \(6,\), expected whole numbers"),
        (np.eye(6), r"labels are float64 of shape \(6, 6\)"),
        (LABELS + 1, "label 6 is outside 0 to 5; set num_classes"),
        (LABELS - 1, "label -1 is outside 0 to 5; set num_classes"),
    ],
)
def test_refuses_labels(labels, words):
    with pytest.raises(DataError, match=f"Mixup: {words}"):
        mix(images(), labels)


def test_refuses_batches_and_options():
    with pytest.raises(DataError, match="Mixup: got a batch of 1 arrays, expected 2: images and labels"):
        Mixup(6)(images(), np.random.default_rng(0))
    for alpha in (0, -1, float("nan"), float("inf"), "a"):
        with pytest.raises(DataError, match=f"Mixup: alpha is {alpha!r}; give a number above 0"):
            Mixup(6, alpha)
    with pytest.raises(DataError, match="Mixup: num_classes is 1; give a whole number of at least 2"):
        Mixup(1)
