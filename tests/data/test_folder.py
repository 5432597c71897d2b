"""Image folders: classes, sizes, order, the store, and what is said about folders and files that do not fit."""

import os
import sys

import numpy as np
import pytest

from gpunn.data import folder as module
from gpunn.data import load, load_image_folder, read_image_folder
from gpunn.errors import DataError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: no image can be decoded")
RNG = np.random.default_rng(0)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def fill(root, n=5, size=(6, 8), classes=("ant", "bee")):
    """n images a class; what they hold, by class and number."""
    return np.stack(
        [
            save(root / c / f"{i}.png", RNG.integers(0, 256, (*size, 3), dtype=np.uint8))
            for c in classes
            for i in range(n)
        ]
    ).transpose(0, 3, 1, 2)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "set"


def test_reads_classes_in_sorted_order(root):
    want = fill(root)
    (root / "ant" / "notes.txt").write_text("no image")
    (root / "bee" / "._0.png").write_text("hidden")
    (root / ".git").mkdir()
    images, labels, classes = read_image_folder(root)
    np.testing.assert_array_equal(images, want)
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    assert labels.tolist() == [0] * 5 + [1] * 5 and classes == ("ant", "bee")


def test_deeper_folders_and_other_formats(root):
    save(root / "a" / "x" / "y.BMP", RNG.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    grey = save(root / "a" / "z.gif", np.full((4, 4), 7, np.uint8))
    images, labels, _ = read_image_folder(root)
    assert images.shape == (2, 3, 4, 4) and labels.tolist() == [0, 0]
    np.testing.assert_array_equal(images[1], [grey] * 3)


def test_grey(root):
    want = fill(root)
    images, _, _ = read_image_folder(root, mode="L")
    assert images.shape == (10, 1, 6, 8)
    np.testing.assert_allclose(images[:, 0], np.einsum("nchw,c->nhw", want, [0.299, 0.587, 0.114]), atol=1)


def test_size_scales_and_crops_the_middle(root):
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 200
    save(root / "a" / "wide.png", pixels)
    save(root / "a" / "tall.png", pixels.transpose(1, 0, 2).copy())
    save(root / "b" / "right.png", np.full((5, 5, 3), 200, np.uint8))
    images, _, _ = read_image_folder(root, size=np.int64(5))
    assert images.shape == (3, 3, 5, 5) and images.min() >= 150
    assert read_image_folder(root, size=(4, 7))[0].shape == (3, 3, 4, 7)


def test_rotation_in_the_camera_is_undone(root):
    (root / "a").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    Image.fromarray(np.zeros((4, 9, 3), np.uint8)).save(root / "a" / "x.jpg", exif=exif)
    assert read_image_folder(root)[0].shape == (1, 3, 9, 4)


def test_grey_of_16_bits_keeps_its_upper_8(root):
    want = save(root / "a" / "x.png", np.arange(0, 65536, 2048, dtype=np.uint16).reshape(4, 8))
    for mode, channels in (("RGB", 3), ("L", 1)):
        images, _, _ = read_image_folder(root, mode=mode)
        np.testing.assert_array_equal(images, np.broadcast_to(want >> 8, (1, channels, 4, 8)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_kind_of_pixels_shows_the_same(root, mode):
    pixels = np.full((4, 8, 3), 255, np.uint8)
    pixels[:, 4:] = 0
    (root / "a").mkdir(parents=True)
    image = Image.fromarray(pixels).convert(mode)
    image.save(root / "a" / "x.tif") if mode == "CMYK" else image.save(root / "a" / "x.png")
    if mode == "P":  # a transparency for each colour: Pillow warns of it
        image.save(root / "a" / "x.png", transparency=bytes(range(256)))
    np.testing.assert_array_equal(read_image_folder(root)[0][0], pixels.transpose(2, 0, 1))


@pytest.mark.skipif(sys.platform != "linux", reason="paths of other systems are text")
def test_names_of_bytes_that_are_no_text(root):
    fill(root)
    os.rename(root / "ant", os.fsencode(root) + b"/cat\xff")
    assert "cat\udcff" in read_image_folder(root, 8)[2]


def test_hidden_folders_are_passed_over(root):
    fill(root, n=1, classes=("ant",))
    fill(root / "ant", n=2, classes=(".ipynb_checkpoints",))
    assert len(read_image_folder(root)[0]) == 1


def test_decoded_once_until_a_file_changes(root, cache, monkeypatch):
    want = fill(root)
    read_image_folder(root)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_decoded", lambda *_: pytest.fail("decoded a second time"))
        np.testing.assert_array_equal(read_image_folder(root)[0], want)
    save(root / "bee" / "new.png", np.zeros((6, 8, 3), np.uint8))
    assert len(read_image_folder(root)[0]) == 11
    assert len(list((cache / "decoded").iterdir())) == 1


def test_one_folder_is_cut_in_two(root):
    want = fill(root, n=10)
    images = load_image_folder(root, test_fraction=0.25, seed=3)
    assert images.train_images.shape == (15, 3, 6, 8) and len(images.test_labels) == 5
    assert images.classes == ("ant", "bee")
    found = np.concatenate([images.test_images, images.train_images])
    labels = np.concatenate([images.test_labels, images.train_labels])
    where = [int(np.flatnonzero((want == image).all(axis=(1, 2, 3)))[0]) for image in found]
    assert sorted(where) == list(range(20)) and where != sorted(where)
    assert [i // 10 for i in where] == labels.tolist()
    again = load_image_folder(root, test_fraction=0.25, seed=3)
    np.testing.assert_array_equal(again.test_images, images.test_images)
    assert not np.array_equal(load_image_folder(root, test_fraction=0.25, seed=4).test_images, images.test_images)
    for fraction in (0, 1, 0.001, float("nan")):
        with pytest.raises(DataError, match=rf"test_fraction {fraction} of 20 images leaves a part empty"):
            load_image_folder(root, test_fraction=fraction)


@pytest.mark.parametrize("test", ["test", "val"])
def test_train_and_test_folders(root, test):
    fill(root / "train", n=4), fill(root / test, n=2)
    images = load_image_folder(root)
    assert len(images.train_images) == 8 and len(images.test_images) == 4
    assert sorted(images.train_labels.tolist()) == [0] * 4 + [1] * 4


def test_load_by_name(root):
    fill(root, n=10, size=(8, 8))
    data = load(f"folder:{root}")
    assert data.train.shape == (16, 3, 8, 8) and list(data.classes) == ["ant", "bee"] and len(data.mean) == 3
    assert load(f"folder:{root}@4", limit=5).train.shape == (5, 3, 4, 4)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: (r / "cat").mkdir(), r"class folder .*/cat is empty: it holds no image \(.*\.png.*\); put images"),
        (
            lambda r: save(r / "bee" / "x.png", np.zeros((6, 9, 3), np.uint8)),
            r"is 6 x (8|9) but .*/\w\.png is 6 x (8|9); give size",
        ),
        (
            lambda r: (r / "bee" / "x.png").write_bytes(b"rubbish"),
            r"bee/x\.png cannot be read \(it is no image of PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM\); mend or",
        ),
        (lambda r: cut(r / "bee" / "0.png"), r"bee/0\.png cannot be read \(.+\); mend or remove it"),
        (
            lambda r: save(r / "bee" / "x.tif", np.ones((6, 8), np.float32)),
            r"bee/x\.tif cannot be read \(its pixels are of 32 bits, mode 'F'.*\); mend or",
        ),
        (lambda r: (r / "bee" / "x.jpg").write_bytes(b""), r"bee/x\.jpg cannot be read \(it is no image of PNG, JPEG"),
    ],
)
def test_folders_that_do_not_fit(root, cache, spoil, words):
    fill(root)
    spoil(root)
    with pytest.raises(DataError, match=rf"^read_image_folder: .*{words}"):
        load_image_folder(root)
    assert not list(cache.glob("decoded/*"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-60])


def test_no_folder_or_no_classes(root):
    with pytest.raises(DataError, match=r"read_image_folder: .*none is no folder; give one that has a sub-folder for"):
        load_image_folder(root / "none")
    root.mkdir()
    with pytest.raises(
        DataError, match=r"read_image_folder: .* has no sub-folders; put the images of each class into one"
    ):
        load_image_folder(root)


def test_parts_that_do_not_fit_each_other(root):
    fill(root / "train")
    with pytest.raises(DataError, match="has a folder train but neither test nor val"):
        load_image_folder(root)
    fill(root / "test", classes=("ant", "bee", "cat"))
    with pytest.raises(
        DataError, match=r"class 'cat' is in only one of .*train \(2 classes\) and .*test \(3\); give both"
    ):
        load_image_folder(root)
    fill(root / "val"), (root / "val" / "bee").rename(root / "val" / "wasp")
    (root / "test").rename(root / "aside")
    with pytest.raises(DataError, match=r"class 'bee' is in only one of .*train \(2 classes\) and .*val \(2\)"):
        load_image_folder(root)
    (root / "aside").rename(root / "test")
    fill(root / "train", classes=("cat",)), fill(root / "test", size=(9, 9), classes=("ant", "bee", "cat"))
    with pytest.raises(DataError, match=r"images in .*train are 6 x 8 but in .*test 9 x 9; give size"):
        load_image_folder(root)


@pytest.mark.parametrize("size", [0, -3, (4,), (4, 0), "32", 2.5, True])
def test_wrong_size(root, size):
    with pytest.raises(
        DataError, match=r"read_image_folder: size is .*; give a number of pixels, or \(height, width\)"
    ):
        read_image_folder(root, size=size)


def test_wrong_mode_and_no_pillow(root, monkeypatch):
    with pytest.raises(DataError, match='mode is \'CMYK\'; give "RGB" or "L"'):
        read_image_folder(root, mode="CMYK")
    fill(root)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        DataError, match=r'read_image_folder: decoding images needs Pillow.*pip install "gpunn\[image\]"'
    ):
        read_image_folder(root)
