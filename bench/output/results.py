"""Files of results: what a run writes, and what comparing and reporting read. `complaints` is the schema.

A run is a dictionary, the file's head (device, versions, date, seed, commit) with its `rows`, each a `Row`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bench import machine
from bench.rows import Rival, Row, Spread
from gpunn.errors import UsageError
from gpunn.files import write_atomically
from gpunn.window import size_text

SCHEMA = "gpunn bench 1"
KEY = ("suite", "case", "operation", "variant", "precision")  # of a row
HEAD = ("suite", "device", "date", "commit", "seed", "numpy")
STATUSES = ("ok", "refused", "skipped", "failed")
BOUNDS = ("memory", "arithmetic")
Run = dict[str, Any]
_SPREAD = ("median", "p10", "p90")
_COUNTS = ("barriers", "sectors", "ideal_sectors", "passes", "ideal_passes", "launches", "blocks")


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
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as a file of results: {error}") from error
    if isinstance(document, dict) and "networks" in document:
        return _from_networks(document)
    if problems := complaints(document):
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise UsageError(f"{path}: no file of results: {problems[0]}{more}")
    return parse(document)


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
              seconds=Spread(*map(ours.get, _SPREAD), repeats=one["pairs"]), peak_bytes=ours.get("peak_bytes"),
              images_per_second=ours.get("images_per_second"))  # fmt: skip
    if theirs:
        spread = Spread(*map(theirs.get, _SPREAD))
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


# ---------------------------------------------------------------- the schema
def complaints(document: Any) -> list[str]:
    """What is wrong with a document, in words; empty where it follows the schema."""
    if not isinstance(document, dict):
        return [f"it is a {type(document).__name__}, expected an object"]
    if document.get("schema") != SCHEMA:
        return [f"schema is {document.get('schema')!r}, expected {SCHEMA!r}"]
    found = [f"{name} is missing" for name in HEAD if name not in document]
    if not isinstance(document.get("rows"), list):
        return [*found, "rows is no list"]
    return found + [f"row {i}: {text}" for i, row in enumerate(document["rows"]) for text in _row_complaints(row)]


def _row_complaints(row: Any) -> list[str]:
    if not isinstance(row, dict):
        return ["is no object"]
    status, bound = row.get("status"), row.get("bound")
    rivals = {f"against.{name}": one for name, one in row.get("against", {}).items() if "reason" not in one}
    spreads = rivals | {name: row[name] for name in ("seconds",) if name in row}
    wrong = {
        **{f"{name} is no text": not isinstance(row.get(name), str) for name in KEY},
        f"status is {status!r}, expected one of {', '.join(STATUSES)}": status not in STATUSES,
        f"is {status} without a reason": status in STATUSES[1:] and not row.get("reason"),
        "is ok, so it must have either seconds or counts": status == "ok" and ("seconds" in row) == ("counts" in row),
        **{f"counts.{k} is no count": not _is_number(row["counts"].get(k)) for k in _COUNTS if "counts" in row},
        **{f"{name}.speed is no number": not _is_number(one.get("speed")) for name, one in rivals.items()},
        f"bound is {bound!r}, expected memory or arithmetic": "roofline" in row and bound not in BOUNDS,
    }
    found = [text for text, so in wrong.items() if so]
    return found + [text for name, spread in spreads.items() for text in _spread_complaints(name, spread)]


def _spread_complaints(what: str, spread: Any) -> list[str]:
    if not isinstance(spread, dict) or not all(_is_number(spread.get(name)) for name in _SPREAD):
        return [f"{what} lacks one of {', '.join(_SPREAD)}"]
    return [] if spread["p10"] <= spread["median"] <= spread["p90"] else [f"{what} is not in order: {spread}"]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
