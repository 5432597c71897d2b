"""Build the site: the lectures, executed, the gallery, and the API reference. One folder, read without a network.

    python examples/lectures/build.py [OUT]      # default: site/ beside README.md; open OUT/index.html

Needs the extra: pip install -e ".[docs]". A cell that fails ends it, with the chapter, the cell and the error; so does
a link that leads nowhere, or a page that would load something from elsewhere. What was executed and drawn is kept in
.lectures/ until gpunn, the examples or the chapter change: the first time takes minutes, another a fraction of it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
import time
from pathlib import Path

from website import BuildError

LECTURES = Path(__file__).resolve().parent
ROOT = LECTURES.parents[1]
INDEX = """# gpunn

{about}

Lectures on neural networks, from one neuron to kernels on a GPU, on code that can be read to the bottom: every cell on
these pages was executed by gpunn when they were made.

{table}

Beside them there are a [gallery](gallery.md) of what the examples draw, with the command under each picture, and the
[API reference](reference/index.rst). `pip install -e ".[plot]"` in a clone installs what the chapters need;
`python examples/lectures/run.py NAME` runs one without Jupyter.

```{{toctree}}
:hidden:
:caption: Lectures

{chapters}
```

```{{toctree}}
:hidden:
:caption: More

gallery
reference/index
examples/from_pytorch
examples/from_cupy_cudnn
```
"""


def missing() -> list[str]:
    """The packages of the extra `docs` that are not here."""
    from importlib import metadata

    names = ("sphinx", "myst-nb", "furo", "matplotlib", "sphinx-mathjax-offline")
    found = {(each.metadata["Name"] or "").lower().replace("_", "-") for each in metadata.distributions()}
    return [name for name in names if name not in found]


def sources_key() -> str:
    """What tells this state of gpunn and the examples from another: outputs of cells hold for one."""
    paths = [*(ROOT / "gpunn").rglob("*.py"), *(ROOT / "kernels").rglob("*.cu*"), *(ROOT / "examples").rglob("*.py")]
    hashed = hashlib.sha256()
    for path in sorted(paths):
        hashed.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return hashed.hexdigest()[:16]


def stage(folder: Path, cache: Path) -> tuple[int, int, int]:
    """Write what Sphinx reads into an empty folder; gives the numbers of chapters, pictures of the gallery, names."""
    from run import chapters
    from website import gallery, mathjax, reference

    lectures = folder / "examples" / "lectures"
    lectures.mkdir(parents=True)
    for path in LECTURES.parent.glob("*.py"):  # chapters link to them
        shutil.copy(path, lectures.parent)
    for name in ("from_pytorch.md", "from_cupy_cudnn.md"):
        text = (LECTURES.parent / name).read_text(encoding="utf-8")
        (lectures.parent / name).write_text(text.replace("../README.md", "../index.md"), encoding="utf-8")
    table = ["| chapter | about |", "|---|---|"]
    names = []
    for path in chapters():
        shutil.copy(path, lectures)
        title, about = _contents(path.read_text(encoding="utf-8"))
        table.append(f"| [{title}](examples/lectures/{path.name}) | {about} |")
        names.append(f"{int(path.name[:2])}. {title} <examples/lectures/{path.stem}>")
    about = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")[1]
    text = INDEX.format(about=about, table="\n".join(table), chapters="\n".join(names))
    (folder / "index.md").write_text(text, encoding="utf-8")
    (folder / "_static").mkdir()
    shutil.copy(LECTURES / "website" / "site.css", folder / "_static")
    mathjax.copy_to(folder / "_static")
    return len(chapters()), gallery.write(folder, cache / "gallery"), reference.write(folder / "reference")


def _contents(text: str) -> tuple[str, str]:
    """A chapter's title, and the headings of its sections."""
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    if title is None:
        raise BuildError("a chapter begins with its title")
    return title[1], "; ".join(re.findall(r"^## (?!Exercises)(.+)$", text, re.MULTILINE))


def execute(source: Path, out: Path, work: Path, cache: Path) -> list[str]:
    """Run Sphinx; gives its warnings. A failing cell raises BuildError that names it."""
    import io

    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    # The kernels that execute the cells find the lectures, and leave nothing in the home folder.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(LECTURES), str(ROOT)])
    os.environ["IPYTHONDIR"] = str(work / "ipython")
    given = {"nb_execution_cache_path": str(cache / "cells"), "html_static_path": [str(source / "_static")]}
    warnings = io.StringIO()
    from myst_nb.core.execute.base import ExecutionError

    confdir = str(LECTURES / "website")
    with patch_docutils(confdir), docutils_namespace():
        app = Sphinx(
            str(source), confdir, str(out), str(work / "doctrees"), "html", given, sys.stdout, warnings, freshenv=True
        )
        try:
            app.build()
        except ExecutionError as error:
            raise BuildError(_failure(Path(str(error)), error.__cause__)) from error
    return [re.sub(r"\x1b\[[\d;]*m", "", line) for line in warnings.getvalue().splitlines() if line.strip()]


def _failure(path: Path, error: BaseException | None) -> str:
    """The chapter, the cell and the error, after nbclient's exception, which holds the cell's source."""
    from run import cells

    text = re.sub(r"\x1b\[[\d;]*m", "", str(error))
    known = cells(path)
    cell = next((each for each in known if each.source.strip() and each.source.strip() in text), None)
    place = f"cell {cell.number} (line {cell.line})" if cell else "a cell"
    return f"{text}\n{path.stem}.md: {place} fails: {text.strip().splitlines()[-1]}"


def _entries(folder: Path) -> list[Path]:
    """What is in the folder, which need not be there yet."""
    if folder.exists() and not folder.is_dir():
        raise SystemExit(f"build.py: {folder} is a file; name a folder")
    return list(folder.iterdir()) if folder.exists() else []


def main(argv=None) -> None:
    """Build the site, check its links, and say where it is."""
    parser = argparse.ArgumentParser(description="build the site of the lectures")
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "site", help="the site's folder (default: site/)")
    parser.add_argument("--work", type=Path, default=ROOT / ".lectures", help="what is kept between two builds")
    args = parser.parse_args(argv)
    if lacking := missing():
        raise SystemExit(f'build.py: {", ".join(lacking)} not installed; pip install -e ".[docs]"')
    sys.path[:0] = [str(LECTURES), str(ROOT)]
    from website import links

    start = time.perf_counter()
    out, work = args.out.resolve(), args.work.resolve()
    kept = _entries(work)
    if _entries(out) and not (out / "searchindex.js").is_file():
        raise SystemExit(f"build.py: {out} holds something else than a site; name an empty folder")
    if not all(re.fullmatch("source|[0-9a-f]{16}", each.name) for each in kept):
        raise SystemExit(f"build.py: --work {work} holds something else than what builds keep; name an empty folder")
    cache, source = work / sources_key(), work / "source"
    for old in (out, *(each for each in kept if each != cache)):
        shutil.rmtree(old, ignore_errors=True)
    try:
        chapters, pictures, names = stage(source, cache)
        wrong = execute(source, out, work, cache)
    except BuildError as error:
        raise SystemExit(f"build.py: {error}") from None
    broken, outside = links.check(out)
    print("\n".join(["addresses that the pages lead to, not looked up:", *outside]))
    if wrong or broken:
        raise SystemExit("build.py: the site is not whole:\n" + "\n".join([*wrong, *broken]))
    seconds = time.perf_counter() - start
    print(f"{out / 'index.html'}: {chapters} lectures, {pictures} pictures, {names} names; {seconds:.0f} s")


if __name__ == "__main__":
    main()
