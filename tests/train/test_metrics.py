"""accuracy and top-k against plain loops, ties and NaN included."""

import numpy as np
import pytest

import gpunn
from gpunn.engine.tensor import Tensor
from gpunn.errors import LabelError
from gpunn.train import accuracy, top_k, top_k_accuracy
from tests import counting


def by_hand(scores, labels, k):
    hits = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda c: (-row[c], c))
        hits += label in order[:k]
    return hits / len(labels)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_equals_sorting(k):
    rng = np.random.default_rng(k)
    scores, labels = rng.integers(0, 4, (50, 5)).astype(np.float32), rng.integers(0, 5, 50)  # many ties
    assert top_k_accuracy(Tensor(scores), labels, k) == by_hand(scores, labels, k)
    assert top_k(k)(scores, labels.astype(np.uint8)) == by_hand(scores, labels, k)
    if k == 1:
        assert accuracy(scores, labels) == by_hand(scores, labels, 1)


def test_constant_scores_are_no_hits_for_all():
    assert top_k_accuracy(np.zeros((4, 4)), np.arange(4), 2) == 0.5
    assert top_k_accuracy(np.full((4, 4), np.nan), np.arange(4), 2) == 0.0


def test_probabilities_maps_and_nothing():
    scores = np.eye(3)[[0, 1, 2, 2]]
    assert accuracy(scores, np.eye(3)[[0, 1, 2, 0]]) == 0.75
    maps = scores.reshape(2, 2, 3).transpose(0, 2, 1)
    assert accuracy(maps, np.array([[0, 1], [2, 0]])) == top_k_accuracy(maps, np.array([[0, 1], [2, 0]]), 1) == 0.75
    assert accuracy(np.zeros((0, 3)), np.zeros(0, int)) == 0.0


def test_errors():
    with pytest.raises(ValueError, match=r"accuracy: output has shape \(4, 1\), expected scores \(N, C\) of at"):
        accuracy(np.zeros((4, 1)), np.zeros(4, int))
    with pytest.raises(ValueError, match=r"accuracy: target is float64 \(4,\), expected class indices \(4,\)"):
        accuracy(np.zeros((4, 3)), np.zeros(4))
    with pytest.raises(ValueError, match="top_k_accuracy: k is 4, expected 1 to 3, the number of classes"):
        top_k_accuracy(np.zeros((4, 3)), np.zeros(4, int), 4)


# ---------------------------------------------------------------- on devices
@pytest.fixture
def on(device, device_there):
    return lambda array: gpunn.to_device(np.asarray(array), device)


DEVICES = pytest.mark.parametrize("device", ["emulator", "cuda"])
IGNORED = -100


@DEVICES
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
def test_a_devices_counts_are_the_cpus(on, device, dtype):
    if device == "cuda" and not gpunn.is_available("emulator"):
        pytest.skip("the stand-in runs kernels on the emulator, which is not available here (gpunn doctor says why)")
    rng = np.random.default_rng(1)
    for shape in ((300, 3), (5, 40), (2, 4, 3, 2), (0, 3)):
        scores = rng.integers(0, 4, shape).astype(dtype)
        if dtype != "int64":
            scores.reshape(-1)[::7] = np.nan
        labels = rng.integers(0, shape[1], (shape[0], *shape[2:])).astype(("int64", "uint8")[dtype == "float64"])
        for ignored in (IGNORED, 1):
            for share in (accuracy.share, top_k(2).share):
                want, got = (share(give(scores), give(labels), ignored) for give in (np.asarray, on))
                numbers = [int(gpunn.to_numpy(a)) for a in (got.right, got.of)]
                assert numbers == [int(want.right), int(want.of)] and got.right.shape == got.of.shape == ()


@DEVICES
def test_a_wrong_label_of_a_devices_metric_is_found_at_the_next_read(on, device):
    if device == "cuda" and not gpunn.is_available("emulator"):
        pytest.skip("the stand-in runs kernels on the emulator, which is not available here (gpunn doctor says why)")
    scores = on(np.eye(3, dtype=np.float32))
    for share, name in ((accuracy.share, "accuracy"), (top_k(2).share, "top_k_accuracy")):
        found = share(scores, on([0, 7, 2]), IGNORED)
        with pytest.raises(LabelError, match=rf"^{name}: target has the label 7, expected 0 to 2 .*ignore_index=-100"):
            gpunn.to_numpy(found.right)
        assert int(gpunn.to_numpy(found.right)) == 2
        assert int(gpunn.to_numpy(share(scores, on([0, 7, 2]), 7).of)) == 2


def test_a_devices_accuracy_is_one_launch(look_alike):
    scores, labels = (gpunn.to_device(a, "cuda") for a in (np.eye(3, dtype=np.float32), np.arange(3)))
    with counting.dry():
        for share in (accuracy.share, top_k(2).share):
            share(scores, labels, IGNORED)
            with counting.device_work() as work:
                share(scores, labels, IGNORED)
            assert dict(work.launches) == {"hits": 1} and not work.copies.total() and not work.reads.total()
