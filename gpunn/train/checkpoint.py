"""Checkpoint files: a tree of dicts, lists, numbers, words and arrays in an .npz, written atomically, no code in it.

The file is a zip archive. Each array is a member `<path in the tree>.npy`: `numpy.load(file)["model/fc.weight"]` reads
it anywhere; the tree itself is the member `meta.json`, with `{"__array__": member}` where an array belongs.
Nothing is pickled, and the archive's checksums show damage.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gpunn import backend, files, limits, npz
from gpunn.engine.tensor import Tensor
from gpunn.errors import CheckpointError, UsageError, kind_of
from gpunn.kinds import array, checked, parse_json, record, table_of, whole
from gpunn.nn import Module
from gpunn.nn.state import completed, contradictions
from gpunn.text import brief, plain

FORMAT, VERSION = "gpunn-checkpoint", 1
META = "meta.json"
ARRAY = "__array__"
LISTED = 1000  # keys in an error at most: more than any network of gpunn has
_META = record({"version": whole(1), "state": record({})})


def save_checkpoint(path: str | os.PathLike, state: Mapping[str, Any]) -> Path:
    """Write the tree `state` to `path`, all or nothing; returns the path.

    Leaves may be arrays (of any device), Tensors, numbers, strings, booleans and None; keys become strings and tuples
    lists. CheckpointError, and the file that was there unchanged, where it cannot be written.
    """
    if not isinstance(path, (str, os.PathLike)):
        got = kind_of(path)
        raise UsageError(f"save_checkpoint: path is {got}, expected a file's; pass the path first, then the state")
    arrays: dict[str, np.ndarray] = {}
    meta = {"format": FORMAT, "version": VERSION, "state": _split(state, "", arrays)}

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(META), json.dumps(meta, indent=1))
            for name, array in arrays.items():
                # ZipInfo without a date: equal states give equal bytes.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    return write_atomically(path, write, "save_checkpoint")


def load_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """The tree that `save_checkpoint` wrote, arrays as NumPy arrays. A folder stands for its `checkpoint.npz`.

    CheckpointError where the file is missing, damaged, cut short, or something else than a checkpoint.
    """
    path = checkpoint_path(path)
    try:
        with npz.opened(path) as archive:
            meta = parse_json(archive.read(META), limits.TREE_BYTES)
            if not isinstance(meta, dict) or meta.get("format") != FORMAT:
                raise KeyError(META)
            checked(_META, meta, CheckpointError, f"load_checkpoint: {path}", "take another checkpoint of the run")
            if meta["version"] > VERSION:
                raise CheckpointError(
                    f"load_checkpoint: {path} has format version {brief(meta['version'])}, this gpunn reads up to "
                    f"{VERSION}; upgrade gpunn"
                )
            return _join(meta["state"], cache(lambda name: npz.read(archive, name)))
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(
            f"load_checkpoint: {path} is no gpunn checkpoint (it lacks {plain(str(error))}); "
            "pass a file that a run has saved"
        ) from error
    except (FileNotFoundError, PermissionError, IsADirectoryError, files.NotAFile) as error:
        raise CheckpointError(f"load_checkpoint: cannot read {path}: {error.strerror}; check the path") from error
    except Exception as error:  # a damaged archive raises whatever its first wrong byte leads to
        raise CheckpointError(
            f"load_checkpoint: {path} is damaged or cut short ({type(error).__name__}: {plain(str(error))}; "
            f"{path.stat().st_size} bytes); take another checkpoint of the run, such as best.npz, or start anew"
        ) from error


def checkpoint_path(path: str | os.PathLike) -> Path:
    """The file itself; for a run folder, the `checkpoint.npz` in it."""
    path = Path(path)
    return path / "checkpoint.npz" if path.is_dir() else path


def _split(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The tree as JSON takes it; arrays go to `arrays` under their path in the tree."""
    if isinstance(value, Mapping):
        if len({str(k) for k in value}) != len(value) or value.keys() == {ARRAY}:
            raise TypeError(f"save_checkpoint: {name or 'state'} has keys that a file cannot tell apart: {list(value)}")
        return {str(k): _split(v, f"{name}/{k}" if name else str(k), arrays) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_split(v, f"{name}/{i}", arrays) for i, v in enumerate(value)]
    if isinstance(value, Tensor) or backend.is_array(value):
        array = np.asarray(backend.to_numpy(value), order="C")
        if array.dtype.kind not in "biufcSU":  # .npz would need pickle for objects, and forgets the name of bfloat16
            raise TypeError(f"save_checkpoint: {name} is an array of {array.dtype}; convert it to float32")
        while name in arrays:  # {"a/b": x, "a": {"b": y}}
            name += "_"
        arrays[name] = array
        return {ARRAY: name}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    kind = type(value).__name__
    raise TypeError(
        f"save_checkpoint: {name or 'state'} is a {kind}; expected arrays, numbers, strings, dicts or lists"
    )


