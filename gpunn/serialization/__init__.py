"""`gpunn.save` and `gpunn.load`: PyTorch's files, written and read without running anything that they say."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from gpunn import files
from gpunn.backend import Array
from gpunn.errors import CheckpointError, GpunnError, kind_of
from gpunn.serialization.archive import read_legacy, read_zip
from gpunn.serialization.places import MapLocation, placed
from gpunn.serialization.storages import Storages
from gpunn.serialization.writer import Writer
from gpunn.text import brief, plain
from gpunn.train.checkpoint import write_atomically
from gpunn.unpickling import Refused

ROOT = "archive/"


def save(
    obj: Any,
    f: str | os.PathLike | BinaryIO,
    pickle_module: object = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write a tree of values to a file that `gpunn.load` and `torch.load` (weights_only=True) read.

    Dicts, OrderedDicts, Counters, lists, tuples and sets of Tensors, Parameters, arrays, numbers, strings, bytes, None,
    dtypes and devices: state_dicts and optimisers' states are such trees. Tensors that share memory share it again once
    loaded; history and gradients stay behind. Arrays come back as NumPy arrays, Tensors of the emulator on the cpu;
    `torch.load` reads arrays and frozensets only where `torch.serialization.safe_globals` allows these.

    Args:
        f: a path, which is written all or nothing, or an open binary file.
        pickle_module: None; there is one way to write.
        pickle_protocol: taken, and without effect, as `_use_new_zipfile_serialization` is.

    Raises:
        TypeError: what no file holds: a Module (pass its state_dict()), a function, another class.
        CheckpointError: the file cannot be written; what was there before is unchanged.

    Examples:
        >>> import io
        >>> file = io.BytesIO()
        >>> gpunn.save({"weight": gpunn.ones(2), "epoch": 3}, file)
        >>> _ = file.seek(0)
        >>> gpunn.load(file)
        {'weight': Tensor([1., 1.]), 'epoch': 3}
    """
    _refuse_module("save", pickle_module)
    _check_file("save", f, "write", "; pass the values first, then the file")
    storages = Storages(obj)
    pickle = Writer(storages).written(obj)

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            members = {"data.pkl": pickle, "byteorder": b"little", "version": b"3\n"}
            # ZipInfo without a date: equal trees give equal bytes.
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(ROOT + name), content)
            for key, flat in storages.contents.items():
                content = flat.astype(flat.dtype.newbyteorder("<"), copy=False) if flat.dtype.kind != "V" else flat
                with archive.open(zipfile.ZipInfo(f"{ROOT}data/{key}"), "w", force_zip64=True) as member:
                    member.write(content.view("u1").data)

    if hasattr(f, "write"):
        write(f)  # type: ignore[arg-type]
    else:
        write_atomically(f, write, "save")  # type: ignore[arg-type]


def load(
    f: str | os.PathLike | BinaryIO,
    map_location: MapLocation = None,
    pickle_module: object = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """What `gpunn.save` or `torch.save` wrote: Tensors, arrays and plain values; nothing in the file is run.

    Args:
        f: a path, or an open binary file, which is read from where it stands to its end. PyTorch's zip archives, and
            its files from before 1.6.
        map_location: the device of all Tensors, a dict from the file's devices to others, or a function of a storage
            and its device's name; without it each goes to the device that it was saved from.
        pickle_module: None; nothing but a fixed list of types is read.
        weights_only: taken, and always so.
        mmap: taken, and without effect.

    Raises:
        CheckpointError: the file is missing, damaged, or none of PyTorch's; it names something else than tensors and
            plain values, such as a class; or it has tensors of a device that is not here.
    """
    _refuse_module("load", pickle_module)
    _check_file("load", f, "read")

    def place(flat: Array, location: str) -> Array:
        return placed(flat, location, map_location)

    if hasattr(f, "read"):
        content = f.read()  # type: ignore[union-attr]
        if not content:
            raise CheckpointError("load: the file is at its end, expected its beginning; call f.seek(0) first")
        return _read(io.BytesIO(content), "the file", place)
    path = Path(f)  # type: ignore[arg-type]
    try:
        with files.reading(path) as file:
            return _read(file, str(path), place)
    except OSError as error:
        raise CheckpointError(f"load: cannot read {path}: {error.strerror or error}; check the path") from error


def _read(file: BinaryIO, name: str, place: Callable[[Array, str], Array]) -> Any:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        if zipfile.is_zipfile(file):
            file.seek(0)
            return read_zip(file, size, place)
        file.seek(0)
        return read_legacy(file.read(), place)
    except (GpunnError, OSError):
        raise
    except Refused as error:
        raise CheckpointError(
            f"load: {name} is refused: {plain(str(error))[:300]}; only tensors and plain values are read, and "
            "nothing is executed; a run's checkpoint is read by gpunn.train.load_checkpoint"
        ) from None
    except Exception as error:  # a damaged file raises whatever its first wrong byte leads to
        raise CheckpointError(
            f"load: {name} is damaged, or none of PyTorch's ({type(error).__name__}: {plain(str(error))[:200]}; "
            f"{size:,} bytes); take another copy of it"
        ) from error


def _check_file(name: str, f: object, needs: str, remedy: str = "") -> None:
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, needs):
        raise TypeError(f"{name}: f is {kind_of(f)}, expected a path or an open binary file{remedy}")


def _refuse_module(caller: str, pickle_module: object) -> None:
    if pickle_module is not None:
        raise TypeError(
            f"{caller}: pickle_module is {brief(pickle_module)}, expected None: nothing in a file is run; leave it out"
        )
