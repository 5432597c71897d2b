"""Rows of a table by number, sorted numbers, rows added up by key: the oracles of an index, one by one, and cases."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SegmentCase:
    """Row m of the gradient, of `columns` elements, goes to place keys[m]."""

    name: str
    keys: tuple
    places: int
    columns: int

    def gradient(self):
        return np.random.default_rng(len(self.keys)).standard_normal((len(self.keys), self.columns))


SEGMENTS = (
    SegmentCase("no two alike", (3, 0, 5), 7, 4),
    SegmentCase("some twice", (2, 0, 2, 1, 2), 3, 5),
    SegmentCase("all to one", (1,) * 40, 2, 3),
    SegmentCase("one column", (5, 4, 4, 0), 6, 1),
    SegmentCase("the last place", (8, 8), 9, 257),
    SegmentCase("no rows", (), 3, 2),
    SegmentCase("no columns", (1, 1), 3, 0),
)


def segment_sums(gy, keys, places):
    """gx[keys[m]] += gy[m], in order."""
    gx = np.zeros((places, gy.shape[1]))
    for m, key in enumerate(keys):
        gx[key] += gy[m]
    return gx


@dataclass(frozen=True)
class RowsCase:
    """Numbers of a table of `rows` rows of `columns` elements."""

    name: str
    index: tuple
    rows: int
    columns: int

    def arrays(self):
        """A table (rows, columns), and the numbers."""
        table = np.random.default_rng(self.rows).standard_normal((self.rows, self.columns))
        return table, np.array(self.index, np.int64)


def _drawn(count, rows, seed):
    return tuple(np.random.default_rng(seed).integers(0, rows, count).tolist())


ROWS = (
    RowsCase("one number", (2,), 3, 5),
    RowsCase("rows that fill accesses", (1, 0, 1, 6), 7, 16),
    RowsCase("a row in turns", (0, 2), 3, 2100),
    RowsCase("blocks of several rows", _drawn(70, 9, 0), 9, 24),
    RowsCase("more numbers than blocks", _drawn(4100, 6, 1), 6, 2),
)
ORDERS = (
    RowsCase("one row", (0, 0), 1, 0),
    RowsCase("rows that nobody names", (5, 2, 5), 8, 0),
    RowsCase("numbers in turns", _drawn(700, 40, 2), 40, 0),
    RowsCase("two blocks of rows", _drawn(300, 300, 3), 300, 0),
    RowsCase("all in the last block", (511,) * 260, 512, 0),
    RowsCase("counted from the end", (-1, 3, -4, 3, -9, 0), 9, 0),
)


def take_rows(table, index):
    """y[m] = table[index[m]]."""
    y = np.zeros((len(index), table.shape[1]))
    for m, row in enumerate(index):
        y[m] = table[row]
    return y


def sort(index, rows):
    """How many numbers are below each row, and which name it, row by row."""
    named = [[m for m, number in enumerate(index) if number % rows == row] for row in range(rows)]
    return np.cumsum([0, *map(len, named)]), np.array([m for each in named for m in each], np.int64)
