"""Machine code of main loops: which share of it are multiply-adds, read off the cubin with no GPU.

A multiprocessor issues one instruction a clock to each of its four groups of lanes, so that what is no FFMA in the
main loop is time in which nothing is multiplied: the share bounds how near a kernel comes to the card's peak.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import TypeAlias

from gpunn.cuda import source
from gpunn.cuda.nvrtc import Compiler
from gpunn.verify.launches import Build, label

ARCHITECTURES = (80, 90)
FEWEST = 64  # multiply-adds below which a loop is no tile's
Shares: TypeAlias = dict[str, dict[str, dict[str, float]]]  # kernel -> macros -> architecture -> share
_LABEL = re.compile(r"\s*(\.L_\w+):")
_INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([^;]+);")
_TARGET = re.compile(r"BRA\b.*?(\.L_\w+)")


def find_disassembler() -> Path | None:
    """The nvdisasm of the installed wheel, of CUDA_HOME or of PATH; None where there is none."""
    spec = importlib.util.find_spec("nvidia")
    for base in (spec.submodule_search_locations or []) if spec else []:
        for found in sorted(Path(base).glob("*/bin/nvdisasm")):
            return found
    home = os.environ.get("CUDA_HOME")
    there = shutil.which("nvdisasm", path=f"{home}/bin" if home else None) or shutil.which("nvdisasm")
    return Path(there) if there else None


def disassembled(cubin: bytes, disassembler: Path) -> str:
    """The cubin's instructions in words, one a line, with their labels."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        command = [str(disassembler), "--print-code", str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main_loop(text: str) -> list[str]:
    """The instructions' names (``FFMA``, ``LDS``) of the loop with the most FFMA, of those with no such loop inside."""
    names: list[str] = []
    starts: dict[str, int] = {}
    loops: list[tuple[int, int]] = []
    for line in text.splitlines():
        if found := _LABEL.match(line):
            starts[found[1]] = len(names)
        elif found := _INSTRUCTION.match(line):
            names.append(re.split(r"[.\s]", found[1], maxsplit=1)[0])
            target = _TARGET.match(found[1])
            if target and target[1] in starts:  # backwards
                loop = starts[target[1]], len(names)
                inside = [one for one in loops if loop[0] <= one[0] and "FFMA" in names[slice(*one)]]
                if not inside:
                    loops.append(loop)
    return max((names[slice(*loop)] for loop in loops), key=lambda loop: loop.count("FFMA"), default=[])


def tiled(sets: Iterable[Build]) -> list[Build]:
    """The float32 builds that have tiles (macros BM and BN, or FILTERS)."""
    return [one for one in sets if one[1] == "float32" and {"BM", "FILTERS"} & one[2].keys()]


def shares(sets: Iterable[Build], compiler: Compiler, disassembler: Path) -> Shares:
    """The share of FFMA in the main loop of every build that has a tile's worth of them."""
    table: Shares = {}
    for (name, dtype, macros), architecture in product(sets, ARCHITECTURES):
        kernel = source.read(name)
        if not source.runs_on(kernel.architecture, architecture):
            continue
        cubin, _ = compiler.cubin(kernel.specialised(macros), kernel.file, architecture)
        loop = main_loop(disassembled(cubin, disassembler))
        if (count := loop.count("FFMA")) >= FEWEST:
            row = table.setdefault(name, {}).setdefault(label(dtype, macros), {})
            row[str(architecture)] = round(count / len(loop), 3)
    return table