def _join(value: Any, read: Callable[[str], np.ndarray]) -> Any:
    """The tree with arrays in their places; one that stands in several is read once."""
    if isinstance(value, dict):
        return read(value[ARRAY]) if value.keys() == {ARRAY} else {k: _join(v, read) for k, v in value.items()}
    return [_join(v, read) for v in value] if isinstance(value, list) else value


def write_atomically(path: str | os.PathLike, write: Callable[[BinaryIO], Any], caller: str) -> Path:
    """`gpunn.files.write_atomically`; CheckpointError, in the name of `caller`, where it cannot be done."""
    path = Path(path).parent.resolve() / Path(path).name  # a link in the file's own place is replaced
    try:
        files.write_atomically(path, write)
    except OSError as error:
        raise cannot_write(caller, path, error) from error
    return path


def cannot_write(caller: str, path: Path, error: OSError) -> CheckpointError:
    """The error of a file that stays as it was."""
    return CheckpointError(
        f"{caller}: cannot write {path}: {error.strerror or error}; what was there before is unchanged; "
        f"{files.remedy(error)}"
    )


def check_weights(
    model: Module, saved: Mapping[str, Any], path: str | os.PathLike, caller: str = "load_checkpoint"
) -> None:
    """CheckpointError that lists every key by which the saved weights differ from the model's."""
    model_state = model.named_arrays()
    saved = completed(model_state, saved)
    missing = [f"{k} {tuple(v.shape)}" for k, v in model_state.items() if k not in saved]
    unexpected = [f"{plain(k)} {tuple(v.shape)}" for k, v in saved.items() if k not in model_state]
    shapes = [
        f"{k} {tuple(saved[k].shape)} in the file, {tuple(v.shape)} in the model"
        for k, v in model_state.items()
        if k in saved and tuple(saved[k].shape) != tuple(v.shape)
    ]
    differing = [] if shapes else contradictions(model_state, saved)
    found = [("missing", missing), ("unexpected", unexpected), ("of another shape", shapes), ("differing", differing)]
    if missing or unexpected or shapes or differing:
        words = "; ".join(f"{what}: {_listed(keys)}" for what, keys in found if keys)
        raise CheckpointError(
            f"{caller}: {path} is of another model ({words}); nothing was loaded; build the model that was saved"
        )


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED:,} more" if len(keys) > LISTED else ""
    return f"{', '.join(keys[:LISTED])}{more}"


def load_weights(path: str | os.PathLike, model: Module) -> dict[str, Any]:
    """Put the weights of a saved file (`best.npz`, `last.npz` or a whole checkpoint) into `model`.

    Returns the rest of the file: `info`, what the run wrote about itself, and where it stood. CheckpointError, and the
    model unchanged, where the file is damaged or of another model.
    """
    if isinstance(path, Module):
        raise UsageError("load_weights: path is a Module, expected a file; pass the path first, then the model")
    state = load_checkpoint(path)
    put_weights(model, weights_in(state, f"load_weights: {path}"), path)
    del state["model"]
    return state


def weights_in(state: Mapping[str, Any], where: str, finite: bool = False) -> dict[str, np.ndarray]:
    """The weights in a checkpoint's tree, arrays of numbers by their names. CheckpointError where there are none."""
    if not isinstance(state.get("model"), dict):
        raise CheckpointError(f"{where} holds no model weights, only {plain(str(sorted(state)))}")
    kind = table_of(array(finite=finite))
    remedy = "train it again, with a lower learning rate" if finite else "take another checkpoint of the run"
    return checked(record({"model": kind}), state, CheckpointError, where, remedy)["model"]


def put_weights(model: Module, weights: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Let `model` hold the weights of a file. CheckpointError, and the model unchanged, where they are of another."""
    check_weights(model, weights, path)
    model.load_state_dict(weights)
