"""Machine code of main loops: which share of it are multiply-adds, read off the cubin with no GPU.

A multiprocessor issues one instruction a clock to each of its four groups of lanes, so that what is no FFMA in the
main loop is time in which nothing is multiplied: the share bounds how near a kernel comes to the card's peak. An HMMA
keeps tensor cores busy for several clocks: there a share of 0.3 to 0.4 is what lets them work without a break.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import TypeAlias

from gpunn.cuda import source
from gpunn.cuda.nvrtc import Compiler
from gpunn.verify.launches import Build, Macros, label

ARCHITECTURES = (80, 90)
FEWEST = {"FFMA": 64, "HMMA": 16, "HGMMA": 1}  # multiply-adds below which a loop is no tile's
Shares: TypeAlias = dict[str, dict[str, dict[str, float]]]  # kernel -> macros -> architecture -> share
_LABEL = re.compile(r"\s*(\.L_\w+):")
_INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([^;]+);")
_ACCESS = re.compile(r"(?P<kind>LDG|STG)\.(?P<how>\S+)\s+(?:R(?P<to>\d+))?")
_REGISTER = re.compile(r"\bR(\d+)\b")
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


def multiplier(architecture: str, macros: Macros) -> str:
    """The instruction that multiplies: that of tensor cores where a build says what they multiply."""
    if "PRECISION" not in macros:
        return "FFMA"
    return "HGMMA" if architecture.endswith("a") else "HMMA"


def main_loop(text: str, kind: str = "FFMA") -> list[str]:
    """The instructions' names (``FFMA``, ``LDS``) of the loop with the most of a kind, with no such loop inside."""
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
                inside = [one for one in loops if loop[0] <= one[0] and kind in names[slice(*one)]]
                if not inside:
                    loops.append(loop)
    return max((names[slice(*loop)] for loop in loops), key=lambda loop: loop.count(kind), default=[])


def loads_in_flight(text: str, bits: int = 128) -> int:
    """The most loads of so many bits that are issued, in one pass or one loop, before one of them must be there."""
    seen: list[str] = []
    starts: dict[str, int] = {}
    most = 0
    for line in text.splitlines():
        if found := _LABEL.match(line):
            starts[found[1]] = len(seen)
        elif found := _INSTRUCTION.match(line):
            seen.append(found[1])
            target = _TARGET.match(found[1])
            if target and target[1] in starts:  # backwards
                most = max(most, _issued(seen[starts[target[1]] :], bits))
    return max(most, _issued(seen, bits))


def _issued(instructions: Iterable[str], bits: int) -> int:
    """The same of these instructions, in this order."""
    count = most = 0
    coming: set[int] = set()
    for words in instructions:
        load = _ACCESS.match(words)
        if coming & {int(number) for number in _REGISTER.findall(words)}:
            count, coming = 0, set()
        if load and load["kind"] == "LDG" and _bits(load["how"]) == bits:
            count += 1
            coming |= set(range(int(load["to"]), int(load["to"]) + max(1, bits // 32)))
        most = max(most, count)
    return most


def accesses(text: str) -> Counter[tuple[str, int]]:
    """How many instructions load (LDG) and store (STG) so many bits of global memory."""
    found = (_ACCESS.match(one[1]) for line in text.splitlines() if (one := _INSTRUCTION.match(line)))
    return Counter((one["kind"], _bits(one["how"])) for one in found if one)


def _bits(how: str) -> int:
    """Of an access with these modifiers: ``E.128.CONSTANT``."""
    sizes = {"256": 256, "128": 128, "64": 64, "U16": 16, "S16": 16, "U8": 8, "S8": 8}
    return next((sizes[word] for word in how.split(".") if word in sizes), 32)


def tiled(sets: Iterable[Build]) -> list[Build]:
    """The builds that have tiles (macros BM and BN, FILTERS, or SAMPLES), in float32 or on tensor cores."""
    tiles = {"BM", "FILTERS", "SAMPLES"}
    return [one for one in sets if (one[1] == "float32" and tiles & one[2].keys()) or "PRECISION" in one[2]]


def shares(sets: Iterable[Build], compiler: Compiler, disassembler: Path) -> Shares:
    """The share of FFMA, or HMMA, in the main loop of every build that has a tile's worth of them."""
    table: Shares = {}
    for (name, dtype, macros), architecture in product(sets, ARCHITECTURES):
        kernel = source.read(name)
        if not source.runs_on(kernel.architecture, architecture):
            continue
        target = source.compiled_for(kernel.architecture, architecture)
        cubin, _ = compiler.cubin(kernel.specialised(macros), kernel.file, target)
        kind = multiplier(kernel.architecture, macros)
        loop = main_loop(disassembled(cubin, disassembler), kind)
        if (count := loop.count(kind)) >= FEWEST[kind]:
            row = table.setdefault(name, {}).setdefault(label(dtype, macros), {})
            row[str(architecture)] = round(count / len(loop), 3)
    return table
