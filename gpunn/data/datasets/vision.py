"""What data sets of images have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from gpunn.data.dataset import Dataset, Sample
from gpunn.errors import DataError

Transform: TypeAlias = Callable[[Sample], Sample] | None


class VisionDataset(Dataset[tuple]):
    """Base class of data sets of images: a folder, and what is done to each image and to each label.

    `transforms` takes both and returns both, in place of the other two.
    """

    classes: Sequence[str] = ()

    def __init__(
        self,
        root: str | Path = "",
        transforms: Callable[[Sample, Sample], tuple[Sample, Sample]] | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
    ):
        given = {"transforms": transforms, "transform": transform, "target_transform": target_transform}
        if transforms is not None and (transform or target_transform):
            raise DataError(
                f"{type(self).__name__}: got transforms beside transform or target_transform; give one kind"
            )
        for name, function in given.items():
            if function is not None and not callable(function):
                raise DataError(f"{type(self).__name__}: {name} is {function!r}; give a function, or None")
        self.root, self.transforms = Path(root).expanduser(), transforms
        self.transform, self.target_transform = transform, target_transform

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class."""
        return {name: i for i, name in enumerate(self.classes)}

    def transformed(self, image: Sample, target: Sample) -> tuple[Sample, Sample]:
        """The image and the label as the data set gives them."""
        if self.transforms is not None:
            return self.transforms(image, target)
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__; write one that counts the samples")

    def __repr__(self) -> str:
        done = "".join(f", {name}={f!r}" for name in ("transform", "target_transform") if (f := getattr(self, name)))
        return f"{type(self).__name__}({len(self):,} images, root={str(self.root)!r}{done})"
