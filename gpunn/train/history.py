"""The history of a run: one row an epoch, kept as history.csv."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gpunn.train.checkpoint import write_atomically

COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "learning_rate",
    "seconds",
    "images_per_second",
)


class History:
    """Rows of numbers, one an epoch, counted from 1; None where a run has no such value.

    `seconds` is the whole epoch with its validation; `images_per_second` counts training images and time alone.
    `learning_rate` is the epoch's; with a schedule by the update, that which the next update would have.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = ()):
        self.rows = [dict(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]

    def append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def column(self, name: str) -> list:
        """The value of every epoch; KeyError for a name that no row has."""
        if not any(name in row for row in self.rows):
            raise KeyError(f"History: no column {name!r}; it has {self.columns()}")
        return [row.get(name) for row in self.rows]

    def columns(self) -> list[str]:
        """The eight standard columns, then those of further metrics."""
        return list(dict.fromkeys([*COLUMNS, *(name for row in self.rows for name in row)]))

    def write_csv(self, path: str | os.PathLike, columns: Sequence[str] | None = None) -> None:
        """Write all rows, or the given columns of them, atomically; a missing value is an empty cell."""
        text = io.StringIO()
        writer = csv.DictWriter(text, columns or self.columns(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in self.rows)
        write_atomically(path, lambda file: file.write(text.getvalue().encode()), "History")

    @classmethod
    def read_csv(cls, path: str | os.PathLike) -> History:
        """The rows of a history.csv."""
        with open(path, newline="") as file:
            return cls({k: _number(v) for k, v in row.items()} for row in csv.DictReader(file))

    def __repr__(self) -> str:
        last = ", ".join(f"{k} {_cell(v)}" for k, v in self.rows[-1].items() if v is not None) if self.rows else "empty"
        return f"History({len(self)} epochs; {last})"


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)


def _number(text: str) -> float | int | None:
    return None if not text else int(text) if text.lstrip("-").isdigit() else float(text)
