"""Apple's GPUs, which gpunn does not compute on."""

from __future__ import annotations


def is_available() -> bool:
    """Whether Apple's GPUs compute: never.

    Examples:
        >>> gpunn.backends.mps.is_available()
        False
    """
    return False


def is_built() -> bool:
    """Whether gpunn can compute on Apple's GPUs: never."""
    return False
