"""mean_iou and dice against a confusion matrix counted by hand, and over an epoch of uneven batches."""

from functools import partial

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, data, manual_seed, nn, ops, optim, train
from gpunn.errors import LabelError
from gpunn.train import dice, load_checkpoint, mean_iou
from tests import counting
from tests.ops.conftest import place as place
from tests.train.runs import At, timeless

METRICS = {"iou": mean_iou, "dice": dice}


def some(n=6, classes=4, seed=0):
    """Scores (n, 4, 5, 3) and masks in which class 3 is rare, and some pixels ignored."""
    rng = np.random.default_rng(seed)
    masks = rng.choice(classes, (n, 5, 3), p=[0.5, 0.3, 0.17, 0.03])
    scores = rng.standard_normal((n, classes, 5, 3)) + 1.5 * (masks[:, None] == np.arange(classes)[:, None, None])
    masks[:, 0, 0] = -100
    return scores.astype(np.float32), masks


def by_hand(scores, masks, ignored=-100):
    """Both metrics from a confusion matrix, one pixel at a time."""
    classes = scores.shape[1]
    matrix = [[0] * classes for _ in range(classes)]
    for i, *at in np.ndindex(masks.shape):
        if masks[(i, *at)] != ignored:
            column = [scores[(i, c, *at)] for c in range(classes)]
            matrix[masks[(i, *at)]][column.index(max(column))] += 1
    ious, dices = [], []
    for c in range(classes):
        row, column = sum(matrix[c]), sum(line[c] for line in matrix)
        if row + column:
            ious.append(matrix[c][c] / (row + column - matrix[c][c]))
            dices.append(2 * matrix[c][c] / (row + column))
    return {"iou": sum(ious) / len(ious), "dice": sum(dices) / len(dices)}


@pytest.mark.parametrize("ignored", [-100, 1])
def test_against_a_confusion_matrix(ignored, place):
    scores, masks = some()
    masks = np.where(masks == -100, ignored, masks)
    want = by_hand(scores, masks, ignored)
    for name, metric in METRICS.items():
        on = gpunn.to_device(scores, place), gpunn.to_device(masks, place)
        assert metric(*on, ignore_index=ignored) == pytest.approx(want[name], rel=1e-12)
        assert type(metric(Tensor(on[0]), on[1], ignore_index=ignored)) is float


def test_rows_of_scores_and_probabilities_will_do():
    scores, labels = np.eye(3)[[0, 1, 1, 2]], np.array([0, 1, 2, 2])
    assert mean_iou(scores, labels) == mean_iou(scores, np.eye(3)[labels]) == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_a_class_in_neither_is_left_out_and_nothing_is_nan():
    scores = np.zeros((1, 5, 2, 2))
    scores[:, 1] = 1
    assert mean_iou(scores, np.ones((1, 2, 2), int)) == dice(scores, np.ones((1, 2, 2), int)) == 1
    assert mean_iou(scores, np.array([[[1, 1], [1, 4]]])) == pytest.approx((3 / 4 + 0) / 2)
    for masks in (np.full((1, 2, 2), -100), np.zeros((0, 2, 2), int)):
        assert np.isnan(mean_iou(scores[: len(masks)], masks)) and np.isnan(dice(scores[: len(masks)], masks))


@pytest.mark.parametrize("name", METRICS)
def test_a_wrong_label_is_named_with_its_place(name, place):
    scores, masks = some()
    masks[2, 3, 1] = 4
    on = gpunn.to_device(scores, place), gpunn.to_device(masks, place)
    words = rf"{METRICS[name].__name__}: target has the label 4 at \[2, 3, 1\], expected 0 to 3 for the 4 classes"
    with pytest.raises(LabelError, match=words):
        METRICS[name](*on)
    with pytest.raises(LabelError, match=words):
        float(METRICS[name].share(*on, -100))


def test_shapes_that_do_not_fit():
    scores, masks = some()
    with pytest.raises(ValueError, match=r"mean_iou: target is int64 \(6, 5\), expected class indices \(6, 5, 3\)"):
        mean_iou(scores, masks[..., 0])
    with pytest.raises(ValueError, match=r"; give the scores of all classes \(N, C, ...\), not their argmax$"):
        mean_iou(scores.argmax(1), masks)
    with pytest.raises(ValueError, match=r"dice: output has shape \(6, 1, 5, 3\), expected scores \(N, C\)"):
        dice(scores[:, :1], masks)


