"""Files of results: what a run writes, and what comparing and reporting read; `schema` says what is in them.

A run is a dictionary, the file's head (device, versions, date, seed, commit) with its `rows`, each a `Row`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import machine
from bench.output.schema import SCHEMA, SPREAD, complaints
from bench.rows import Rival, Row, Spread
from gpunn import limits
from gpunn.errors import UsageError
from gpunn.files import write_atomically
from gpunn.kinds import read_json
from gpunn.window import size_text

Run = dict[str, Any]


def begin(suite: str, device: str, threads: int, seed: int) -> Run:
    """A run without rows yet."""
    head = {"schema": SCHEMA, "suite": suite, "device": device, **machine.describe(threads, seed, device)}
    return {**head, "interrupted": False, "rows": []}


def save(run: Run, path: str | Path) -> None:
    """Write a file whole or not at all."""
    write({**run, "rows": [row.json() for row in run["rows"]]}, path)


def write(document: dict[str, Any], path: str | Path) -> None:
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(Path(path), lambda file: file.write(text.encode()))


def load(path: str | Path) -> Run:
    """A file of results. `python -m bench cpu` writes networks: they become rows. Raises UsageError."""
    try:
        document = read_json(Path(path), limits.RESULTS_BYTES)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as a file of results: {error}; measure it anew") from error
    if problems := complaints(document):
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise UsageError(f"{path}: no file of results: {problems[0]}{more}; measure it anew, or remove it")
    return _from_networks(document) if "networks" in document else parse(document)


def parse(document: dict[str, Any]) -> Run:
    """A document that follows the schema, as a run."""
    return {**document, "rows": [Row.read(row) for row in document["rows"]]}


def _from_networks(found: dict[str, Any]) -> Run:
    head = {key: value for key, value in found.items() if key != "networks"}
    rows = [_network(one) for one in found["networks"]]
    return {"schema": SCHEMA, "suite": "cpu", "device": "cpu", "interrupted": False, **head, "rows": rows}


def _network(one: dict[str, Any]) -> Row:
    ours, theirs = one["ours"], one.get("torch")
    row = Row("cpu", one["network"], "step.train", "numpy", shape=f"batch {size_text(one['batch'])}",
              seconds=Spread(*map(ours.get, SPREAD), repeats=one["pairs"]), peak_bytes=ours.get("peak_bytes"),
              images_per_second=ours.get("images_per_second"))  # fmt: skip
    if theirs:
        spread = Spread(*map(theirs.get, SPREAD))
        row.against["torch"] = Rival.of(spread, 1 / one["ratio"], peak_bytes=theirs.get("peak_bytes"))
    return row


def place(run: Run) -> str:
    """What a run was made on."""
    return "the emulator" if run["device"] == "emulator" else run.get("gpu") or run.get("processor") or run["device"]


def where(run: Run) -> str:
    """The machine, versions, commit and date in one sentence."""
    made = f"seed {run['seed']}; commit {run['commit']}, {run['date'][:10]}"
    if run["device"] == "emulator":
        return f"Emulated: figures of the sources, not of a machine; {made}."
    versions = [f"{name} {run[name]}" for name in ("numpy", "torch", "cupy", "driver") if run.get(name)]
    threads = "" if run.get("gpu") else f", {run.get('threads')} threads"
    load = run.get("load_before")
    busy = f", load {load}" if load and run["device"] == "cpu" else ""
    return f"{place(run)}{threads}{busy}; {', '.join(versions)}; {made}."
