"""examples/receptive_field.py: rectangles against where gradients arrive, the effective field against its formula."""

import os
import pathlib

import numpy as np
import pytest

import gpunn
from gpunn import models, nn, ops
from tests.examples.test_examples import load

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="3 s of gradients: in CI")


@pytest.fixture(scope="module")
def example():
    return load("receptive_field")


class Branches(nn.Module):
    """Two convolutions of one input side by side."""

    def __init__(self):
        super().__init__()
        self.small, self.large = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, 7, padding=3)

    def forward(self, x):
        return self.small(x) + self.large(x)


def extent(field):
    """First row and column where anything arrives, and rows and columns from there to the last."""
    rows, columns = (np.flatnonzero(field.any(axis=axis)) for axis in (1, 0))
    return rows[0], columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1


NETWORKS = {
    "lenet5": (models.lenet5, (2, 1, 28, 28)),
    "resnet20": (models.resnet20, (1, 3, 97, 90)),
    "strides": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.AvgPool2d(3, 2, 1), nn.Conv2d(4, 4, (1, 5))),
        (1, 1, 40, 53),
    ),
    "same and dilated": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 4, padding="same"), nn.Conv2d(4, 4, 3, dilation=3), nn.Conv2d(4, 4, 5, padding="valid")
        ),
        (1, 1, 40, 53),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rectangle_is_where_the_gradient_is_not_zero(example, name):
    build, shape = NETWORKS[name]
    gpunn.manual_seed(0)
    model = build()
    found = example.fields(model, shape)
    for seen in (found[0], found[len(found) // 2], found[-1]):
        field = example.effective(model, seen.layer, shape)
        assert extent(field) == seen.box(), seen.layer


def test_fields_of_lenet5(example):
    found = example.fields(models.lenet5(), (1, 1, 28, 28))
    assert [(seen.layer, seen.size[0], seen.start[0], seen.step[0]) for seen in found] == [
        ("conv1", 5, -2, 1),
        ("pool1", 6, -2, 2),
        ("conv2", 14, -2, 2),
        ("pool2", 16, -2, 4),
    ]


@pytest.mark.parametrize("model", [Branches(), nn.Sequential(nn.Conv2d(1, 1, 3), nn.ConvTranspose2d(1, 1, 4, 2))])
def test_what_is_not_in_one_line_is_refused(example, model):
    with pytest.raises(ValueError, match=r"fields: \w+ joins branches, or enlarges its maps; take"):
        example.fields(model, (1, 1, 20, 20))


def test_the_gradient_is_the_one_of_the_middle_unit(example):
    """A single convolution's is its own kernel, whatever the noise."""
    gpunn.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False))
    field = example.effective(model, "0", (1, 1, 9, 9))
    kernel = np.abs(model[0].weight.numpy()[0, 0])
    assert np.allclose(field[3:6, 3:6] / field.max(), kernel / kernel.max(), atol=1e-6)
    assert np.count_nonzero(field) == 9 and not model[0]._forward_hooks and model[0].weight.grad is None


def test_the_effective_field_grows_as_the_root_of_the_depth(example):
    depths = (1, 4, 9)
    measured = example.measure_depth(depths, 16, 0)
    assert measured == pytest.approx([np.sqrt(2 * n / 3) for n in depths], rel=0.12)


def test_side_of(example):
    field = np.zeros((9, 12))
    field[2:5, 6:9] = 1
    assert example.side_of(field) == 3
    field[8, 0] = 0.5  # 1/37 of the squares
    assert example.side_of(field) == 3 and example.side_of(field, 0.99) == 9


def test_draws(example, capsys):
    pytest.importorskip("matplotlib", reason="the example draws pictures")
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3))
    image = ops.pad(np.ones((8, 8)), (4,) * 4)
    axes, _ = example.draw_fields([("small", model, image, ["0", "1"])], 2, 0).axes
    assert axes.get_title() == "small 0:\n3x3, 90 % in 3x3"
    assert axes.patches[0].get_bbox().bounds == (6.5, 6.5, 3, 3)  # the middle of 14 units, 7, reads pixels 7 to 9
    assert "small 1: may see 5x5" in capsys.readouterr().out


def test_no_samples(example, capsys):
    with pytest.raises(SystemExit):
        example.main(["--samples", "0"])
    assert "--samples is 0, expected at least 1" in capsys.readouterr().err


@in_ci
def test_main_draws_both(example, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws pictures")
    files = example.main(["--samples", "1", "--out", str(tmp_path)])
    assert [path.name for path in files] == ["fields.png", "depth.png"] and all(map(pathlib.Path.is_file, files))
    assert "ResNet-20 layer3.2.conv2: may see 81x81" in capsys.readouterr().out
