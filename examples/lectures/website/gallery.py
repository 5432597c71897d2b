"""The gallery: the pictures that examples draw and the saved figures of the lectures, each with its command."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from website import BuildError

EXAMPLES = Path(__file__).resolve().parents[2]
# The examples that draw in seconds, and those that take longer, whose pictures are kept in pictures/ as they draw them
# with `--out examples/lectures/website/pictures/...`.
DRAWN = (
    "perceptron", "xor_mlp", "approximation", "descent_paths", "initialisation", "normalisation", "filters",
    "transposed_convolution", "receptive_field",
)  # fmt: skip
KEPT = ("vanishing_gradient", "what_units_see", "autoencoders", "sequences", "characters")
PICTURES = Path(__file__).resolve().parent / "pictures"
TITLE = """# Gallery

What the examples draw, and the figures of the lectures that take longer than a lecture. The command under a picture
makes it again."""


def write(stage: Path, cache: Path) -> int:
    """Write gallery.md and its pictures into the source folder of the site; gives the number of pictures.

    What was drawn before is taken from `cache`, a folder that belongs to this state of the sources. Raises BuildError
    with the command and its last line where an example fails.
    """
    pictures = stage / "pictures"
    pictures.mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        drawn = list(pool.map(lambda name: _drawn(name, cache if name in DRAWN else PICTURES), [*DRAWN, *KEPT]))
    cards = []
    for name, paths in zip([*DRAWN, *KEPT], drawn, strict=True):
        for path in paths:
            shutil.copy(path, pictures)
            label = f"**{path.stem.replace('_', ' ').capitalize()}.** " if len(paths) > 1 else ""
            cards.append(_card(path.stem, label + _about(_docstring(name)), f"python examples/{name}.py"))
    cards += _saved(pictures)
    text = [TITLE, "::::::{container} gallery", *cards, "::::::"]
    (stage / "gallery.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return len(cards)


def _docstring(name: str) -> str:
    return ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))) or ""


def out_of(name: str) -> str | None:
    """The file or folder of pictures that an example writes if not told another, by its docstring; None for none."""
    found = re.search(r"\[--out ([a-z_]+(?:\.png)?)\]", _docstring(name))
    return found and found[1]


def _drawn(name: str, folder: Path) -> list[Path]:
    """The pictures of an example: those in the folder, or new ones."""
    out = folder / (out_of(name) or "")
    if not out.exists():
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--out", str(out)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        env = {**os.environ, **threads, "PYTHONPATH": str(EXAMPLES.parent)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=folder)
        if done.returncode or not out.exists():
            last = (done.stderr.strip() or "it wrote no picture").splitlines()[-1]
            raise BuildError(f"gallery: python examples/{name}.py fails: {last}")
    # Several in the order in which the docstring names them.
    return sorted(out.glob("*.png"), key=lambda path: _docstring(name).find(path.name)) if out.is_dir() else [out]


def _saved(pictures: Path) -> list[str]:
    """The cards of the lectures' saved figures."""
    from figures import makers
    from lecture import FIGURES

    cards = []
    for name, make in makers().items():
        shutil.copy(FIGURES / f"{name}.png", pictures)
        cards.append(_card(name, _about(inspect.getdoc(make) or ""), f"python examples/lectures/figures.py {name}"))
    return cards


def _about(docstring: str) -> str:
    """What a picture shows: the first paragraph in one line."""
    return " ".join(docstring.split("\n\n")[0].split())


def _card(name: str, about: str, command: str) -> str:
    options = f":alt: {about.replace('*', '').split(':')[0]}\n:target: _images/{name}.png"  # where Sphinx puts it
    return f":::{{figure}} pictures/{name}.png\n{options}\n\n{about}\n\n`{command}`\n:::"
