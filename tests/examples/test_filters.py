"""examples/filters.py against SciPy and NumPy, examples/transposed_convolution.py against plain products."""

import re

import numpy as np
import pytest

from gpunn import ops
from gpunn.errors import UsageError
from tests.examples.test_examples import load

NDIMAGE = {"zero": "constant", "mirror": "mirror", "replicate": "nearest", "modulo": "grid-wrap"}


@pytest.fixture(scope="module")
def filters():
    return load("filters")


@pytest.fixture(scope="module")
def transposed():
    return load("transposed_convolution")


@pytest.mark.parametrize("border", NDIMAGE)
def test_borders_are_those_of_scipy_and_of_numpy(filters, border):
    ndimage = pytest.importorskip("scipy.ndimage", reason="compares with scipy")
    image = filters.scene(64)
    for kernel in filters.KERNELS.values():
        want = ndimage.correlate(image, kernel, mode=NDIMAGE[border])
        assert np.abs(ops.filter2d(image, kernel, border) - want).max() < 1e-5
    mode = dict(zip(filters.BORDERS, ("constant", "reflect", "edge", "wrap"), strict=True))[border]
    names = dict(zip(filters.BORDERS, filters.PAD_MODES, strict=True))
    assert (ops.pad(image, (16,) * 4, mode=names[border]) == np.pad(image, 16, mode=mode)).all()


def test_kernels_do_what_their_names_say(filters):
    ramp = np.add.outer(3.0 * np.arange(9), 2.0 * np.arange(9)).astype(np.float32)
    made = {name: ops.filter2d(ramp, kernel, "zero")[4, 4] for name, kernel in filters.KERNELS.items()}
    slopes = made.pop("Sobel, horizontal"), made.pop("Sobel, vertical")
    assert slopes == pytest.approx((2, 3)) and filters.edges(ramp)[4, 4] == pytest.approx(np.hypot(2, 3))
    assert made.pop("Laplacian") == pytest.approx(0, abs=1e-5)
    assert made.pop("Gaussian, sigma 1.5") < ramp[4, 4]  # it reaches over the border of this small image
    assert list(made.values()) == pytest.approx([ramp[4, 4]] * 3, rel=1e-5)
    assert filters.gaussian(1.5).shape == (11, 11) and filters.gaussian(1.5).sum() == pytest.approx(1)


def test_stride_keeps_every_nth_and_dilation_spreads_the_taps(filters):
    image, kernel = filters.scene(64), filters.SOBEL
    want = ops.filter2d(image, kernel, "replicate")
    assert np.allclose(filters.strided(image, kernel, stride=4), want[::4, ::4], atol=1e-6)
    spread = np.zeros((5, 5), np.float32)
    spread[::2, ::2] = kernel
    want = ops.filter2d(image, spread, "replicate")
    assert np.allclose(filters.strided(image, kernel, dilation=2), want, atol=1e-6)


def test_filters_draws_its_pictures(filters, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws pictures")
    files = filters.main(["--size", "64", "--out", str(tmp_path / "a")])
    assert [path.name for path in files] == ["filters.png", "borders.png", "sampling.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)
    first = {border: float(edge) for border, edge in re.findall(r"(\w+): .* row (\S+);", capsys.readouterr().out)}
    assert first["zero"] > 10 * first["mirror"] and first["zero"] > 1.5 * first["modulo"]


def test_a_picture_of_ones_own(filters, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="reads a picture")
    half = np.zeros((50, 70, 3), np.uint8)
    half[:, 35:] = (200, 100, 50)
    image.fromarray(half).save(tmp_path / "mine.png")
    grey = filters.grey_picture(tmp_path / "mine.png", 50)
    assert grey.shape == (50, 50) and grey.dtype == np.float32
    assert grey[:, :23].max() == 0 and np.allclose(
        grey[:, 27:], (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255, atol=0.02
    )


def test_panels_of_filters(filters):
    pytest.importorskip("matplotlib", reason="the example draws pictures")
    image = filters.scene(64)
    panels = {axes.get_title(): axes for axes in filters.draw_filters(image).axes if axes.get_title()}
    assert list(panels) == [*filters.KERNELS, "length of the gradient"]
    drawn = np.asarray(panels["Laplacian"].images[0].get_array())
    assert np.allclose(drawn, ops.filter2d(image, filters.KERNELS["Laplacian"], "replicate"))
    zero, mirror, *_ = filters.draw_borders(image).axes
    assert (zero.get_title(), mirror.get_title()) == ("zero", "mirror") and zero.lines and mirror.lines
    titles = [axes.get_title() for axes in filters.draw_sampling(image).axes]
    assert titles[2] == "Gaussian, stride 4: 16x16" and titles[-1] == "mean of 4x4: 16x16"


def test_too_small_an_image(filters, capsys):
    with pytest.raises(SystemExit):
        filters.main(["--size", "20"])
    assert "--size is 20, expected at least 64" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["filters", "transposed_convolution"])
def test_without_matplotlib_the_extra_is_named(name, tmp_path, without_matplotlib):
    with pytest.raises(UsageError, match=r'matplotlib is missing .* pip install "gpunn\[plot\]"'):
        load(name).main(["--out", str(tmp_path / "a")])


@pytest.mark.parametrize(("size", "stride", "padding"), [(4, 1, 0), (7, 2, 1), (6, 2, 0), (5, 3, 2)])
def test_the_matrix_is_the_convolution_and_its_transpose_the_transposed(transposed, size, stride, padding):
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((size, size)), rng.standard_normal((3, 3))
    matrix = transposed.matrix_of(kernel, size, size, stride, padding)
    y, back = transposed.both_ways(x, kernel, stride, padding)
    assert np.allclose(matrix @ x.ravel(), y.ravel()) and back.shape == x.shape
    assert np.allclose(matrix.T @ y.ravel(), back.ravel())


def test_transposed_draws_the_matrices(transposed, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    assert transposed.main(["--out", str(tmp_path / "a.png")]) < 1e-6
    assert "matrix 4x16: 44% of its entries are 0" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    x, kernel = np.ones((4, 4)), np.arange(9.0).reshape(3, 3)
    panels = {axes.get_title(): axes for axes in transposed.draw(x, kernel, 1, 0).axes if axes.get_title()}
    drawn = panels["its transpose 16x4"].images[0].get_array()
    assert np.allclose(np.ma.filled(drawn, 0), transposed.matrix_of(kernel, 4, 4).T)
