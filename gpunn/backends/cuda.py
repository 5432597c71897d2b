"""PyTorch's switches of matrix products on a GPU, which can be set, and have no effect: see `gpunn.precision`."""

from __future__ import annotations

from types import SimpleNamespace

matmul = SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=False)


def is_built() -> bool:
    """Whether gpunn can compute on a GPU where there is one: always.

    Examples:
        >>> gpunn.backends.cuda.is_built()
        True
    """
    return True
