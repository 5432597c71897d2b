"""Compiles kernels for any architecture with no GPU, through libnvrtc alone, and reads the assembler's figures.

What was compiled before is read from the cache folder. One process can hold one libnvrtc.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from gpunn.cuda import cubins
from gpunn.errors import DeviceError

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_SERIALISED = re.compile(r"^.*wgmma.*serialized.*$", re.M)
_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


@dataclass(frozen=True)
class Resources:
    """What the assembler says of one kernel: registers a thread, bytes of shared memory a block, spills, stack.

    ``serialised`` is its complaint that each wgmma waits for the one before, "" where there is none.
    """

    registers: int
    shared: int
    spills: int
    stack: int
    serialised: str = ""


def find_library() -> Path:
    """libnvrtc of the installed wheel, of CUDA 12 or 13. Raises DeviceError with the remedy where there is none."""
    spec = importlib.util.find_spec("nvidia")
    for base in spec.submodule_search_locations or [] if spec else []:
        for found in sorted(Path(base).glob("*/lib/libnvrtc.so.*")):
            return found
    raise DeviceError("nvrtc: no libnvrtc wheel; install one with `pip install nvidia-cuda-nvrtc-cu12`")


class Compiler:
    """One libnvrtc."""

    def __init__(self, library: Path | None = None):
        path = find_library() if library is None else library
        for builtins in sorted(path.parent.glob("libnvrtc-builtins.so.*")):
            ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)  # that of CUDA 13 does not look beside itself
        self._lib = ctypes.CDLL(str(path))
        self._lib.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._lib.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.version = (major.value, minor.value)

    def cubin(self, text: str, name: str, architecture: int | str) -> tuple[bytes, str]:
        """(cubin, log) of a complete source, compiled or from the cache.

        Raises DeviceError with the log where it does not compile.
        """
        options = [f"-arch=sm_{architecture}", *cubins.OPTIONS]
        build = cubins.Build(name, text, architecture, self.version)
        return cubins.cached(build, lambda: self._compile(text, name, options))

    def _compile(self, text: str, name: str, options: list[str]) -> tuple[bytes, str]:
        program = ctypes.c_void_p()
        self._check(self._lib.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None))
        try:
            array = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
            status = self._lib.nvrtcCompileProgram(program, len(options), array)
            log = self._text(program, "ProgramLog").decode(errors="replace").strip("\0\n")
            if status:
                raise DeviceError(f"{name} does not compile with {' '.join(options)}:\n{log}")
            return self._text(program, "CUBIN"), log
        finally:
            self._lib.nvrtcDestroyProgram(ctypes.byref(program))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._lib, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        buffer = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._lib, f"nvrtcGet{what}")(program, buffer))
        return buffer.raw

    def _check(self, status: int) -> None:
        if status:
            raise DeviceError(f"nvrtc: {self._lib.nvrtcGetErrorString(status).decode()}")


def resources(log: str) -> Resources:
    """The figures in a log that --ptxas-options=-v made."""
    used = _USED.search(log)
    if not used:
        raise DeviceError(f"nvrtc: no register count in the assembler's log:\n{log}")
    shared, spills = _SHARED.search(log), _SPILLS.search(log)
    frame, stores, loads = (int(group) for group in spills.groups()) if spills else (0, 0, 0)
    serialised = found[0].strip() if (found := _SERIALISED.search(log)) else ""
    return Resources(int(used[1]), int(shared[1]) if shared else 0, stores + loads, frame, serialised)
