"""The small copy of CIFAR-10 whose images went through JPEG once: 18 MB instead of 170.

One .npz: `header`, the bytes that all the files begin with, and for `train` and `test` each `bodies` (what follows the
header, of all images end to end, without the end marker FF D9), `lengths` and `labels`; `class_names`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from gpunn.bars import over
from gpunn.data.cifar_files import Kind, checked_labels
from gpunn.data.pillow import require_pillow
from gpunn.errors import DataError

NAME = "cifar10_jpeg.npz"
NOTE = "these CIFAR-10 images went through JPEG (quality 75) once: accuracies come out below published ones"
AGAIN = "copy it there again"
END = b"\xff\xd9"
FIELDS = [f"{part}_{what}" for part in ("train", "test") for what in ("bodies", "lengths", "labels")]


def find_jpeg(place: Path) -> Path | None:
    """The copy in `place` or its folder cifar10-jpeg."""
    return next((path for folder in (place / "cifar10-jpeg", place) if (path := folder / NAME).is_file()), None)


def read_jpeg(path: Path, kind: Kind) -> dict[str, np.ndarray]:
    """The same arrays as `Source.read` gives: 60,000 images in 5 s on one core."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as pack:
            fields = {name: pack[name] for name in ("header", "class_names", *FIELDS)}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"load_cifar10: {path} is damaged ({error}); {AGAIN}") from error
    classes = [str(name) for name in fields["class_names"]]
    if len(classes) != kind.labels["labels"]:
        raise DataError(f"load_cifar10: {path} lists {len(classes)} class names where {kind.title} has 10")
    result = {"classes": np.frombuffer("\n".join(classes).encode(), np.uint8)}
    for part in ("train", "test"):
        bodies, lengths, labels = (fields[f"{part}_{what}"] for what in ("bodies", "lengths", "labels"))
        ends = np.cumsum(lengths, dtype=np.int64)
        if lengths.shape != labels.shape or not len(ends) or ends[-1] != len(bodies):
            raise DataError(
                f"load_cifar10: {path} is damaged: {len(lengths)} lengths and {len(labels)} labels for"
                f" {len(bodies)} bytes of {part} images; {AGAIN}"
            )
        result[f"{part}_labels"] = checked_labels(labels[:, None], path, kind)
        result[f"{part}_images"] = _decode(fields["header"].tobytes(), bodies.tobytes(), ends, f"{path}: {part}")
    return result


def _decode(header: bytes, bodies: bytes, ends: np.ndarray, what: str) -> np.ndarray:
    pillow = require_pillow("load_cifar10")
    images = np.empty((len(ends), 3, 32, 32), dtype=np.uint8)
    start = 0
    for i, end in enumerate(over(ends.tolist(), "decoding CIFAR-10", " images")):
        try:
            with pillow.open(io.BytesIO(header + bodies[start:end] + END), formats=["JPEG"]) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"load_cifar10: {what} image {i} cannot be decoded ({error}); {AGAIN}") from error
        if pixels.shape != (32, 32, 3):
            raise DataError(f"load_cifar10: {what} image {i} is {pixels.shape[:2]}, expected (32, 32); {AGAIN}")
        images[i] = pixels.transpose(2, 0, 1)
        start = end
    return images
