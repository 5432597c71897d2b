"""The small copy of CIFAR-10 whose images went through JPEG once: 18 MB instead of 170.

One .npz: `header`, the bytes that all the files begin with, and for `train` and `test` each `bodies` (what follows the
header, of all images end to end, without the end marker FF D9), `lengths` and `labels`; `class_names`.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np

from gpunn import npz
from gpunn.bars import over
from gpunn.data.cifar_files import Kind, check_names, checked_labels
from gpunn.data.pillow import require_pillow
from gpunn.errors import DataError
from gpunn.kinds import array, checked, record
from gpunn.text import plain

NAME = "cifar10_jpeg.npz"
NOTE = "these CIFAR-10 images went through JPEG (quality 75) once: accuracies come out below published ones"
AGAIN = "copy it there again"
END = b"\xff\xd9"
MOST = 60_000  # images of a part
FIELDS = [f"{part}_{what}" for part in ("train", "test") for what in ("bodies", "lengths", "labels")]

_BYTES, _WHOLE = array("u", (None,)), array("iu", (None,))
_FIELDS = record(
    {
        "header": _BYTES,
        "class_names": array("U", (None,)),
        **{name: _BYTES if name.endswith("bodies") else _WHOLE for name in FIELDS},
    }
)


def find_jpeg(place: Path) -> Path | None:
    """The copy in `place` or its folder cifar10-jpeg."""
    return next((path for folder in (place / "cifar10-jpeg", place) if (path := folder / NAME).is_file()), None)


def read_jpeg(path: Path, kind: Kind) -> dict[str, np.ndarray]:
    """The same arrays as `Source.read` gives: 60,000 images in 5 s on one core."""
    try:
        with npz.opened(path) as file:
            fields = {name: npz.read(file, name) for name in ("header", "class_names", *FIELDS)}
        classes = [str(name) for name in np.atleast_1d(fields["class_names"])]
    except Exception as error:  # whatever the first wrong byte leads to
        raise DataError(f"load_cifar10: {path} is damaged ({plain(str(error))}); {AGAIN}") from error
    checked(_FIELDS, fields, DataError, f"load_cifar10: {path}", AGAIN)
    check_names(classes, kind.labels["labels"], path, kind)
    text = "\n".join(classes).encode("utf-8", "surrogatepass")
    result = {"classes": np.frombuffer(text, np.uint8)}
    for part in ("train", "test"):
        bodies, lengths, labels = (fields[f"{part}_{what}"] for what in ("bodies", "lengths", "labels"))
        if len(lengths) > MOST:
            raise DataError(f"load_cifar10: {path} has {len(lengths):,} images, expected at most {MOST:,}; {AGAIN}")
        ends = np.cumsum(lengths, dtype=np.int64)
        if lengths.shape != labels.shape or not len(ends) or lengths.min() < 0 or ends[-1] != len(bodies):
            raise DataError(
                f"load_cifar10: {path} is damaged: {len(lengths)} lengths and {len(labels)} labels for"
                f" {len(bodies)} bytes of {part} images; {AGAIN}"
            )
        result[f"{part}_labels"] = checked_labels(labels[:, None], path, kind)
        with warnings.catch_warnings():  # of pictures too large, which are refused here
            warnings.simplefilter("ignore")
            result[f"{part}_images"] = _decode(fields["header"].tobytes(), bodies.tobytes(), ends, f"{path}: {part}")
    return result


def _decode(header: bytes, bodies: bytes, ends: np.ndarray, what: str) -> np.ndarray:
    pillow = require_pillow("load_cifar10")
    images = np.empty((len(ends), 3, 32, 32), dtype=np.uint8)
    start = 0
    for i, end in enumerate(over(ends.tolist(), "decoding CIFAR-10", " images")):
        try:
            with pillow.open(io.BytesIO(header + bodies[start:end] + END), formats=["JPEG"]) as image:
                pixels = np.asarray(image.convert("RGB")) if image.size == (32, 32) else None
        except Exception as error:  # whatever the first wrong byte leads to
            why = plain(str(error))
            raise DataError(f"load_cifar10: {what} image {i} cannot be decoded ({why}); {AGAIN}") from error
        if pixels is None:
            size = image.size[::-1]
            raise DataError(f"load_cifar10: {what} image {i} is {size}, expected (32, 32); {AGAIN}")
        images[i] = pixels.transpose(2, 0, 1)
        start = end
    return images
