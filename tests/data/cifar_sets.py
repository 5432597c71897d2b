"""Small CIFAR-10 and CIFAR-100 sets, in the four forms of files, made without any code of the reader's."""

import gzip
import io
import tarfile

import numpy as np

from tests.data import python2

NAMES10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FINE, COARSE = [f"fine_{i}" for i in range(100)], [f"coarse_{i}" for i in range(20)]
N = 4  # images a file


def images_of(file: int) -> np.ndarray:
    return np.random.default_rng(file).integers(0, 256, (N, 3, 32, 32), dtype=np.uint8)


def labels_of(file: int, count: int) -> list[int]:
    return [(file * N + i + count - 3) % count for i in range(N)]  # file 0 has the highest class


def records(images, *labels) -> bytes:
    return b"".join(bytes(row) + image.tobytes() for image, *row in zip(images, *labels, strict=True))


def cifar10_binary() -> dict[str, bytes]:
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    files = {name: records(images_of(i), labels_of(i, 10)) for i, name in enumerate(names)}
    return files | {"batches.meta.txt": ("\n".join(NAMES10) + "\n\n").encode(), "readme.html": b"<html>"}


def cifar10_python() -> dict[str, bytes]:
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    files = {name: python2.batch(images_of(i), labels=labels_of(i, 10)) for i, name in enumerate(names)}
    meta = {"num_cases_per_batch": 10000, "label_names": NAMES10, "num_vis": 3072}
    return files | {"batches.meta": python2.dumps(meta)}


def cifar100_binary() -> dict[str, bytes]:
    files = {
        f"{name}.bin": records(images_of(i), labels_of(i, 20), labels_of(i, 100))
        for i, name in ((0, "train"), (5, "test"))
    }
    names = {"fine_label_names.txt": FINE, "coarse_label_names.txt": COARSE}
    return files | {name: ("\n".join(words) + "\n").encode() for name, words in names.items()}


def cifar100_python() -> dict[str, bytes]:
    files = {
        name: python2.batch(images_of(i), fine_labels=labels_of(i, 100), coarse_labels=labels_of(i, 20))
        for i, name in ((0, "train"), (5, "test"))
    }
    return files | {"meta": python2.dumps({"fine_label_names": FINE, "coarse_label_names": COARSE})}


FORMS = {  # folder -> (archive, files)
    "cifar-10-batches-bin": ("cifar-10-binary.tar.gz", cifar10_binary),
    "cifar-10-batches-py": ("cifar-10-python.tar.gz", cifar10_python),
    "cifar-100-binary": ("cifar-100-binary.tar.gz", cifar100_binary),
    "cifar-100-python": ("cifar-100-python.tar.gz", cifar100_python),
}


def put(place, folder, **changes: bytes | None):
    """Write the files of a form into place/folder; `changes` replace or (None) leave out files ("." is "__")."""
    files = FORMS[folder][1]() | {name.replace("__", "."): data for name, data in changes.items()}
    (place / folder).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if data is not None:
            (place / folder / name).write_bytes(data)
    return place / folder


def packed(folder) -> bytes:
    """The form's .tar.gz archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        top = tarfile.TarInfo(folder)
        top.type = tarfile.DIRTYPE
        archive.addfile(top)
        for name, data in FORMS[folder][1]().items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), 1)


def put_archive(place, folder):
    place.mkdir(parents=True, exist_ok=True)
    path = place / FORMS[folder][0]
    path.write_bytes(packed(folder))
    return path
