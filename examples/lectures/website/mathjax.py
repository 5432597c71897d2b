"""MathJax for pages that are read without a network: one file, which draws formulas as SVG and loads nothing else."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
from pathlib import Path

from website import BuildError

PACKAGE, FILE = "sphinx-mathjax-offline", "tex-svg-full.js"
# The file of MathJax 3.2.2, as npm has it: the package on PyPI is another's copy.
SHA256 = "a4354ff94fd868aea0cc6eaaa79a57fda0588646fc46ee3700a349ee0a11cbe6"


def copy_to(folder: Path) -> None:
    """Put MathJax into a folder. Raises BuildError where the package's file is another than MathJax's own."""
    files = importlib.metadata.distribution(PACKAGE).files or []
    path = Path(str(next(file for file in files if file.name == FILE).locate()))
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise BuildError(f"{path} is not MathJax 3.2.2's {FILE}; pip install --force-reinstall {PACKAGE}==0.0.2")
    shutil.copy(path, folder / FILE)
