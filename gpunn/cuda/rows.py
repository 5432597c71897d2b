"""How kernels of kernels/row share out a row: the numbers of kernels/row/row.cuh."""

from __future__ import annotations

from gpunn.cuda.dtypes import SIZES

THREADS = 256  # of a block, unless a team takes more
HELD_PACKS = 4  # of a thread, which lie in registers: KEEP of row.cuh
WIDEST = 512  # threads of a team, so that each may have 128 registers
LINE, SECTOR = 128, 32  # bytes


def team_of(packs: int, dtype: str, width: int, held: int = HELD_PACKS) -> int:
    """Threads that share a row of so many packs of `width` elements: a power of two.

    So many that the row lies in their registers and, where it is long enough, one access of theirs is a line.
    """
    line, team = LINE // (width * SIZES[dtype]), 1
    while team < min(packs, WIDEST) and (team < line or team * held < packs):
        team *= 2
    return team


def stack_of(length: int, packs: int, dtype: str, width: int) -> tuple[int, int]:
    """(team, threads of a block) for rows whose elements lie apart, side by side in so many packs of `width` rows.

    A team holds a row in registers where it can; its block has as many teams as are left, a sector's at least.
    """
    team, columns = 1, 1
    while team < WIDEST and team * HELD_PACKS < length:
        team *= 2
    least = max(1, SECTOR // (width * SIZES[dtype]))
    while columns < packs and columns < max(least, THREADS // team):
        columns *= 2
    threads = THREADS if team * columns <= THREADS else WIDEST
    return threads // columns, threads
