"""Transforms made of transforms and of functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gpunn.data.dataset import Sample
from gpunn.data.transforms import chance
from gpunn.data.transforms.image import as_chance
from gpunn.errors import DataError


class _Several:
    """A list of transforms, which prints itself."""

    def __init__(self, transforms: Sequence[Callable[[Sample], Sample]]):
        name = type(self).__name__
        if callable(transforms) or not isinstance(transforms, Sequence):
            raise TypeError(f"{name}: got {type(transforms).__name__}, expected a list of transforms; give [a, b]")
        for step in transforms:
            if not callable(step):
                raise TypeError(f"{name}: {step!r} is no transform, expected functions of an image; give [a, b]")
        self.transforms = transforms

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {step}" for step in self.transforms), ")"])


class Compose(_Several):
    """Transforms one after the other, in a list; `data.Compose` is of steps that take batches.

    Examples:
        >>> half = data.transforms.Compose([data.transforms.ToTensor(), data.transforms.Normalize(0.5, 0.5)])
        >>> half(np.full((2, 2), 255, np.uint8)).tolist()
        [[[1.0, 1.0], [1.0, 1.0]]]
    """

    def __call__(self, img: Sample) -> Sample:
        for step in self.transforms:
            img = step(img)
        return img

    def __iter__(self) -> Iterator:
        return iter(self.transforms)


class RandomApply(_Several):
    """All the transforms in a row with probability p, else none."""

    def __init__(self, transforms: Sequence[Callable[[Sample], Sample]], p: float = 0.5):
        super().__init__(transforms)
        self.p = as_chance("RandomApply", p)

    def __call__(self, img: Sample) -> Sample:
        if chance.uniform() >= self.p:
            return img
        for step in self.transforms:
            img = step(img)
        return img


class RandomChoice(_Several):
    """One of the transforms, chosen anew for each image; `p`: how likely each is, relative to the others."""

    def __init__(self, transforms: Sequence[Callable[[Sample], Sample]], p: Sequence[float] | None = None):
        super().__init__(transforms)
        if not transforms:
            raise DataError("RandomChoice: got no transforms, expected at least one to choose from")
        if p is not None and (len(p) != len(transforms) or min(p) < 0 or not sum(p) > 0):
            raise DataError(
                f"RandomChoice: p is {p!r}, expected {len(transforms)} weights of at least 0; give one a transform"
            )
        self.p = p

    def __call__(self, img: Sample) -> Sample:
        weights = [1.0] * len(self.transforms) if self.p is None else list(self.p)
        left = chance.uniform(0, sum(weights))
        for step, weight in zip(self.transforms, weights, strict=True):
            left -= weight
            if left < 0:
                return step(img)
        likely = max(i for i, weight in enumerate(weights) if weight > 0)  # rounding took the sum's last digit
        return self.transforms[likely](img)


class Lambda:
    """A function as a transform."""

    def __init__(self, lambd: Callable[[Sample], Sample]):
        if not callable(lambd):
            raise TypeError(f"Lambda: got {type(lambd).__name__}, expected a function of an image")
        self.lambd = lambd

    def __call__(self, img: Sample) -> Sample:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"
