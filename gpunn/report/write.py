"""The report as a file in the folder that it tells of."""

from __future__ import annotations

from pathlib import Path

from gpunn import backend
from gpunn.errors import UsageError
from gpunn.recipes.folders import is_ensemble
from gpunn.report.ensemble import ensemble_report
from gpunn.report.page import page
from gpunn.report.parts import Report
from gpunn.report.run import run_report
from gpunn.train.checkpoint import write_atomically

FILE = "report.html"


def write_report(folder: Path, device: backend.Device, limit: int | None = None, out: Path | None = None) -> Report:
    """Write report.html into the folder of a run or an ensemble, or the file `out`; returns what stands in it.

    The best weights are tested on `device`, on all test images or the first `limit`. UsageError for a file in place of
    a folder.
    """
    if folder.is_file():
        raise UsageError(f"report: {folder} is a file; give its run folder, which also has the history")
    made = (ensemble_report if is_ensemble(folder) else run_report)(folder, device, limit)
    text = page(made.title, made.head, made.sections)
    write_atomically(out or folder / FILE, lambda file: file.write(text.encode()), "report")
    return made
