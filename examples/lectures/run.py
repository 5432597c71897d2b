"""Run a chapter without Jupyter: its code cells, top to bottom, in one namespace; their pictures go into a folder.

    python examples/lectures/run.py 09_kernels [--out lectures_out/09_kernels]

It ends with the cells, pictures and CPU seconds that it counted. A cell that fails ends it, with the cell and its line.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LECTURES = Path(__file__).resolve().parent
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
sys.path.insert(0, str(LECTURES))


@dataclass(frozen=True)
class Cell:
    """A code cell: its number from 1, its source without options, the line of the chapter at which that begins."""

    number: int
    source: str
    line: int


def chapters() -> list[Path]:
    """The chapters that there are, in order."""
    return sorted(LECTURES.glob("[0-9][0-9]_*.md"))


def cells(path: Path) -> list[Cell]:
    """The code cells of a MyST text notebook."""
    text, found = path.read_text(encoding="utf-8"), []
    for number, match in enumerate(CELL.finditer(text), 1):
        line = text.count("\n", 0, match.start(1)) + 1
        # Options (`:tags: [...]`) are the notebook's; blank lines in their place keep the numbers of lines.
        source = re.sub(r"\A(?::[\w-]+:.*\n)+", lambda options: "\n" * options[0].count("\n"), match[1])
        found.append(Cell(number, source, line))
    return found


class Show:
    """What cells show: figures of pyplot, and last expressions that are not None."""

    def __init__(self, out: Path):
        self.out = out
        self.pictures: list[Path] = []

    def value(self, value: Any) -> None:
        from matplotlib.figure import Figure

        if isinstance(value, Figure):
            self.figure(value)
        elif hasattr(value, "_repr_png_"):
            self.write(value._repr_png_())
        elif value is not None:
            print(value if isinstance(value, str) else repr(value))

    def open_figures(self) -> None:
        """What a notebook shows at the end of a cell."""
        import matplotlib.pyplot as plt

        for number in plt.get_fignums():
            self.figure(plt.figure(number))
        plt.close("all")

    def figure(self, figure: Any) -> None:
        from gpunn import pictures

        self.write(pictures.png(figure))

    def write(self, png: bytes) -> None:
        path = self.out / f"{len(self.pictures) + 1:02}.png"
        self.out.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)
        self.pictures.append(path)
        print(f"[{path}]")


def run(path: Path, out: Path) -> tuple[dict[str, Any], Show]:
    """Execute the cells of a chapter; gives the namespace that they leave and what they showed.

    A failing cell raises RuntimeError with the chapter, the cell, its line and the error.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    show = Show(out)
    for cell in cells(path):
        name = f"<{path.name}, cell {cell.number}>"  # no file of that name: the check of an exercise tells by it
        try:
            tree = ast.parse("\n" * (cell.line - 1) + cell.source, name)
            last = tree.body[-1] if tree.body else None
            if isinstance(last, ast.Expr):
                tree.body.pop()
            exec(compile(tree, name, "exec"), namespace)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
                if not cell.source.rstrip().endswith(";"):
                    show.value(value)
        except Exception as error:
            frames = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == name]
            line = error.lineno if isinstance(error, SyntaxError) else frames[-1] if frames else cell.line
            raise RuntimeError(
                f"{path.name}: cell {cell.number} fails at line {line}: {type(error).__name__}: {error}"
            ) from error
        show.open_figures()
    return namespace, show


def main(argv=None) -> None:
    """Run one chapter and print what it shows."""
    names = [path.stem for path in chapters()]
    parser = argparse.ArgumentParser(description="run a chapter of the lectures without Jupyter")
    parser.add_argument("name", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--out", type=Path, help="the folder of its pictures (default lectures_out/NAME)")
    args = parser.parse_args(argv)

    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit(f'run.py: matplotlib is missing ({error}); pip install "gpunn[plot]"') from None
    matplotlib.use("Agg")
    warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")  # plt.show(), which a notebook needs not
    start = time.process_time()
    path = LECTURES / f"{args.name}.md"
    try:
        _, show = run(path, args.out or Path("lectures_out") / args.name)
    except RuntimeError as error:
        traceback.print_exception(error.__cause__)
        raise SystemExit(str(error)) from None
    seconds = time.process_time() - start
    print(f"{args.name}: {len(cells(path))} cells, {len(show.pictures)} pictures, {seconds:.1f} s of CPU")


if __name__ == "__main__":
    main()
