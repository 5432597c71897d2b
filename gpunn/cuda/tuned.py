"""Which variants were measured to be the fastest: a JSON file a device in the cache folder, read when plans are made.

An entry is of one operation and problem, and of the kernels as they were: a changed kernel is not chosen by what was
measured of another. GPUNN_TUNE=0 leaves all of it unread. A choice changes no more than the variant's own rounding.

What was measured on one device of an architecture ships beside the kernels, as kernels/tuned/sm_90.json (`gpunn tune
--export`), and is heeded on every device of it, whatever its driver, where nothing was measured on the device itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gpunn import backend
from gpunn.cuda import source
from gpunn.cuda.device import EMULATOR, capability
from gpunn.cuda.problem import Problem
from gpunn.errors import UsageError
from gpunn.files import cache_folder, write_atomically
from gpunn.seals import say, seal

FORMAT = 1  # of the files
SWITCH = "GPUNN_TUNE"


class Choice(NamedTuple):
    """What was measured of one problem: variants and their microseconds, the fastest first, and the kernels' digest."""

    times: tuple[tuple[str, float], ...]
    kernels: str

    @property
    def variant(self) -> str:
        return self.times[0][0]

    def words(self, device: str) -> str:
        """``tuned on NVIDIA H200: 41.2 us, next tile64 44.0``."""
        (_, best), *others = self.times
        following = f", next {others[0][0]} {others[0][1]:.1f}" if others else ""
        return f"tuned on {device}: {best:.1f} us{following}"


def folder() -> Path:
    """Where the files are."""
    return cache_folder() / "tuned"


def key_of(operation: str, problem: Problem) -> str:
    """An entry's name: the problem with all that it depends on."""
    return f"{operation}: {problem!r}"


@cache
def digest(sources: tuple[str, ...]) -> str:
    """Of the code of these kernels."""
    code = "\0".join([source.read(name).code for name in sources])
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def kernels_of(variants: Iterable[Any]) -> str:
    """The digest of all that the variants of an operation launch."""
    return digest(tuple(sorted({name for variant in variants for name in variant.sources})))


@cache
def device_words(device: int) -> tuple[str, str]:
    """A device's name, and what else its times depend on: the versions of driver and CUDA."""
    if device == EMULATOR:
        return "emulator", "-"
    runtime = backend.require_cupy().cuda.runtime
    name = runtime.getDeviceProperties(device)["name"]
    name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return name, f"driver {runtime.driverGetVersion()}, CUDA {runtime.runtimeGetVersion()}"


def file_of(device: int) -> Path:
    """The file of a device's measurements: NVIDIA-H200.json."""
    return folder() / f"{re.sub('[^A-Za-z0-9]+', '-', device_words(device)[0]).strip('-') or 'device'}.json"


def find(operation: str, problem: Problem, device: int, variants: Sequence[Any]) -> tuple[str, str] | None:
    """The variant that was the fastest for this problem on this device, and the reason in words; None: not measured."""
    if os.environ.get(SWITCH) == "0":
        return None
    key = key_of(operation, problem)
    if _is_any():
        choice = _kept(device).get(key)
        if choice is not None and choice.kernels == kernels_of(variants):
            return choice.variant, choice.words(device_words(device)[0])
    if device != EMULATOR:
        name, choices = _shipped(capability(device))
        choice = choices.get(key)
        if choice is not None and choice.kernels == kernels_of(variants):
            return choice.variant, f"shipped, {choice.words(name)}"
    return None


@cache
def _is_any() -> bool:
    """Whether anything was ever measured here: asked once, since the driver is slow to name its devices."""
    try:
        return any(folder().glob("*.json"))
    except OSError:
        return False


@cache
def _kept(device: int) -> dict[str, Choice]:
    return read(file_of(device), device_words(device)[1])


def shipped_file(architecture: int) -> Path:
    """Where the choices that ship for an architecture (90) are, if there are any."""
    return source.folder() / "tuned" / f"sm_{architecture}.json"


@cache
def _shipped(architecture: int) -> tuple[str, dict[str, Choice]]:
    """The device that was measured for an architecture, and its choices."""
    return _read(shipped_file(architecture), None)


def forget() -> None:
    """What was read of the files is read again."""
    for one in (_is_any, _kept, _shipped):
        one.cache_clear()


def read(path: Path, versions: str) -> dict[str, Choice]:
    """The entries of a file; none, with a line on stderr, of one that is damaged, or of another driver or CUDA."""
    return _read(path, versions)[1]


def _read(path: Path, versions: str | None) -> tuple[str, dict[str, Choice]]:
    """The device of a file and its entries, as `read` takes them. `versions` None: of any driver and CUDA."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        say(f"gpunn: {path} cannot be read ({error.strerror}); variants are chosen without it")
        return "", {}
    try:
        found = json.loads(data)
        if found["seal"] != _seal(path, found):
            raise ValueError
        entries = {
            key: Choice(tuple([(str(name), float(us)) for name, us in times]), str(kernels))
            for key, (times, kernels) in found["choices"].items()
            if times
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        say(f"gpunn: {path} is damaged; variants are chosen without it: `gpunn tune` measures anew")
        return "", {}
    if versions not in (None, found["versions"]):
        say(f"gpunn: {path} is of {found['versions']}, here is {versions}; `gpunn tune` measures anew")
        return "", {}
    return found["device"], entries


def _seal(path: Path, found: dict[str, Any]) -> str:
    content = json.dumps([found["format"], found["device"], found["versions"], found["choices"]], sort_keys=True)
    return seal(path.name, content.encode()).hex()


def write(device: int, choices: dict[str, Choice]) -> Path:
    """Keep these entries beside those that there are. Raises UsageError where the folder cannot be written."""
    path = file_of(device)
    _write(path, device, {**read(path, device_words(device)[1]), **choices})
    forget()
    return path


def export(device: int, path: Path) -> int:
    """Write what is kept of a device, of the kernels as they are, to a file that can ship; says how many problems.

    Raises UsageError where there is nothing, or the file cannot be written.
    """
    kept = read(file_of(device), device_words(device)[1])
    if not kept:
        raise UsageError(f"tune: nothing is kept of {device_words(device)[0]} to export; `gpunn tune NETWORK` measures")
    _write(path, device, kept)
    return len(kept)


def _write(path: Path, device: int, everything: dict[str, Choice]) -> None:
    name, versions = device_words(device)
    found: dict[str, Any] = {"format": FORMAT, "device": name, "versions": versions}
    found["choices"] = {key: [[list(one) for one in c.times], c.kernels] for key, c in sorted(everything.items())}
    found["seal"] = _seal(path, found)
    text = json.dumps(found, indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise UsageError(
            f"tune: what was measured cannot be kept in {path.parent} ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that you can write"
        ) from error


def clear() -> list[Path]:
    """Remove every file; says which there were. Raises UsageError where one cannot be removed."""
    gone = sorted(folder().glob("*.json"))
    for path in gone:
        try:
            path.unlink()
        except OSError as error:
            raise UsageError(f"tune: {path} cannot be removed ({error.strerror}); remove it yourself") from error
    forget()
    return gone
