"""Loss and accuracy curves as a file in the run folder."""

from __future__ import annotations

import os

from gpunn import pictures
from gpunn.errors import GpunnError
from gpunn.text import plain
from gpunn.train.checkpoint import write_atomically
from gpunn.train.history import History


def draw_curves(history: History, path: str | os.PathLike, metric: str = "accuracy") -> str | None:
    """Write curves.png: losses on the left, a metric on the right, training and validation in each.

    Returns None, or in words why there is no picture: matplotlib is an extra, which may be missing, or set up by the
    user as it cannot work.
    """
    try:
        picture = pictures.png(pictures.learning_curves(history, metric))
        write_atomically(path, lambda file: file.write(picture), "draw_curves")
    except Exception as error:
        kind = [] if isinstance(error, GpunnError) else [f"{type(error).__name__}:"]
        return plain(" ".join([f"{os.fspath(path)} is not drawn:", *kind, *str(error).split()]), 500)
    return None
