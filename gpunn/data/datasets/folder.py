"""Files in folders, one sub-folder a class, opened when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from gpunn.data.dataset import Sample
from gpunn.data.datasets.vision import Transform, VisionDataset
from gpunn.data.pillow import open_picture, require_pillow
from gpunn.errors import DataError

IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # torchvision's


def default_loader(path: str) -> Sample:
    """The image in a file, of mode "RGB". Needs Pillow. Raises DataError naming the file that is none."""
    require_pillow("ImageFolder")
    try:
        return open_picture(Path(path), turn=False).convert("RGB")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"ImageFolder: {path} cannot be read ({reason}); mend or remove it") from error


class DatasetFolder(VisionDataset):
    """The files under `root`/CLASS, in the order of their paths: (what `loader` makes of one, the label of its class).

    Args:
        root: has a sub-folder for every class; classes are numbered in the order of their names.
        loader: opens a file, given by its path.
        extensions: endings of the files to take, in any case; or `is_valid_file`, a function of a path, decides.
        allow_empty: whether a class may have no file.

    Attributes:
        samples: (path, label) of each; `targets` the labels; `classes` the names.

    Raises DataError for a folder without classes or a class without files.
    """

    def __init__(
        self,
        root: str | Path,
        loader: Callable[[str], Sample],
        extensions: str | Sequence[str] | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        if (extensions is None) == (is_valid_file is None):
            got = "neither" if extensions is None else "both"
            raise DataError(f"{type(self).__name__}: got {got} of extensions and is_valid_file; give one of them")
        self.loader = loader
        self.extensions = (extensions,) if isinstance(extensions, str) else extensions
        self.classes = self._classes()
        endings = tuple(ending.lower() for ending in self.extensions or ())
        valid = is_valid_file or (lambda path: path.lower().endswith(endings))
        self.samples = [(path, i) for i, name in enumerate(self.classes) for path in self._files(name, valid)]
        self.targets = [label for _, label in self.samples]
        found = set(self.targets)
        missing = [name for i, name in enumerate(self.classes) if i not in found]
        if missing and not allow_empty:
            wanted = f" ({', '.join(self.extensions)})" if self.extensions else ""
            raise DataError(
                f"{type(self).__name__}: class folder {self.root / missing[0]} holds no valid file{wanted}; put some"
                " there, remove the folder, or give allow_empty=True"
            )

    def _classes(self) -> list[str]:
        if not self.root.is_dir():
            raise DataError(
                f"{type(self).__name__}: {self.root} is no folder; give one with a sub-folder for every class"
            )
        names = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        if not names:
            raise DataError(
                f"{type(self).__name__}: {self.root} has no sub-folders; put the files of each class into one"
            )
        return names

    def _files(self, name: str, valid: Callable[[str], bool]) -> list[str]:
        walk = sorted(os.walk(self.root / name, followlinks=True))
        paths = (os.path.join(folder, file) for folder, _, files in walk for file in sorted(files))
        return [path for path in paths if valid(path)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Sample, Sample]:
        path, target = self.samples[index]
        return self.transformed(self.loader(path), target)


class ImageFolder(DatasetFolder):
    """The images under `root`/CLASS, opened when they are asked for: (image of mode "RGB", label). Needs Pillow.

    `data.load_image_folder` decodes images of one size once, for all runs. Arguments as DatasetFolder's.

    Examples:
        >>> import tempfile, pathlib
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("cats", "dogs"):
        ...     (root / name).mkdir()
        ...     _ = (root / name / "1.pgm").write_bytes(b"P5 2 2 255 abcd")
        >>> pets = data.datasets.ImageFolder(root, transform=np.asarray)
        >>> pets.class_to_idx, pets[1][0].shape, pets[1][1]
        ({'cats': 0, 'dogs': 1}, (2, 2, 3), 1)
    """

    def __init__(
        self,
        root: str | Path,
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Callable[[str], Sample] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        extensions = IMAGES if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)

    @property
    def imgs(self) -> list[tuple[str, int]]:
        """The samples, by torchvision's other name for them."""
        return self.samples
