"""What each picture shows, read from the Figure itself, and what it says where there is nothing to show."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

from gpunn import models, nn, pictures, train
from gpunn.errors import UsageError
from gpunn.pictures import canvas

HISTORY = [
    {"epoch": 1, "train_loss": 2.0, "val_loss": 1.5, "train_accuracy": 0.4, "val_accuracy": 0.6},
    {"epoch": 2, "train_loss": 1.0, "val_loss": None, "train_accuracy": 0.7, "val_accuracy": None},
]


def lines(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def image_of(axes):
    return np.asarray(axes.images[0].get_array())


def test_learning_curves():
    loss, accuracy = pictures.learning_curves(HISTORY).axes
    assert lines(loss) == {"train loss": [[1, 2], [2, 1]], "val loss": [[1, 1.5]]}
    assert lines(accuracy)["train accuracy"] == [[1, 0.4], [2, 0.7]]


def test_learning_curves_of_several_networks_share_the_panels():
    loss, _ = pictures.learning_curves({"member 1": HISTORY, "member 2": HISTORY[:1]}).axes
    assert [line.get_xydata().tolist() for line in loss.lines] == [[[1, 2], [2, 1]], [[1, 1.5]], [[1, 2]], [[1, 1.5]]]
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["member 1", "member 2"]
    colours = [line.get_color() for line in loss.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    *panels, scale = pictures.learning_curves({f"member {i}": HISTORY for i in range(12)}).axes
    assert not any(axes.get_legend() for axes in panels)
    assert [t.get_text() for t in scale.get_yticklabels()] == ["first\nnetwork", "last\nnetwork"]


def test_networks_without_validation_are_named_by_their_training():
    """A legend without names would be a warning of matplotlib's, and nobody could tell the lines apart."""
    rows = [{key: None if key.startswith("val") else value for key, value in row.items()} for row in HISTORY]
    loss, _ = pictures.learning_curves({"member 1": rows, "member 2": rows}).axes
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["member 1", "member 2"]
    assert [line.get_linestyle() for line in loss.lines] == ["--", "--"]


def test_a_panel_without_values_has_words_in_place_of_figures():
    nan, inf = float("nan"), float("inf")
    rows = [{"epoch": 1, "train_loss": nan, "val_loss": inf}, {"epoch": 2, "train_loss": inf, "val_loss": nan}]
    loss, accuracy = pictures.learning_curves(rows).axes
    assert [axes.texts[0].get_text() for axes in (loss, accuracy)] == ["no finite value", "not recorded"]
    assert not len(loss.get_yticks()) and not len(accuracy.get_xticks())
    rows[0]["train_loss"] = 2.0
    loss = pictures.learning_curves(rows).axes[0]
    assert not loss.texts and lines(loss)["train loss"][0] == [1, 2] and np.isnan(lines(loss)["train loss"][1][1])


def test_gradient_norms_of_one_network_name_the_layers():
    rows = [
        {"step": 1, "conv": 0.5, "fc": 2.0},
        {"step": 11, "conv": 0.25, "fc": None},
        {"step": 21, "conv": 0, "fc": 1},
    ]
    (axes,) = pictures.gradient_norms(rows).axes
    assert axes.get_yscale() == "log"
    drawn = lines(axes)
    assert drawn["conv"][:2] == [[1, 0.5], [11, 0.25]] and np.isnan(drawn["conv"][2][1])  # 0 has no logarithm
    assert np.isnan(drawn["fc"][1][1]) and drawn["fc"][2] == [21, 1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["conv", "fc"]


def test_gradient_norms_side_by_side_and_thinned():
    logs = {name: [{"step": i + 1, "a": 10.0 ** (i % 2), "b": 1.0} for i in range(250)] for name in ("deep", "flat")}
    deep, flat, _ = pictures.gradient_norms(logs).axes
    assert (deep.get_title(), flat.get_title()) == ("deep", "flat")
    first = deep.lines[0].get_xydata()
    assert len(first) == 83 and first[0].tolist() == pytest.approx([2, 10 ** (1 / 3)])  # mean step, geometric mean norm


@pytest.mark.parametrize(
    "draw",
    [
        pictures.learning_curves,
        lambda rows: pictures.learning_curves({"a": HISTORY, "b": rows}),
        pictures.gradient_norms,
        lambda rows: pictures.gradient_norms({"a": rows}),
    ],
)
def test_no_rows(draw):
    with pytest.raises(pictures.NothingToDraw, match=r"train for an epoch first|train with train.LayerGradientLog"):
        draw([])


def test_mosaic_places_tiles_in_rows_with_white_between():
    wall = canvas.mosaic(np.zeros((3, 2, 2)), 2)
    assert wall.shape == (5, 5, 3)
    assert wall[:2, :2].max() == 0 and wall[:2, 3:].max() == 0 and wall[3:, :2].max() == 0
    assert wall[2].min() == 1 and wall[:, 2].min() == 1 and wall[3:, 3:].min() == 1


def test_stretched_gives_each_image_its_whole_range():
    got = canvas.stretched(np.array([[[1.0, 3.0]], [[-2.0, -2.0]]]))
    assert got.tolist() == [[[0, 1]], [[0.5, 0.5]]]


def test_first_filters_of_a_convolution():
    model = nn.Sequential(nn.Conv2d(3, 2, 2), nn.Flatten())
    (axes,) = pictures.first_filters(model, (3, 9, 9)).axes
    assert axes.get_title(loc="left") == "layer 0: 2 of 3x2x2"
    wall, w = image_of(axes), model[0].weight.numpy()
    assert wall.shape == (2, 5, 3)
    want = (w[1] - w[1].min()) / (w[1].max() - w[1].min())
    assert np.allclose(wall[:, 3:], want.transpose(1, 2, 0), atol=1e-6)


def test_first_filters_of_a_fully_connected_network():
    (axes,) = pictures.first_filters(models.create("mlp"), (1, 28, 28)).axes
    assert axes.get_title(loc="left") == "layer 1: 500 of 1x28x28, the first 64"


def test_first_filters_that_are_no_images():
    with pytest.raises(pictures.NothingToDraw, match=r"0.weight, the first weights, are \(4, 5\): neither"):
        pictures.first_filters(nn.Sequential(nn.Linear(5, 4)), (1, 2, 2))
    with pytest.raises(pictures.NothingToDraw, match="the network has no weights"):
        pictures.first_filters(nn.ReLU(), (1, 2, 2))


def test_feature_maps_are_the_convolutions_outputs():
    model = models.create("lenet5").train()
    x = np.random.default_rng(0).standard_normal((1, 1, 28, 28)).astype(np.float32)
    figure = pictures.feature_maps(model, x, np.zeros((1, 28, 28), np.uint8))
    image, first, second = figure.axes
    assert image.get_title(loc="left") == "image"
    assert first.get_title(loc="left") == "conv1: 6 maps of 28x28"
    assert second.get_title(loc="left") == "conv2: 16 maps of 10x10, the first 12"
    want = canvas.stretched(model.conv1(x)[0])
    assert np.allclose(image_of(first)[:, :28, 0], want[0], atol=1e-5)
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_feature_maps_choose_among_many_layers():
    figure = pictures.feature_maps(
        models.create("resnet20"), np.zeros((1, 3, 32, 32), np.float32), np.zeros((3, 32, 32), np.uint8)
    )
    titles = [axes.get_title(loc="left").split(":")[0] for axes in figure.axes[1:]]
    assert len(titles) == 5 and titles[0] == "conv1" and titles[-1] == "layer3.2.conv2"


def test_feature_maps_without_a_convolution():
    with pytest.raises(pictures.NothingToDraw, match="the network has no convolution"):
        pictures.feature_maps(models.create("mlp"), np.zeros((1, 1, 28, 28), np.float32), np.zeros((1, 28, 28)))


SCORES = np.log([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.05, 0.9, 0.05], [0.9, 0.09, 0.01]])
LABELS = np.array([0, 1, 1, 2])


