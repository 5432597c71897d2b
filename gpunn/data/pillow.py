"""The one place that imports Pillow, an extra."""

from __future__ import annotations

from typing import Any

from gpunn.errors import DataError


def require_pillow(function: str) -> Any:
    """The module PIL.Image, or DataError in the words of `function` with the remedy."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f'{function}: decoding images needs Pillow, which is not there ({error}); pip install "gpunn[image]"'
        ) from error
    return Image
