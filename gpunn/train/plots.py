"""Loss and accuracy curves as a file in the run folder."""

from __future__ import annotations

import os

from gpunn import pictures
from gpunn.errors import UsageError
from gpunn.train.checkpoint import write_atomically
from gpunn.train.history import History


def draw_curves(history: History, path: str | os.PathLike) -> str | None:
    """Write curves.png: losses on the left, accuracies on the right, training and validation in each.

    Returns None, or in words why there is no picture: matplotlib is an extra.
    """
    try:
        picture = pictures.png(pictures.learning_curves(history))
    except UsageError as error:
        return f"{os.fspath(path)} is not drawn: {error}"
    write_atomically(path, lambda file: file.write(picture), "draw_curves")
    return None
