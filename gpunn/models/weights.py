"""Weights as safetensors files, the form in which published weights travel: names and arrays, no code."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from gpunn import backend, files, nn
from gpunn.errors import CheckpointError, UsageError
from gpunn.text import plain
from gpunn.train.checkpoint import check_weights, write_atomically

# The format's types that become weights, and NumPy's, of which bfloat16 is two bytes without a name.
READ = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def save_safetensors(model: nn.Module, path: str | os.PathLike) -> None:
    """Write the model's ``state_dict`` to ``path``, all or nothing; PyTorch's keys, so PyTorch reads it too."""
    arrays = {key: backend.to_numpy(value).copy() for key, value in model.named_arrays().items()}
    contents = _library("save_safetensors").save(arrays)
    write_atomically(path, lambda file: file.write(contents), "save_safetensors")


def load_safetensors(model: nn.Module, path: str | os.PathLike) -> None:
    """Put the weights of a safetensors file into ``model``.

    Weights of 16 bits, bfloat16 too, become the model's own type. Raises CheckpointError, and leaves the model as it
    was, where the file cannot be read or is of another model: every missing, unexpected and mis-shaped key is listed.
    ``num_batches_tracked`` may be missing, as in old files, and so may all but one name of an array that has several.
    """
    library = _library("load_safetensors")
    try:
        files.reading(path).close()  # the library maps it, and takes a pipe for an empty file
        kinds = _kinds(path)
        foreign = sorted({kind for kind in kinds.values() if kind not in READ})
        if not foreign:
            saved = _widened(path) if "BF16" in kinds.values() else library.load_file(path)
    except OSError as error:
        raise CheckpointError(f"load_safetensors: cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # the library's own errors share no base
        raise CheckpointError(
            f"load_safetensors: {path} is damaged or no safetensors file ({type(error).__name__}: {plain(str(error))})"
        ) from error
    if foreign:
        raise CheckpointError(
            f"load_safetensors: {path} holds numbers of type {', '.join(foreign)}, expected {', '.join(READ)}; "
            "convert them first"
        )
    check_weights(model, saved, path, "load_safetensors")
    model.load_state_dict(saved)


def _kinds(path: str | os.PathLike) -> dict[str, str]:
    """Each key's type, in the format's words."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118 - it is no dict


def _widened(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a file with bfloat16, which NumPy lacks: float32 has the same 16 bits in front."""
    from safetensors import deserialize

    with open(path, "rb") as file:
        parts = deserialize(file.read())
    found = {}
    for key, part in parts:
        bits = np.frombuffer(part["data"], READ[part["dtype"]]).reshape(part["shape"])
        found[key] = (bits.astype("<u4") << 16).view("<f4") if part["dtype"] == "BF16" else bits
    return found


def _library(caller: str) -> Any:
    try:
        from safetensors import numpy as library
    except ImportError as error:
        raise UsageError(f'{caller}: safetensors does not import ({error}); pip install "gpunn[io]"') from error
    return library
