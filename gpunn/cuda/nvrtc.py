"""Compiles kernels for any architecture with no GPU, through libnvrtc alone, and reads the assembler's figures.

``python -m gpunn.cuda.nvrtc [--library FILE] [--table kernels/resources.json]`` compiles every kernel for every
architecture and writes the table of registers and shared memory; what was compiled before is read from the cache
folder. One process can hold one libnvrtc.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from gpunn.cuda import cubins, source, specialise
from gpunn.errors import DeviceError, UsageError
from gpunn.files import cache_folder

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


@dataclass(frozen=True)
class Resources:
    """What the assembler says of one kernel: registers a thread, bytes of shared memory a block, spills, stack."""

    registers: int
    shared: int
    spills: int
    stack: int


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

    def cubin(self, text: str, name: str, architecture: int) -> tuple[bytes, str]:
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
    return Resources(int(used[1]), int(shared[1]) if shared else 0, stores + loads, frame)


Table = dict[str, dict[str, dict[str, list[int]]]]  # kernel -> macros -> architecture -> [registers, shared bytes]
_compiler: Compiler | None = None


def _start(library: Path | None) -> None:
    global _compiler
    _compiler = Compiler(library)


def _compile(task: tuple[str, str, dict, int]) -> tuple[str, str, int, Resources]:
    assert _compiler is not None
    name, dtype, macros, architecture = task
    kernel = source.read(name)
    _, log = _compiler.cubin(kernel.specialised(macros), kernel.file, architecture)
    return name, specialise.label(dtype, macros), architecture, resources(log)


def survey(
    library: Path | None, sets: Iterable[tuple[str, str, dict]], architectures: Iterable[int], processes: int = 2
) -> tuple[Table, list[str]]:
    """(table, faults) of compiling every macro set for every architecture; a fault is a spill or a stack frame."""
    work = [(*one, architecture) for one in sets for architecture in architectures]
    table: Table = {}
    faults = []
    with get_context("spawn").Pool(processes, _start, (library,)) as pool:
        for name, label, architecture, found in pool.imap(_compile, work, chunksize=8):
            row = table.setdefault(name, {}).setdefault(label, {})
            row[str(architecture)] = [found.registers, found.shared]
            if found.spills or found.stack:
                faults.append(f"{name} {label} sm_{architecture}: {found.spills} bytes spilled, {found.stack} of stack")
    return table, faults


def build(architectures: Sequence[int]) -> str:
    """Compile every kernel for these architectures into the cache folder; says where they are.

    Raises UsageError for an architecture that no kernel is made for, DeviceError where there is no NVRTC.
    """
    unknown = sorted(set(architectures) - set(ARCHITECTURES))
    if unknown:
        raise UsageError(
            f"kernels: --build {unknown[0]} is no architecture that the kernels are made for; choose from "
            f"{', '.join(map(str, ARCHITECTURES))}: a GPU's compute capability without its point"
        )
    library = find_library()
    sets = list(specialise.everything())
    table, _ = survey(library, sets, architectures, os.cpu_count() or 1)
    count = sum(len(row) for labels in table.values() for row in labels.values())
    return f"{count} kernels of {len(table)} files, by {library.name}, in {cache_folder() / 'cubins'}"


def write_table(table: Table, path: Path) -> None:
    """One line a macro set, so that a change of a kernel shows in a diff."""
    kernels = []
    for name, labels in table.items():
        lines = (f"  {json.dumps(label)}: {json.dumps(row)}" for label, row in labels.items())
        kernels.append(f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}")
    path.write_text("{\n" + ",\n".join(kernels) + "\n}\n")


def main(argv: list[str] | None = None) -> int:
    """Compile everything; 1 where a kernel spills."""
    parser = argparse.ArgumentParser(prog="python -m gpunn.cuda.nvrtc", description="compile every kernel with no GPU")
    parser.add_argument("--library", type=Path, help="libnvrtc.so (default: the installed wheel's)")
    parser.add_argument("--table", type=Path, help="write the table of registers and shared memory here")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(argv)
    table, faults = survey(args.library, specialise.everything(False), ARCHITECTURES, args.processes)
    for fault in faults:
        print(fault)
    if args.table:
        write_table(table, args.table)
    print(f"{sum(len(row) for labels in table.values() for row in labels.values())} compiled, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
