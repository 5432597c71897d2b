"""Pictures become what the network was trained on: a bright digit, centred, on black."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest

from gpunn.errors import DataError

image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

from gpunn.data.folder import read_image_folder  # noqa: E402 - after the skip
from gpunn.data.picture import ink, read_picture  # noqa: E402 - after the skip


def drawn(height, width, ink=255, paper=0):
    picture = np.full((height, width), paper, np.uint8)
    picture[height // 4 : height // 2, width // 3 : width // 2] = ink
    return picture


def test_a_ready_picture_is_taken_as_it_is(tmp_path):
    ready = drawn(28, 28)
    image.fromarray(ready).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png", 1, 28)[0, 0], ready)


def test_dark_on_paper_is_inverted(tmp_path):
    image.fromarray(255 - drawn(28, 28)).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png", 1, 28)[0, 0], drawn(28, 28))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
@pytest.mark.parametrize("shape", [(300, 200), (40, 90), (7, 5)])
def test_any_size_and_mode(tmp_path, mode, shape):
    image.fromarray(255 - drawn(*shape)).convert(mode).save(tmp_path / "a.png")
    got = read_picture(tmp_path / "a.png", 1, 28)
    assert got.shape == (1, 1, 28, 28) and got.dtype == np.uint8
    rows, columns = np.flatnonzero(got[0, 0].any(1)), np.flatnonzero(got[0, 0].any(0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20  # as MNIST's digits were prepared
    assert abs(rows.mean() - 13.5) <= 1 and abs(columns.mean() - 13.5) <= 1
    assert got.max() > 200 and got[0, 0, 0, 0] == 0


def test_transparent_is_paper(tmp_path):
    picture = np.zeros((50, 50, 4), np.uint8)
    picture[10:40, 20:30, 3] = 255  # black ink on nothing
    image.fromarray(picture).save(tmp_path / "a.png")
    got = read_picture(tmp_path / "a.png", 1, 28)[0, 0]
    assert got[14, 14] == 255 and got[0, 0] == 0


def test_a_turned_camera_and_16_bits_show_the_same(tmp_path):
    """As the folders of images that a network is trained on are read."""
    upright = drawn(28, 28)
    exif = image.Exif()
    exif[0x0112] = 3  # upside down
    image.fromarray(upright[::-1, ::-1].copy()).save(tmp_path / "a.png", exif=exif)
    image.fromarray(upright.astype(np.uint16) * 200 + 7).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", 1, 28)[0, 0], upright)
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png", 1, 28)[0, 0], upright.astype(int) * 200 + 7 >> 8)


def test_of_wide_pictures_the_middle_counts(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (200, 100, 50)
    image.fromarray(wide).save(tmp_path / "a.png")
    got = read_picture(tmp_path / "a.png", 3, 10)[0]
    np.testing.assert_array_equal(got[:, :, 1:9], np.broadcast_to(np.reshape([200, 100, 50], (3, 1, 1)), (3, 10, 8)))


PAPERS_AND_PENS = {
    "blue on yellow": ((250, 240, 120), (20, 30, 160)),
    "red on green of the same luminance": ((0, 130, 0), (255, 0, 0)),
    "yellow on white": ((255, 255, 255), (255, 255, 40)),
    "pencil on grey": ((140, 140, 140), (90, 90, 90)),
    "chalk on a dark board": ((40, 60, 50), (230, 230, 220)),
    "black on blue": ((60, 90, 255), (0, 0, 0)),
}


@pytest.mark.parametrize("side", [28, 100])
@pytest.mark.parametrize("paper, pen", PAPERS_AND_PENS.values(), ids=PAPERS_AND_PENS)
def test_paper_and_pen_of_any_colour(tmp_path, paper, pen, side):
    mask = drawn(side, side)[:, :, None] > 0
    image.fromarray(np.where(mask, pen, paper).astype(np.uint8)).save(tmp_path / "colour.png")
    image.fromarray(drawn(side, side)).save(tmp_path / "black.png")
    got, want = (read_picture(tmp_path / name, 1, 28) for name in ("colour.png", "black.png"))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("paper", [(255, 255, 255), (0, 0, 0), (100, 100, 100), (250, 240, 120)])
@pytest.mark.parametrize("side", [28, 60])
def test_a_blank_page(tmp_path, paper, side):
    grain = np.random.default_rng(0).integers(-9, 10, (side, side, 1))
    image.fromarray(np.clip(paper + grain, 0, 255).astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: nothing is drawn on it; give a picture whose drawing differs"):
        read_picture(tmp_path / "a.png", 1, 28)


def test_ink_of_a_dark_grey_picture_of_the_own_size_is_not_touched():
    picture = np.repeat(drawn(9, 9, ink=200, paper=30)[:, :, None], 3, 2)
    np.testing.assert_array_equal(ink(picture, 9), picture[:, :, 0])
    assert ink(picture, 28).max() == 255 and ink(picture, 28).min() == 0


def test_colour(tmp_path):
    image.new("RGB", (60, 30), (250, 10, 20)).save(tmp_path / "a.png")
    got = read_picture(tmp_path / "a.png", 3, 32)
    assert got.shape == (1, 3, 32, 32) and got[0, :, 5, 5].tolist() == [250, 10, 20]


def test_what_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(
        DataError, match=r"a.png cannot be read as a picture \(it is no image of PNG, .*\); give another"
    ):
        read_picture(tmp_path / "a.png", 1, 28)
    with pytest.raises(DataError, match=r"b.png does not exist; check the path"):
        read_picture(tmp_path / "b.png", 1, 28)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["x.png", "x.eps", "x.pdf"])
def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch, name):
    """Pillow gives PostScript, whatever the file is called, to Ghostscript."""
    started = []
    monkeypatch.setattr(subprocess, "check_call", lambda *args, **options: started.append(args))
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **options: started.append(args))
    (tmp_path / "a").mkdir()
    for path in (tmp_path / name, tmp_path / "a" / "x.png"):
        path.write_bytes(POSTSCRIPT)
    with pytest.raises(
        DataError, match=rf"{name} cannot be read as a picture \(it is no image of PNG, JPEG, BMP, GIF, "
    ):
        read_picture(tmp_path / name, 1, 28)
    with pytest.raises(
        DataError, match=r"a/x.png cannot be read \(it is no image of PNG, JPEG, BMP, GIF, TIFF, WEBP, "
    ):
        read_image_folder(tmp_path)
    assert not started


def png(width, height):
    """A PNG file of a few bytes that announces so many pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((13300, 13300), r"it has 13300 x 13300 pixels, more than the 40,000,000 that are decoded: scale it"),
        ((50000, 50000), r"it has too many pixels, more than the 40,000,000 that are decoded"),
        ((2**31 - 1, 2**31 - 1), r"it has too many pixels, more than the 40,000,000 that are decoded"),
        ((0, 5), "it is no image of PNG"),
    ],
)
def test_a_picture_that_announces_too_many_pixels_is_not_decoded(tmp_path, size, words):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a.png").write_bytes(png(*size))
    tracemalloc.start()
    with pytest.raises(DataError, match=words):
        read_picture(tmp_path / "a" / "a.png", 1, 28)
    with pytest.raises(DataError, match=words):
        read_image_folder(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_a_camera_s_picture_is_looked_at_smaller(tmp_path, mode):
    image.fromarray(255 - drawn(4200, 3000)).convert(mode).save(tmp_path / "a.png")
    image.fromarray(255 - drawn(420, 300)).save(tmp_path / "b.png")
    large, small = (read_picture(tmp_path / name, 1, 28).astype(int) for name in ("a.png", "b.png"))
    assert abs(large - small).max() <= 12


def test_without_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r'read_picture: decoding images needs Pillow.*pip install "gpunn\[image\]"'):
        read_picture(tmp_path / "a.png", 1, 28)
