"""The errors a program may want to catch. Wrong arguments of an op raise plain ValueError or TypeError."""

from __future__ import annotations


class GpunnError(Exception):
    """Base of gpunn's own errors; the command line prints one as a single line."""


class DeviceError(GpunnError, RuntimeError):
    """A device, or a library that it needs, is not there."""


class DataError(GpunnError, ValueError):
    """A data set is missing, damaged or not what was asked for."""


class CheckpointError(GpunnError, RuntimeError):
    """A checkpoint cannot be written, read, or belongs to another model."""


class TrainingError(GpunnError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite."""


class UsageError(GpunnError, ValueError):
    """A name or an option that gpunn does not know."""
