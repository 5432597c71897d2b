"""Tiles by turns: where one of a kernel's tiles is enough for a case, all tests ask the same one, compiled once."""

from zlib import crc32


def by_kernel(rows):
    """The rows of each file."""
    return [[row for row in rows if row.sources == sources] for sources in dict.fromkeys(row.sources for row in rows)]


def by_turns(variants, case, kept=("fp32",)):
    """Of each kernel in each precision one row, which the case's name chooses; of precisions in `kept` all."""
    chosen = [row for row in variants if row.precision in kept]
    for kind in dict.fromkeys(row.precision for row in variants if row.precision not in kept):
        for rows in by_kernel([row for row in variants if row.precision == kind]):
            chosen.append(rows[crc32(case.encode()) % len(rows)])
    return [row for row in variants if row in chosen]
