"""PyTorch's settings for a whole program, as far as they have a meaning here."""

from __future__ import annotations

from gpunn.asked import current_precision, set_default_precision
from gpunn.backend import Device, default_device

PRECISIONS = {"highest": "fp32", "high": "tf32", "medium": "tf32"}


def get_default_device() -> Device:
    """The device that new arrays are made on: `default_device` under PyTorch's name.

    Examples:
        >>> gpunn.get_default_device()
        Device(type='cpu', index=0)
    """
    return default_device()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: two runs with one seed are equal to the last bit, whatever `mode` says."""


def are_deterministic_algorithms_enabled() -> bool:
    """True.

    Examples:
        >>> gpunn.are_deterministic_algorithms_enabled()
        True
    """
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """How float32 is multiplied: "highest" in float32, "high" and "medium" in TF32. See `gpunn.precision`.

    Raises:
        ValueError: another word.

    Examples:
        >>> gpunn.set_float32_matmul_precision("highest")
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"set_float32_matmul_precision: got {precision!r}, expected one of {', '.join(PRECISIONS)}; for 16 bits "
            "use gpunn.precision('bf16')"
        )
    set_default_precision(PRECISIONS[precision])


def get_float32_matmul_precision() -> str:
    """How float32 is multiplied here: "highest" or "high".

    Examples:
        >>> gpunn.get_float32_matmul_precision()
        'highest'
    """
    return "high" if current_precision() == "tf32" else "highest"
