"""Every kernel compiled for every architecture with no GPU: the table of its figures, and kernels for elsewhere.

``python -m gpunn.verify.builds [--library FILE] [--table kernels/resources.json]`` writes the table of registers and
shared memory, beside it sass.json, the main loops' share of multiply-adds, and compiled.json, digests of what was
compiled; `gpunn kernels --build` fills the cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from gpunn.cuda import source
from gpunn.cuda.nvrtc import ARCHITECTURES, Compiler, Resources, find_library, resources
from gpunn.errors import DeviceError, UsageError
from gpunn.files import cache_folder, write_atomically
from gpunn.verify import sass
from gpunn.verify.jobs import Job, by_kernel, digest, everything
from gpunn.verify.launches import Build, builds, label
from gpunn.verify.workers import Broken, results

Table = dict[str, dict[str, dict[str, list[int]]]]  # kernel -> macros -> architecture -> [registers, shared bytes]
REMEDY = "a compiler that dies had bad PTX: look at the kernel's inline assembly, or compile it alone with nvcc"
DIGESTS = "compiled.json"  # beside the table
_compiler: Compiler | None = None


def _start(library: Path | None) -> None:
    global _compiler
    _compiler = Compiler(library)


class Survey(NamedTuple):
    """What came of compiling: ``faults`` are kernels that spill or wait for themselves, ``failures`` none at all."""

    table: Table
    faults: list[str]
    failures: list[str]


def _compile(task: tuple[str, str, str]) -> Resources:
    assert _compiler is not None
    return resources(_compiler.cubin(*task)[1])


def survey(library: Path | None, work: Iterable[Job], processes: int = 2) -> Survey:
    """Compile all of these. A compiler that crashes, or never ends, takes one kernel along, whose failure names it."""
    library = library or find_library()
    jobs, tasks = list(work), []
    for job in jobs:
        kernel = source.read(job.build[0])
        tasks.append((kernel.specialised(job.build[2]), kernel.file, job.target))
    found = dict(results(_compile, tasks, processes, _start, (library,)))
    table: Table = {}
    faults, failures = [], []
    for index, job in enumerate(jobs):
        (name, dtype, macros), made = job.build, found[index]
        if isinstance(made, Broken):
            failures.append(f"{job.where}: {made.reason}; {REMEDY}")
            continue
        row = table.setdefault(name, {}).setdefault(label(dtype, macros), {})
        row[str(job.architecture)] = [made.registers, made.shared]
        if made.spills or made.stack:
            faults.append(f"{job.where}: {made.spills} bytes spilled, {made.stack} of stack")
        if made.serialised:
            faults.append(f"{job.where}: {made.serialised}")
    return Survey(table, faults, failures)


def build(architectures: Sequence[int]) -> str:
    """Compile every kernel for these architectures into the cache folder; says where they are.

    Raises UsageError for an architecture that no kernel is made for, DeviceError where there is no NVRTC, or where a
    kernel cannot be compiled: then the others are there.
    """
    unknown = sorted(set(architectures) - set(ARCHITECTURES))
    if unknown:
        raise UsageError(
            f"kernels: --build {unknown[0]} is no architecture that the kernels are made for; choose from "
            f"{', '.join(map(str, ARCHITECTURES))}: a GPU's compute capability without its point"
        )
    library = find_library()
    table, _, failures = survey(library, everything(builds(), architectures), os.cpu_count() or 1)
    if failures:
        raise DeviceError("kernels: " + "\n".join(failures))
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


def write_digests(path: Path, sets: Sequence[Build]) -> None:
    """Of what the table was made: a line a kernel."""
    kept = {name: digest(mine) for name, mine in by_kernel(sets).items()}
    write_atomically(path, lambda file: file.write((json.dumps(kept, indent=0) + "\n").encode()))


def write_shares(path: Path, library: Path | None, known: set[str]) -> None:
    """The main loops' table, where there is what disassembles them; `known` kernels are what they were."""
    if (disassembler := sass.find_disassembler()) is None:
        print(f"{path} stays as it is: no nvdisasm; pip install nvidia-cuda-nvdisasm")
        return
    kept: sass.Shares = {name: row for name, row in _read(path).items() if name in known}
    sets = sass.tiled(builds(False))
    found = sass.shares([one for one in sets if one[0] not in known], Compiler(library), disassembler) | kept
    write_table({name: found[name] for name in dict.fromkeys(name for name, *_ in sets) if name in found}, path)


def _read(path: Path | None) -> dict:
    return json.loads(path.read_text()) if path and path.is_file() else {}


def main(argv: list[str] | None = None) -> int:
    """Compile what the table does not have of these sources; 1 where a kernel spills or does not compile."""
    what = "compile every kernel with no GPU"
    parser = argparse.ArgumentParser(prog="python -m gpunn.verify.builds", description=what)
    parser.add_argument("--library", dest="nvrtc", type=Path, help="libnvrtc.so (default: the installed wheel's)")
    parser.add_argument("--table", type=Path, help="write registers and shared memory here, sass.json beside it")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(argv)
    sets = list(builds(False))
    kept: Table = _read(args.table)
    digests = _read(args.table and args.table.with_name(DIGESTS))
    known = {name for name, mine in by_kernel(sets).items() if name in kept and digest(mine) == digests.get(name)}
    todo = [one for one in sets if one[0] not in known]
    table, faults, failures = survey(args.nvrtc, everything(todo), args.processes)
    for fault in [*faults, *failures]:
        print(fault)
    if args.table and not failures:
        write_table({name: kept[name] if name in known else table[name] for name in by_kernel(sets)}, args.table)
        write_digests(args.table.with_name(DIGESTS), sets)
        write_shares(args.table.with_name("sass.json"), args.nvrtc, known)
    count = sum(len(row) for labels in table.values() for row in labels.values())
    print(f"{count} compiled, {len(faults)} faults, {len(failures)} failures")
    return 1 if faults or failures else 0


if __name__ == "__main__":
    sys.exit(main())
