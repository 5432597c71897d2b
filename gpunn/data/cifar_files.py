"""The files in which CIFAR-10 and CIFAR-100 are distributed: binary records or pickles, in a folder or an archive.

Formats: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky, Learning Multiple Layers of Features, 2009).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpunn import files, limits
from gpunn.data.archive import members
from gpunn.data.pickles import read_pickle
from gpunn.errors import DataError
from gpunn.text import brief, plain

PIXELS = 3 * 32 * 32
AGAIN = "fetch it again"
Buffer = bytes | memoryview


@dataclass(frozen=True)
class Form:
    """One distribution: the archive, the folder inside it, and the folder's files."""

    archive: str
    md5: str  # of the archive
    size: int
    folder: str
    train: tuple[str, ...]
    test: str
    names: tuple[str, ...]  # of text files, one a kind of label, or of one pickle
    pickled: bool

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test, *self.names)


@dataclass(frozen=True)
class Kind:
    """CIFAR-10 or CIFAR-100: `labels` are the kinds of label of an image, in file order, with their class counts."""

    name: str
    title: str
    labels: dict[str, int]
    keys: tuple[str, ...]  # of the class names in the pickle, one a kind of label
    forms: tuple[Form, ...]


@dataclass(frozen=True)
class Source:
    """One folder or archive of one form."""

    kind: Kind
    form: Form
    path: Path

    def paths(self) -> list[Path]:
        """The files that exist and are read."""
        if self.path.is_file():
            return [self.path]
        return [path for name in self.form.files if (path := self.path / name).is_file()]

    def read(self) -> dict[str, np.ndarray]:
        """The arrays of both parts and the names of the classes.

        train_images, test_images uint8 (N, 3, 32, 32); train_labels, test_labels uint8 (N, kinds of label);
        classes: the UTF-8 text of the class names, one a line, an empty line between kinds of label.
        """
        contents = self._contents()
        if missing := [name for name in self.form.files if name not in contents]:
            raise DataError(
                f"load_{self.kind.name}: {self.path} misses {', '.join(missing)};"
                f" fetch {self.form.archive} again, or unpack all of it there"
            )
        parse = _pickled_part if self.form.pickled else _binary_part
        result = {}
        for part, names in (("train", self.form.train), ("test", (self.form.test,))):
            parsed = [parse(contents[name], self.path / name, self.kind) for name in names]
            images, labels = (np.concatenate(arrays) for arrays in zip(*parsed, strict=True))
            result |= {f"{part}_images": images, f"{part}_labels": labels}
        text = "\n\n".join("\n".join(names) for names in self._classes(contents))
        return result | {"classes": np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)}

    def _contents(self) -> Mapping[str, Buffer]:
        if not self.path.is_file():
            return {path.name: _bytes(path, self.kind) for path in self.paths()}
        return _unpacked(self.path, self.form.files, self.kind)

    def _classes(self, contents: Mapping[str, Buffer]) -> list[list[str]]:
        where = [self.path / name for name in self.form.names]
        if self.form.pickled:
            meta = read_pickle(bytes(contents[self.form.names[0]]), where[0])
            found = [_field(meta, key, where[0], self.kind) for key in self.kind.keys]
            where *= len(found)
        else:
            found = [bytes(contents[name]).decode("utf-8", "replace").split() for name in self.form.names]
        for names, path, count in zip(found, where, self.kind.labels.values(), strict=True):
            check_names(names, count, path, self.kind)
        return found


def parse_classes(text: np.ndarray) -> list[list[str]]:
    """The class names in `Source.read()["classes"]`, one list a kind of label."""
    return [names.split("\n") for names in text.tobytes().decode("utf-8", "surrogatepass").split("\n\n")]


def check_names(names: object, count: int, path: Path, kind: Kind) -> None:
    """DataError where `names` is no list of so many class names, each a line of text."""
    if not isinstance(names, list) or len(names) != count or not all(isinstance(n, str) for n in names):
        number = len(names) if isinstance(names, list) else "no"
        raise DataError(f"load_{kind.name}: {path} lists {number} class names where {kind.title} has {count}; {AGAIN}")
    wrong = next((n for n in names if not n or len(n) > limits.NAME or "\n" in n), None)
    if wrong is not None:
        raise DataError(
            f"load_{kind.name}: {path} has the class name {brief(wrong)}, expected one line of 1 to {limits.NAME} "
            f"characters; {AGAIN}"
        )


def checked_labels(labels, path, kind: Kind) -> np.ndarray:
    """Labels (N, kinds) as uint8, each below its class count."""
    labels = np.asarray(labels)
    for column, count in zip(labels.T, kind.labels.values(), strict=True):
        wrong = column[(column < 0) | (column >= count)]
        if wrong.size:
            raise DataError(
                f"load_{kind.name}: {path} holds label {wrong[0]} where {kind.title} has {count} classes"
                f" (0 to {count - 1}); {AGAIN}"
            )
    return labels.astype(np.uint8)


def _binary_part(data: Buffer, path: Path, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    record = len(kind.labels) + PIXELS
    if not data or len(data) % record:
        raise DataError(
            f"load_{kind.name}: {path} holds {len(data)} bytes, expected a multiple of {record}"
            f" ({len(kind.labels)} for labels and {PIXELS} for a 3 x 32 x 32 image); {AGAIN}"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, record)
    labels = checked_labels(records[:, :-PIXELS], path, kind)
    return records[:, -PIXELS:].reshape(-1, 3, 32, 32), labels


def _pickled_part(data: Buffer, path: Path, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    batch = read_pickle(bytes(data), path)
    images = _field(batch, "data", path, kind)
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != PIXELS or not len(images):
        found = f"shape {images.shape}" if isinstance(images, np.ndarray) else f"a {type(images).__name__}"
        raise DataError(
            f"load_{kind.name}: images in {path} have {found}, expected (N, {PIXELS}): 3 x 32 x 32 bytes each; {AGAIN}"
        )
    columns = [_field(batch, key, path, kind) for key in kind.labels]
    for key, column in zip(kind.labels, columns, strict=True):
        if not isinstance(column, list) or not all(type(label) is int for label in column):
            raise DataError(f"load_{kind.name}: {key!r} in {path} is no list of whole numbers; {AGAIN}")
        if len(column) != len(images):
            raise DataError(
                f"load_{kind.name}: {path} holds {len(images)} images but {len(column)} in {key!r}; {AGAIN}"
            )
    return images.reshape(-1, 3, 32, 32), checked_labels(np.array(columns).T, path, kind)


def _field(batch: dict, key: str, path: Path, kind: Kind):
    for spelling in (key, key.encode()):
        if spelling in batch:
            return batch[spelling]
    known = plain(", ".join(sorted(str(k)[:30] for k in batch)[:8]))
    raise DataError(f"load_{kind.name}: {path} has no {key!r} (it has: {known}); use {kind.title}'s own files")


def _bytes(path: Path, kind: Kind) -> bytes:
    try:
        with files.reading(path) as file:
            return file.read()
    except OSError as error:
        raise DataError(f"load_{kind.name}: cannot read {path}: {error.strerror or error}") from error


def _unpacked(path: Path, names: tuple[str, ...], kind: Kind) -> dict[str, memoryview]:
    try:
        return members(path, names)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"load_{kind.name}: {path} is no whole .tar.gz archive ({reason}); {AGAIN}") from error
