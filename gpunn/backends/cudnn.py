"""PyTorch's switches of cuDNN, which gpunn has no use for: they can be set, and have no effect.

Runs are deterministic whatever `deterministic` says; kernels are chosen by rules, or once by `gpunn tune`, whatever
`benchmark` says; precision is a matter of `gpunn.precision`.
"""

from __future__ import annotations

deterministic = True
benchmark = False
enabled = False
allow_tf32 = False


def is_available() -> bool:
    """Whether cuDNN computes: never.

    Examples:
        >>> gpunn.backends.cudnn.is_available()
        False
    """
    return False


def version() -> int | None:
    """The version of cuDNN in use: None."""
    return None
