"""Images in folders, one sub-folder a class; decoded once, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpunn import limits
from gpunn.bars import over
from gpunn.data.draws import checked_seed
from gpunn.data.pillow import open_picture, require_pillow
from gpunn.data.store import stamp_of, stored
from gpunn.errors import DataError
from gpunn.text import brief

SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"])
CHANNELS = {"RGB": 3, "L": 1}
CHUNK = 64  # images decoded before they are written


class FolderSet(NamedTuple):
    """Images uint8 (N, C, H, W), memory-mapped, and labels int64 (N,) in mixed order; class names in order."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]


def load_image_folder(
    root: str | Path,
    size: int | tuple[int, int] | None = None,
    mode: str = "RGB",
    test_fraction: float = 0.2,
    seed: int = 0,
) -> FolderSet:
    """The images of `root`/train and `root`/test (or val), or of `root`, of which a random `test_fraction` is cut off.

    See `read_image_folder` for what is in such a folder. `seed` chooses the cut and the order.
    """
    root = Path(root)
    if (train := root / "train").is_dir():
        return _two_folders(root, train, size, mode, seed)
    images, labels, classes = read_image_folder(root, size, mode, seed)
    n = len(images)
    cut = round(n * test_fraction) if 0 < test_fraction < 1 else 0
    if cut in (0, n):
        raise DataError(f"load_image_folder: test_fraction {test_fraction!r} of {n} images leaves a part empty")
    return FolderSet(images[cut:], labels[cut:], images[:cut], labels[:cut], classes)


def _two_folders(root: Path, train: Path, size, mode: str, seed: int) -> FolderSet:
    test = next((folder for name in ("test", "val") if (folder := root / name).is_dir()), None)
    if test is None:
        raise DataError(f"load_image_folder: {root} has a folder train but neither test nor val; add one of them")
    images, labels, classes = read_image_folder(train, size, mode, seed)
    test_images, test_labels, test_classes = read_image_folder(test, size, mode, seed)
    if test_classes != classes:
        odd = min(set(classes) ^ set(test_classes))
        raise DataError(
            f"load_image_folder: class {odd!r} is in only one of {train} ({len(classes)} classes) and {test}"
            f" ({len(test_classes)}); give both the same sub-folders"
        )
    if test_images.shape[1:] != images.shape[1:]:
        raise DataError(
            f"load_image_folder: images in {train} are {_size(images)} but in {test} {_size(test_images)};"
            " give size=(height, width)"
        )
    return FolderSet(images, labels, test_images, test_labels, classes)


def read_image_folder(
    folder: str | Path, size: int | tuple[int, int] | None = None, mode: str = "RGB", seed: int | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images uint8 (N, C, H, W), memory-mapped, labels int64 (N,) and class names of a folder.

    Every sub-folder is a class (in sorted order) and holds its images, also deeper down; files that are no images by
    their suffix, and what is hidden, are passed over. `size`, one number or (height, width), scales each image until it
    covers the size and crops the middle; without it all must be equally large. `mode` is "RGB" or "L", grey; of 16 bits
    the upper 8 are kept, transparency is ignored, a turn that the camera noted is undone. Images come class by class,
    or mixed by `seed`. Needs Pillow. Raises DataError naming the class folder or file that is missing, empty,
    unreadable or of another size.
    """
    folder, size = Path(folder), _checked_size(size)
    if mode not in CHANNELS:
        raise DataError(f'read_image_folder: mode is {mode!r}; give "RGB" or "L" (grey)')
    classes = _classes(folder)
    files = [_images_of(folder / name) for name in classes]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(group) for group in files])
    paths = [path for group in files for path in group]
    if seed is not None:
        order = np.random.default_rng(checked_seed("read_image_folder", seed)).permutation(len(paths))
        labels, paths = labels[order], [paths[i] for i in order]

    def make() -> tuple[tuple[int, ...], Iterator[np.ndarray]]:
        first = _decoded(paths[0], size, mode)
        return (len(paths), *first.shape), _decode(paths, size, mode, first)

    name = f"folder-{stamp_of((), folder.resolve())}"
    rows = (len(paths), CHANNELS[mode])
    array = stored(name, stamp_of(paths, size, mode), make, lambda a: a.ndim == 4 and a.shape[:2] == rows)
    return array, labels, tuple(classes)


def _classes(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(f"read_image_folder: {folder} is no folder; give one that has a sub-folder for every class")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise DataError(f"read_image_folder: {folder} has no sub-folders; put the images of each class into one")
    return names


def _images_of(folder: Path) -> list[Path]:
    found = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    found = [p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    if not found:
        raise DataError(
            f"read_image_folder: class folder {folder} is empty: it holds no image"
            f" ({', '.join(sorted(SUFFIXES))}); put images there or remove the folder"
        )
    return sorted(found)


def _decode(paths: Sequence[Path], size: tuple[int, int] | None, mode: str, first: np.ndarray) -> Iterator[np.ndarray]:
    for start in over(range(0, len(paths), CHUNK), "decoding images", f" x {CHUNK}"):
        chunk = [_decoded(path, size, mode) for path in paths[start : start + CHUNK]]
        for path, image in zip(paths[start:], chunk, strict=False):
            if image.shape != first.shape:
                raise DataError(
                    f"read_image_folder: {paths[0]} is {_size(first)} but {path} is {_size(image)};"
                    " give size=(height, width) to scale them"
                )
        yield np.stack(chunk)


def _decoded(path: Path, size: tuple[int, int] | None, mode: str) -> np.ndarray:
    """One image uint8 (C, H, W)."""
    pillow = require_pillow("read_image_folder")
    from PIL import ImageOps

    try:
        image = open_picture(path).convert(mode)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"read_image_folder: {path} cannot be read ({reason}); mend or remove it") from error
    if size is not None and image.size != size[::-1]:
        image = ImageOps.fit(image, (size[1], size[0]), pillow.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], CHANNELS[mode]).transpose(2, 0, 1)


def _size(images: np.ndarray) -> str:
    height, width = images.shape[-2:]
    return f"{height} x {width}"


def _checked_size(size) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    most = limits.IMAGE_SIDE
    whole = all(isinstance(n, (int, np.integer)) and type(n) is not bool for n in pair)
    if len(pair) != 2 or not whole or not all(1 <= n <= most for n in pair):
        words = f"give a number of pixels, or (height, width), of 1 to {most:,}"
        raise DataError(f"read_image_folder: size is {brief(size)}; {words}")
    return int(pair[0]), int(pair[1])
