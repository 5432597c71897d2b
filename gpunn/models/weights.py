"""Weights as safetensors files, the form in which published weights travel: names and arrays, no code."""

from __future__ import annotations

import os
from typing import Any

from gpunn import backend, nn
from gpunn.errors import CheckpointError, UsageError
from gpunn.train.checkpoint import check_weights, write_atomically


def save_safetensors(model: nn.Module, path: str | os.PathLike) -> None:
    """Write the model's ``state_dict`` to ``path``, all or nothing; PyTorch's keys, so PyTorch reads it too."""
    arrays = {key: backend.to_numpy(value).copy() for key, value in model.state_dict().items()}
    contents = _library("save_safetensors").save(arrays)
    write_atomically(path, lambda file: file.write(contents), "save_safetensors")


def load_safetensors(model: nn.Module, path: str | os.PathLike) -> None:
    """Put the weights of a safetensors file into ``model``.

    Raises CheckpointError, and leaves the model as it was, where the file cannot be read or is of another model: every
    missing, unexpected and mis-shaped key is listed. ``num_batches_tracked`` may be missing, as in old files.
    """
    library = _library("load_safetensors")
    try:
        saved = library.load_file(path)
    except OSError as error:
        raise CheckpointError(f"load_safetensors: cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # the library's own errors share no base
        raise CheckpointError(
            f"load_safetensors: {path} is damaged or no safetensors file ({type(error).__name__}: {error})"
        ) from error
    current = model.state_dict()
    for key in current.keys() - saved.keys():
        if key.endswith("num_batches_tracked"):
            saved[key] = backend.to_numpy(current[key])
    check_weights(current, saved, path, "load_safetensors")
    model.load_state_dict(saved)


def _library(caller: str) -> Any:
    try:
        from safetensors import numpy as library
    except ImportError as error:
        raise UsageError(f'{caller}: safetensors does not import ({error}); pip install "gpunn[io]"') from error
    return library
