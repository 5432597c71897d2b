"""`python -m bench SUITE [options]`: verify, then time. Without a suite: what there is."""

from __future__ import annotations

import importlib
import sys

SUITES = {"cpu": "a whole training step on the CPU beside PyTorch's: time and memory of five networks"}


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in SUITES:
        print("usage: python -m bench SUITE [options]; python -m bench SUITE --help\n\nsuites:")
        for name, what in SUITES.items():
            print(f"  {name:8}{what}")
        if argv and argv[0] not in ("-h", "--help"):
            print(f"\nbench: error: there is no suite {argv[0]!r}", file=sys.stderr)
            return 2
        return 0
    return importlib.import_module(f"bench.{argv[0]}").main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