# ---------------------------------------------------------------- in a Trainer
class Shift(nn.Module):
    """Scores as they are, but for a weight that training moves."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(np.zeros((4, 1, 1), np.float32))

    def forward(self, x):
        return x + self.bias


def run_of(lr=0.0, loss=ops.cross_entropy, **options):
    manual_seed(0)
    model = Shift()
    return train.Trainer(model, optim.SGD(model.parameters(), lr), loss, metrics=METRICS, **options)


def loader(n=6, size=4):
    return data.DataLoader(data.ArrayDataset(*some(n)), size)


@pytest.mark.parametrize("loss", [ops.cross_entropy, ops.dice_loss])
def test_an_epoch_is_one_ratio_whatever_the_batches(loss, place):
    """The last batch has two images; class 3 is not in each."""
    scores, masks = some()
    want = by_hand(scores, masks)
    run = run_of(loss=loss, device=place)
    row = run.fit(loader(), loader(size=1), 1)[0]
    for name in METRICS:
        assert row[f"train_{name}"] == pytest.approx(want[name]) == row[f"val_{name}"]
    batches = [by_hand(scores[i : i + 1], masks[i : i + 1])["dice"] for i in range(6)]
    assert np.mean(batches) != pytest.approx(want["dice"], abs=1e-3), "nor could it be a mean of theirs"


def test_a_partial_adds_up_its_counts_too():
    """And ignores its own label, whatever the loss does."""
    scores, masks = some()
    masks[:2] = 1  # of either image alone the mean is NaN
    masks[masks == -100] = 0
    metrics = {name: partial(metric, ignore_index=1) for name, metric in METRICS.items()}
    metrics["top1"] = partial(train.top_k_accuracy, k=1)
    run = train.Trainer(Shift(), None, ops.cross_entropy, metrics=metrics)
    found = run.evaluate(data.DataLoader(data.ArrayDataset(scores, masks), 1))
    for name, want in by_hand(scores, masks, 1).items():
        assert found[name] == pytest.approx(want)
    assert found["top1"] == pytest.approx((scores.argmax(1) == masks).mean())


def test_however_seldom_a_device_is_read(place):
    found = [timeless(run_of(0.1, device=place, read_every=n).fit(loader(), loader(), 4)) for n in (1, 3, None)]
    assert found[0] == found[1] == found[2] and "train_iou" in found[0][0]


def test_a_resumed_run_goes_on_with_its_counts(tmp_path):
    def stop():
        raise KeyboardInterrupt

    whole = timeless(run_of(0.1, out=tmp_path / "whole").fit(loader(12, 2), loader(), 2))
    run = run_of(0.1, out=tmp_path / "cut", callbacks=[At(stop, steps=3)])
    with pytest.raises(KeyboardInterrupt):
        run.fit(loader(12, 2), loader(), 2)
    saved = load_checkpoint(tmp_path / "cut")["running"]
    assert np.asarray(saved["sums"]["iou"]).shape == (4,)
    assert timeless(run_of(0.1, out=tmp_path / "cut").fit(loader(12, 2), loader(), 2, resume=tmp_path / "cut")) == whole


def test_steps_give_numbers():
    run = run_of()
    scores, masks = some()
    found = run.step(scores, masks)
    assert {name: float(found[name]) for name in METRICS} == pytest.approx(by_hand(scores, masks))


def test_captured_steps_give_the_same_bits(look_alike):
    found = []
    for capture in (False, None):
        run = run_of(0.1, device="cuda", capture=capture)
        found.append(timeless(run.fit(loader(8), loader(8), 4)))
        assert run.graphs.captured is (capture is None)
    assert found[0] == found[1]
    manual_seed(0)
    model = Shift().to("cuda")
    step = train.CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.0), metrics=METRICS)
    batch = [gpunn.to_device(a, "cuda") for a in some()]
    for _ in range(4):
        assert step(*batch).metrics == pytest.approx(by_hand(*some()))
    assert step.captured


def test_a_devices_metric_is_not_waited_for(look_alike):
    batch = [gpunn.to_device(a, "cuda") for a in some()]
    for metric in METRICS.values():
        metric.share(*batch, -100)
        with counting.device_work() as work:
            metric.share(*batch, -100)
        assert not work.reads.total() and not work.copies.total()
