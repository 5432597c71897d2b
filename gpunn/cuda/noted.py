"""Where kernels note a number out of range, and with what, as plans know it: see gpunn.backend.faults."""

from __future__ import annotations

import numpy as np

from gpunn.cuda.plans import Scalar
from gpunn.cuda.signature import Layout

NAMES = "serial", "call", "fed"  # with which one is noted: a kernel's last arguments


def noted(state: tuple, fed: tuple | None) -> dict[str, Layout | Scalar | None]:
    """The inputs of a plan that `faults.watch` gives it, from their layouts."""
    word = Scalar(np.int64)
    return {"state": Layout(*state), "serial": word, "call": word, "fed": None if fed is None else Layout(*fed)}
