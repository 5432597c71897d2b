"""A planted bug, and the kinds of them; the tables of the families are the files beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HALO, EDGE, STRIDE, GROUP = "halo", "boundary", "stride or axis", "group index"
BARRIER, START, PARTS, TAIL = "missing barrier", "wrong start", "parts of a sum", "tail off 16 bytes"
BITS, NAN, ROUND, BIAS, INDEX, RULE = "32 bits", "NaN", "rounding", "bias or epilogue", "index", "formula"


@dataclass(frozen=True)
class Mutant:
    """In `file` of kernels/ the one place that reads `old` reads `new`.

    `harmless`: why no result can change by it. `only`: a part of the operations' names to ask about, where the file is
    everybody's and each of them compiles a kernel anew; `variant`: a part of the variants' names, where several have
    the bug.
    """

    file: str
    kind: str
    old: str
    new: str
    harmless: str = ""
    only: str = ""
    variant: str = ""

    def __str__(self) -> str:
        shown = " ".join(self.old.split())
        return f"{self.file}, {self.kind}: {shown if len(shown) < 60 else shown[:57] + '...'}"

    def plant(self, folder: Path) -> None:
        """Write it into a copy of the kernels. ValueError where the place is not there, or not alone."""
        path = folder / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self}: {path.name} has its text {text.count(self.old)} times, expected once; mend the table"
            )
        path.write_text(text.replace(self.old, self.new))


def of_file(file: str, *rows: tuple, only: str = "", variant: str = "") -> list[Mutant]:
    """The mutants of one file, each (kind, old, new) and, where it is harmless, why."""
    return [Mutant(file, *row, only=only, variant=variant) for row in rows]
