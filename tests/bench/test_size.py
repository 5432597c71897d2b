"""The benchmarks' own size: what measures the library must not outgrow it."""

from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"
LINES = 5930  # a suite, a rival, a check of what files say raise this by what they are; nothing else does


def test_the_benchmarks_stay_small():
    files = [
        path for path in BENCH.rglob("*") if path.suffix in (".py", ".cu", ".html") and "results" not in path.parts
    ]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    assert len(files) > 20 and lines <= LINES, f"bench/ has {lines} lines, {LINES} are held here"
