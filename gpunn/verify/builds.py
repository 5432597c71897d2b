"""Every kernel compiled for every architecture with no GPU: the table of its figures, and kernels for elsewhere.

``python -m gpunn.verify.builds [--library FILE] [--table kernels/resources.json]`` writes the table of registers and
shared memory, and beside it sass.json, the main loops' share of multiply-adds; `gpunn kernels --build` fills the cache
folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from multiprocessing import get_context
from pathlib import Path

from gpunn.cuda import source
from gpunn.cuda.nvrtc import ARCHITECTURES, Compiler, Resources, find_library, resources
from gpunn.errors import UsageError
from gpunn.files import cache_folder, write_atomically
from gpunn.verify import sass
from gpunn.verify.launches import Build, builds, label

Table = dict[str, dict[str, dict[str, list[int]]]]  # kernel -> macros -> architecture -> [registers, shared bytes]
_compiler: Compiler | None = None


def _start(library: Path | None) -> None:
    global _compiler
    _compiler = Compiler(library)


def _compile(task: tuple[str, str, dict, int]) -> tuple[str, str, int, Resources]:
    assert _compiler is not None
    name, dtype, macros, architecture = task
    kernel = source.read(name)
    target = source.compiled_for(kernel.architecture, architecture)
    _, log = _compiler.cubin(kernel.specialised(macros), kernel.file, target)
    return name, label(dtype, macros), architecture, resources(log)


def survey(
    library: Path | None, sets: Iterable[Build], architectures: Iterable[int], processes: int = 2
) -> tuple[Table, list[str]]:
    """(table, faults) of compiling every macro set for every architecture; a fault is a spill or a stack frame."""
    work = [
        (*one, architecture)
        for one in sets
        for architecture in architectures
        if source.runs_on(source.read(one[0]).architecture, architecture)
    ]
    table: Table = {}
    faults = []
    with get_context("spawn").Pool(processes, _start, (library,)) as pool:
        for name, macros, architecture, found in pool.imap(_compile, work, chunksize=8):
            row = table.setdefault(name, {}).setdefault(macros, {})
            row[str(architecture)] = [found.registers, found.shared]
            if found.spills or found.stack:
                where = f"{name} {macros} sm_{architecture}"
                faults.append(f"{where}: {found.spills} bytes spilled, {found.stack} of stack")
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
    sets = list(builds())
    table, _ = survey(library, sets, architectures, os.cpu_count() or 1)
    count = sum(len(row) for labels in table.values() for row in labels.values())
    return f"{count} kernels of {len(table)} files, by {library.name}, in {cache_folder() / 'cubins'}"


def write_table(table: Table | sass.Shares, path: Path) -> None:
    """One line a macro set, so that a change of a kernel shows in a diff."""
    kernels = []
    for name, labels in table.items():
        lines = (f"  {json.dumps(label)}: {json.dumps(row)}" for label, row in labels.items())
        kernels.append(f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}")
    text = "{\n" + ",\n".join(kernels) + "\n}\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_shares(path: Path, library: Path | None) -> None:
    """The main loops' table, where there is what disassembles them."""
    if (disassembler := sass.find_disassembler()) is None:
        print(f"{path} stays as it is: no nvdisasm; pip install nvidia-cuda-nvdisasm")
        return
    write_table(sass.shares(sass.tiled(builds(False)), Compiler(library), disassembler), path)


def main(argv: list[str] | None = None) -> int:
    """Compile everything; 1 where a kernel spills."""
    what = "compile every kernel with no GPU"
    parser = argparse.ArgumentParser(prog="python -m gpunn.verify.builds", description=what)
    parser.add_argument("--library", dest="nvrtc", type=Path, help="libnvrtc.so (default: the installed wheel's)")
    parser.add_argument("--table", type=Path, help="write registers and shared memory here, sass.json beside it")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(argv)
    table, faults = survey(args.nvrtc, builds(False), ARCHITECTURES, args.processes)
    for fault in faults:
        print(fault)
    if args.table:
        write_table(table, args.table)
        write_shares(args.table.with_name("sass.json"), args.nvrtc)
    print(f"{sum(len(row) for labels in table.values() for row in labels.values())} compiled, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
