"""Make a saved figure of the lectures again: one of a run that takes longer than a chapter may.

    python examples/lectures/figures.py            # what there is
    python examples/lectures/figures.py NAME ...

A figure NAME is a function of that name in a module figures/CHAPTER.py: without arguments, it gives a Figure, and its
docstring says in one line what is drawn and how long that takes. The result is figures/NAME.png, below 100 kB.
"""

from __future__ import annotations

import argparse
import inspect
import time
from collections.abc import Callable

from lecture import FIGURES, load

from gpunn import pictures

LIMIT = 100_000  # bytes of a picture in the repository


def makers() -> dict[str, Callable]:
    """The function of each figure, by its name."""
    found = {}
    for path in sorted(FIGURES.glob("[0-9][0-9]_*.py")):
        module = load(path)
        functions = inspect.getmembers(module, inspect.isfunction)
        found |= {n: f for n, f in functions if f.__module__ == module.__name__ and n[0] != "_"}
    return found


def main(argv=None) -> None:
    """Make the figures that are named; without a name, list them."""
    known = makers()
    parser = argparse.ArgumentParser(description="make saved figures of the lectures again")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known) or 'none yet'}")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.names if name not in known]:
        parser.error(f"there is no figure {unknown[0]!r}; there are: {', '.join(known) or 'none'}")
    for name, make in known.items():
        line = (inspect.getdoc(make) or "").splitlines()[0]
        if not args.names:
            print(f"{name}: {line}")
        elif name in args.names:
            start = time.process_time()
            path = pictures.save(make(), FIGURES / f"{name}.png")
            size = path.stat().st_size
            print(f"{path}: {size} bytes, {time.process_time() - start:.0f} s of CPU")
            if size > LIMIT:
                raise SystemExit(f"{path} has {size} bytes, more than {LIMIT}: draw it smaller, or with fewer colours")


if __name__ == "__main__":
    main()
