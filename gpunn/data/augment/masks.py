"""Steps that move pixels, for images whose labels are pixels too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gpunn.data.augment.crop import RandomCrop, RandomHorizontalFlip
from gpunn.data.augment.step import checked_images, unpacked
from gpunn.errors import DataError
from gpunn.window import size_text


class WithMasks:
    """Moves masks (N, H, W) of whole numbers as it moves their images: crops and flips, one draw for both.

    Where a crop reaches over the border, the mask is `ignore_index`, which losses and metrics leave out.

    Args:
        steps: RandomCrop and RandomHorizontalFlip. What computes pixels, as RandomAffine does, would invent classes.

    Examples:
        >>> images, masks = np.zeros((1, 3, 2, 2), np.uint8), np.array([[[0, 1], [2, 3]]])
        >>> step = data.WithMasks(data.RandomHorizontalFlip(p=1.0))
        >>> step(images, masks, np.random.default_rng(0))[1]
        array([[[1, 0],
                [3, 2]]])
    """

    def __init__(self, *steps: RandomCrop | RandomHorizontalFlip, ignore_index: int = -100):
        for step in steps:
            if type(step) not in (RandomCrop, RandomHorizontalFlip):
                raise DataError(f"WithMasks: {step!r} moves no masks; give RandomCrop and RandomHorizontalFlip alone")
        if not isinstance(ignore_index, (int, np.integer)) or isinstance(ignore_index, bool):
            raise DataError(f"WithMasks: ignore_index is {ignore_index!r}; give a whole number, such as -100")
        self.steps, self.ignore_index = steps, ignore_index

    def __call__(self, images: np.ndarray, masks: np.ndarray, *rest: Any) -> tuple:
        others, rng = unpacked("WithMasks", rest)
        checked_images("WithMasks", images)
        _check_masks(masks, images.shape, self.ignore_index)
        for step in self.steps:
            drawn = step.draw(images.shape, rng)
            images = step.change(images, *drawn)
            of_masks = replace(step, fill=self.ignore_index) if isinstance(step, RandomCrop) else step
            masks = of_masks.change(masks[:, None], *drawn)[:, 0]
        return (images, masks, *others)

    def __repr__(self) -> str:
        return f"WithMasks({', '.join(map(repr, self.steps))})"


def _check_masks(masks: Any, images: Sequence[int], ignore_index: int) -> None:
    """DataError where masks are not those of images of this shape, or could not hold what is to be ignored."""
    wanted = (images[0], *images[2:])
    if not isinstance(masks, np.ndarray) or masks.shape != wanted or masks.dtype.kind != "i":
        got = f"{masks.dtype} {masks.shape}" if isinstance(masks, np.ndarray) else type(masks).__name__
        raise DataError(
            f"WithMasks: masks are {got}, expected signed whole numbers {wanted} for images of "
            f"{size_text(images[2:])}; convert them with astype(np.int64)"
        )
    held = np.iinfo(masks.dtype)
    if not held.min <= ignore_index <= held.max:
        raise DataError(
            f"WithMasks: ignore_index is {ignore_index}, which masks of {masks.dtype} cannot hold; convert them with "
            "astype(np.int64)"
        )
