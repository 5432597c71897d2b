"""The stored values are what PyTorch computes today, where it is installed."""

import pytest

from tests.values.stored import FOLDER, load, plain


def test_the_files_are_those_of_make():
    pytest.importorskip(
        "torch", reason="PyTorch is not installed: the stored values stand as they are", exc_type=ImportError
    )
    from tests.values.make import all_values

    made = {name: plain(rows) for name, rows in all_values().items()}
    assert sorted(made) == sorted(path.stem for path in FOLDER.glob("*.json"))
    for name, rows in made.items():
        same(rows, load(name), name)


def same(made, stored, where):
    """Equal but for the last digits, which differ from one PyTorch and one machine to another."""
    assert type(made) is type(stored), where
    if isinstance(made, dict):
        assert list(made) == list(stored), f"{where}: make it anew: python -m tests.values.make"
    if isinstance(made, list):
        assert len(made) == len(stored), f"{where}: make it anew: python -m tests.values.make"
    if isinstance(made, dict | list):
        for key in made if isinstance(made, dict) else range(len(made)):
            same(made[key], stored[key], f"{where}, {key}")
    else:
        close = pytest.approx(stored, rel=1e-9, abs=1e-12) if isinstance(made, float) else stored
        assert made == close, f"{where}: make it anew: python -m tests.values.make"
