"""The history of a run: one row an epoch, kept as history.csv, which grows by a line an epoch."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gpunn import files, limits
from gpunn.kinds import COUNT, Kind, either, list_of, maybe, record, table_of
from gpunn.terminal import say
from gpunn.text import plain
from gpunn.train.checkpoint import cannot_write, write_atomically

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


# What a checkpoint keeps of it.
VALUE = Kind("a number", lambda v: type(v) in (int, float))  # a mean may be infinite, a metric NaN
_ROWS = list_of(table_of(maybe(VALUE)))
STATE = either("rows of numbers", _ROWS, record({"written": COUNT, "rows": _ROWS}))


class History:
    """Rows of numbers, one an epoch, counted from 1; None where a run has no such value.

    `seconds` is the whole epoch with its validation; `images_per_second` counts training images and time alone.
    `learning_rate` is the epoch's; with a schedule by the update, that which the next update would have.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = ()):
        self.rows = [dict(row) for row in rows]
        self._tables: dict[Path, _Table] = {}  # the files that are kept up to date

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
        names = tuple(columns or self.columns())
        text = _text(names, self.rows, header=True)
        write_atomically(path, lambda file: file.write(text), "History")
        self._tables[Path(path)] = _Table(names, len(self.rows), len(text))

    def keep_csv(self, path: str | os.PathLike, columns: Sequence[str] | None = None) -> None:
        """Bring the table at `path` up to date, at the cost of the rows that it lacks.

        They are appended and brought to the disk. All are written at first, and where the file is not as it was left.
        CheckpointError, and the file as before, where it cannot be written.
        """
        path = Path(path)
        table = self._tables.get(path)
        if table is None or table.rows > len(self.rows):
            return self.write_csv(path, columns)
        new = self.rows[table.rows :]
        if any(name not in table.columns for row in new for name in row):
            return self.write_csv(path, columns)
        text = _text(table.columns, new, header=False)
        try:
            if not files.append(path, text, table.size):
                return self.write_csv(path, columns)
        except OSError as error:
            raise cannot_write("History", path, error) from error
        self._tables[path] = _Table(table.columns, len(self.rows), table.size + len(text))

    @classmethod
    def read_csv(cls, path: str | os.PathLike, first: int | None = None) -> History:
        """The rows of a history.csv, without half a line at its end, which a killed process may have left.

        With `first` so many rows at most, whatever stands behind them. ValueError where it is no such table, OSError
        where it cannot be read.
        """
        with files.reading(path) as file:
            data = file.read(limits.TABLE_BYTES + 1)
        if len(data) > limits.TABLE_BYTES:
            raise ValueError(f"it has more than {limits.TABLE_BYTES:,} bytes")
        text = (data if first is None else b"".join(data.splitlines(keepends=True)[: first + 1])).decode()
        try:
            columns, *rows = [*csv.reader(text[: text.rfind("\n") + 1].splitlines(keepends=True))] or [[]]
        except csv.Error as error:
            raise ValueError(str(error)) from error
        for number, row in enumerate(rows, 2):
            if len(row) != len(columns):
                raise ValueError(f"line {number} has {len(row)} cells, expected {len(columns)}")
        return cls(dict(zip(columns, map(_number, row), strict=True)) for row in rows)

    def state_dict(self, path: str | os.PathLike | None = None) -> dict[str, Any]:
        """What a checkpoint keeps: how many rows stand in the table at `path`, and the others themselves."""
        table = self._tables.get(Path(path)) if path is not None else None
        written = table.rows if table else 0
        return {"written": written, "rows": self.rows[written:]}

    @classmethod
    def resumed(cls, saved: Any, path: str | os.PathLike | None) -> History:
        """What `state_dict` returned, or rows alone, as checkpoints of before hold.

        What the table at `path` does not have any more is missing from then on, which is said: no run ends for it.
        """
        if not isinstance(saved, Mapping):
            return cls(saved)
        written, rows = saved["written"], []
        try:
            rows = cls.read_csv(path, written).rows if written and path is not None else []
            why = f"it has {len(rows)}"
        except (OSError, ValueError) as error:
            why = str(getattr(error, "strerror", None) or error)
        if len(rows) < written:
            say(f"gpunn: {path} lacks rows of the run's first {written} ({plain(why)}); it goes on without")
        return cls([*rows, *saved["rows"]])

    def __repr__(self) -> str:
        last = ", ".join(f"{k} {v:.8g}" for k, v in self.rows[-1].items() if v is not None) if self.rows else "empty"
        return f"History({len(self)} epochs; {last})"


class _Table(NamedTuple):
    """A file that holds the first so many rows, in so many bytes."""

    columns: tuple[str, ...]
    rows: int
    size: int


def _text(columns: Sequence[str], rows: Iterable[dict[str, Any]], header: bool) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """A value with all its digits: what is read back is the same."""
    return "" if value is None else float.__repr__(value) if isinstance(value, float) else str(value)


def _number(text: str) -> float | int | None:
    return None if not text else int(text) if text.lstrip("-").isdigit() else float(text)
