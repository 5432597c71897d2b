"""Compiled kernels in the cache folder, by source, architecture and compiler: compiled once, read from then on.

They may come from a machine without a GPU (`gpunn kernels --build 90`): an entry is machine code as a driver loads it,
``<kernel>-sm_<architecture>-<digest of source and options>-nvrtc<version>.cubin``, beside a JSON file with its seal
and the compiler's log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gpunn.files import cache_folder, write_atomically
from gpunn.seals import say, seal

Cubin = tuple[bytes, str]  # machine code, and the compiler's log
OPTIONS = ("-std=c++17", "--ptxas-options=-v", "-ftz=true")  # CuPy adds the last by itself

SEALED = "sealed"  # part of every digest: entries of before have no seal


class Build(NamedTuple):
    """What machine code depends on; ``compiler`` is NVRTC's version, ``architecture`` 90, or "90a"."""

    name: str
    text: str
    architecture: int | str
    compiler: tuple[int, int]

    @property
    def path(self) -> Path:
        digest = hashlib.sha256("\0".join([SEALED, *OPTIONS, self.text]).encode()).hexdigest()[:32]
        start = f"{self.name.removesuffix('.cu').replace('/', '-')}-sm_{self.architecture}-{digest}"
        return cache_folder() / "cubins" / f"{start}-nvrtc{'.'.join(map(str, self.compiler))}.cubin"


def cached(build: Build, compile: Callable[[], Cubin]) -> Cubin:
    """What ``compile()`` gives; from the cache where it is there.

    An entry that is damaged is compiled anew, and where the cache cannot be written nothing is kept: a line on stderr
    says so.
    """
    found = _read(build.path)
    if found is None:
        found = compile()
        _write(build.path, found)
    return found


def find(build: Build) -> Path | None:
    """The file that a driver can load in place of compiling; None where there is none, or none that is whole."""
    if _read(build.path) is not None:
        return build.path
    start = build.path.name.rpartition("-nvrtc")[0]
    for other in build.path.parent.glob(f"{start}-nvrtc*.cubin"):
        if other != build.path:
            say(
                f"gpunn: prebuilt kernels in {other.parent} are of NVRTC {other.stem.rpartition('-nvrtc')[2]}, here is "
                f"{'.'.join(map(str, build.compiler))}; kernels are compiled anew"
            )
    return None


def _read(path: Path) -> Cubin | None:
    try:
        code, note = path.read_bytes(), json.loads(path.with_suffix(".json").read_bytes())
        if _seal(path, (code, note["log"])) == note["seal"]:
            return code, note["log"]
    except OSError:
        return None  # a cubin without its note, cut off between the two, is made anew as well
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    say_damaged(path)
    return None


def _seal(path: Path, cubin: Cubin) -> str:
    code, log = cubin
    return seal(path.name, code + log.encode("utf-8", "surrogatepass")).hex()


def say_damaged(path: Path) -> None:
    """Say on stderr that a kept kernel cannot be read and is made again."""
    say(f"gpunn: {path} is damaged; the kernel is compiled anew")


def _write(path: Path, cubin: Cubin) -> None:
    note = {"seal": _seal(path, cubin), "log": cubin[1]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(cubin[0]))
        write_atomically(path.with_suffix(".json"), lambda file: file.write(json.dumps(note).encode()))
    except OSError as error:
        say(
            f"gpunn: compiled kernels cannot be kept in {path.parent} ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that you can write"
        )
