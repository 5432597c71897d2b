"""Bars: drawn on a terminal; in a log a line a minute at most, and one at the end of what took longer."""

import io
from types import SimpleNamespace

import pytest

from gpunn import bars
from gpunn.bars import bar, over


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock for `bars`, which stands until it is moved."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(bars, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def lines(clock, steps, seconds, **options):
    out = io.StringIO()
    with bar("work", out, total=steps, unit=" images", **options) as shown:
        for _ in range(steps):
            clock.now += seconds
            shown.update(1)
    return out.getvalue().splitlines()


def test_a_log_gets_a_line_a_minute_and_a_last_one(clock):
    found = lines(clock, 300, 1)
    assert len(found) == 6 and "\r" not in "".join(found)
    assert found[0].startswith("work:  20% 60/300 [01:00<04:00, ")
    assert found[-1].startswith("work: 100% 300/300 [05:00<")
    assert len(lines(clock, 300, 1, last=False)) == 5


def test_what_is_done_within_a_minute_needs_no_line(clock):
    assert lines(clock, 50, 1) == []


def test_no_last_line_of_what_failed(clock):
    out = io.StringIO()
    with pytest.raises(KeyError), bar("work", out, total=9) as shown:
        clock.now += 61
        shown.update(1)
        raise KeyError
    assert len(out.getvalue().splitlines()) == 1


def test_of_unknown_length(clock):
    out = io.StringIO()
    with bar("work", out, unit="B", unit_scale=True, initial=1000) as shown:
        clock.now += 61
        shown.update(4_000_000)
    assert out.getvalue().startswith("work: 4.00MB [01:01, ")


def test_a_terminal_gets_a_bar_that_leaves_nothing():
    out = Terminal()
    with bar("work", out, total=3) as shown:
        shown.update(3)
    assert "work:   0%|" in out.getvalue() and out.getvalue().endswith("\r")


def test_a_setting_that_tqdm_cannot_take_costs_the_bar_alone(monkeypatch):
    def refuse(**options):
        raise ValueError("invalid literal for int(): 'x'")

    monkeypatch.setattr(bars, "tqdm", refuse)
    out = Terminal()
    with bar("work", out, total=3) as shown:
        shown.update(3)
    assert out.getvalue() == "gpunn: no progress bar (ValueError: invalid literal for int(): 'x')\n"


def test_over_gives_the_items(capsys):
    assert list(over([3, 4], "work", " images")) == [3, 4]
    assert capsys.readouterr().err == ""


def test_without_tqdm_a_line_says_how_far_it_is(clock, monkeypatch):
    monkeypatch.setattr(bars, "tqdm", None)
    assert lines(clock, 90, 1) == ["work: 60 of 90, 60 s", "work: 90 of 90, 90 s"]
    out = Terminal()
    with bar("work", out, forced=True) as shown:
        clock.now += 61
        shown.update(1)
    assert set(out.getvalue().splitlines()) == {"work: 1 of ?, 61 s"}
