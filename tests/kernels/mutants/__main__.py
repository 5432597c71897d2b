"""`python -m tests.kernels.mutants [PART] [--sample N] [--harmless]`: 1 where `gpunn verify` misses a planted bug."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.kernels.mutants.run import MUTANTS, verdicts


def main(argv: list[str] | None = None) -> int:
    """Print what becomes of each, and the sums."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernels.mutants", description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="of the names of those to plant (default: all)")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, the same each time")
    parser.add_argument("--harmless", action="store_true", help="also those that change no result: half a minute each")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(argv)
    chosen = [m for m in MUTANTS if args.part in str(m) and bool(m.harmless) <= args.harmless]
    if args.sample is not None:
        chosen = random.Random(0).sample(chosen, min(args.sample, len(chosen)))
    started, caught, wrong = time.monotonic(), 0, 0
    for mutant, by, seconds in verdicts(chosen, args.processes):
        bad = bool(by) == bool(mutant.harmless)
        word = f"caught by {by}" if by else f"no result changes: {mutant.harmless}" if mutant.harmless else "MISSED"
        print(f"{mutant} -> {word} ({seconds:.1f} s){'  WRONG' if bad else ''}", flush=True)
        caught, wrong = caught + bool(by), wrong + bad
    print(f"{len(chosen)} mutants planted, {caught} caught, {wrong} wrong, in {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