def test_confusion_matrix():
    counts = pictures.confusion_counts(SCORES, LABELS, 3)
    assert counts.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    axes = pictures.confusion_matrix(SCORES, LABELS, "abc").axes[0]
    assert axes.get_title() == "2 of 4 right: 50.00%"
    assert sorted((t.get_position(), t.get_text()) for t in axes.texts) == [
        *(((0, 0), "1"), ((0, 1), "1"), ((0, 2), "1")),
        ((1, 1), "1"),
    ]
    shares = [t.get_text() for t in axes.child_axes[0].get_yticklabels()]
    assert shares == ["100.0%", "50.0%", "0.0%"]


def test_confusion_matrix_of_a_hundred_classes_and_of_a_class_without_images():
    names = [f"class {i}" for i in range(100)]
    scores, labels = np.random.default_rng(0).random((300, 100)), np.arange(300) % 100
    assert not pictures.confusion_matrix(scores, labels, names).axes[0].texts
    axes = pictures.confusion_matrix(SCORES[:2], LABELS[:2], "abc").axes[0]
    assert [t.get_text() for t in axes.child_axes[0].get_yticklabels()] == ["100.0%", "0.0%", "none"]


def test_confusion_errors():
    with pytest.raises(ValueError, match=r"confusion_counts: scores are \(4, 3\), expected \(4, 5\) for 4 labels of 5"):
        pictures.confusion_counts(SCORES, LABELS, 5)
    with pytest.raises(ValueError, match="worst_mistakes: labels reach from -1 to 2, expected 0 to 2; c"):
        pictures.worst_mistakes(np.zeros((2, 1, 4, 4), np.uint8), np.zeros((2, 3)), np.array([-1, 2]), "abc")
    with pytest.raises(ValueError, match="labels reach from 0 to 3, expected 0 to 2"):
        pictures.confusion_counts(SCORES, LABELS + np.array([0, 0, 0, 1]), 3)


def test_worst_mistakes_come_in_order():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8)
    axes = pictures.worst_mistakes(images, SCORES, LABELS, ["a", "b", "a long class name"]).axes
    assert [a.get_title() for a in axes] == ["is a long cla… (1.0%)\nsays a (90%)", "is b (30.0%)\nsays a (60%)"]
    assert [image_of(a).max() * 255 for a in axes] == pytest.approx([3, 1])
    assert len(pictures.worst_mistakes(images, SCORES, LABELS, "abc", most=1).axes) == 1


def test_no_mistakes():
    with pytest.raises(pictures.NothingToDraw, match="none of the 1 images was taken for another class"):
        pictures.worst_mistakes(np.zeros((1, 1, 2, 2), np.uint8), SCORES[:1], LABELS[:1], "abc")


def test_files_are_pngs_and_equal_for_equal_figures(tmp_path):
    path = pictures.save(pictures.learning_curves(HISTORY), tmp_path / "curves.png")
    assert path.read_bytes() == pictures.png(pictures.learning_curves(HISTORY))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_extra_is_named(without_matplotlib):
    with pytest.raises(UsageError, match=r'matplotlib is missing .* pip install "gpunn\[plot\]"'):
        pictures.learning_curves(HISTORY)


def test_history_objects_are_rows():
    assert len(pictures.learning_curves(train.History(HISTORY)).axes) == 2
