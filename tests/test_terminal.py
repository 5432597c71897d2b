"""Words on streams that are closed, full, short of letters or left: dropped, and the work and its status stay."""

import io
import os
import subprocess
import sys

import pytest

from gpunn.terminal import Forgiving, forgiving_output, say


class Broken(io.StringIO):
    """A stream that raises what it was given."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    flush = isatty = write  # type: ignore[assignment]


@pytest.mark.parametrize("error", [OSError(28, "No space"), BrokenPipeError(), ValueError("closed"), RuntimeError("x")])
def test_whatever_a_stream_raises(error):
    stream = Forgiving(Broken(error))
    print("a line", file=stream, flush=True)
    assert stream.trouble is error and not stream.isatty()
    say("a line", Broken(error))


def test_no_stream_at_all_and_a_closed_one(monkeypatch):
    stream = Forgiving(None)
    print("a line", file=stream, flush=True)
    assert stream.trouble is None and not stream.isatty()
    closed = io.StringIO()
    closed.close()
    say("a line", closed)
    monkeypatch.setattr(sys, "stderr", None)
    say("a line")


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", r"caf\xe9 \u6f22"), ("latin-1", r"café \u6f22")])
def test_letters_that_an_encoding_lacks_are_spelled(encoding, shown):
    bytes_ = io.BytesIO()
    stream = Forgiving(io.TextIOWrapper(bytes_, encoding))
    print("café 漢", file=stream, flush=True)
    assert bytes_.getvalue().decode(encoding) == shown + "\n" and stream.trouble is None


def test_half_a_character_is_spelled():
    bytes_ = io.BytesIO()
    stream = io.TextIOWrapper(bytes_, "utf-8")
    say("a\udcffb", stream)
    assert bytes_.getvalue() == b"a\\udcffb\n"


def test_lost_output_is_said_once_and_a_reader_that_left_is_not_blamed(monkeypatch, capsys):
    for error, words in ((OSError(28, "No space left"), "(No space left)"), (BrokenPipeError(), "")):
        monkeypatch.setattr(sys, "stdout", Broken(error))
        with forgiving_output() as out:
            print("one")
            print("two")
        assert out.trouble is error
        said = capsys.readouterr().err
        assert said.count("\n") == (1 if words else 0) and words in said


PENDING = """
import sys
from gpunn.terminal import say
say("lost")
sys.stdout.write("kept")
"""
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@full
def test_what_standard_error_could_not_take_leaves_the_status():
    """Python tries again at exit, and ends with 120."""
    with open("/dev/full", "w") as nowhere:
        done = subprocess.run([sys.executable, "-c", PENDING], stdout=subprocess.PIPE, stderr=nowhere, env=BUFFERED)
    assert (done.returncode, done.stdout) == (0, b"kept")


MISSING = """
import os
from gpunn.terminal import forgiving_output
with forgiving_output(), open("weights", "w") as file:
    os.write(1, b"what a library prints")
    file.write("kept")
"""


@pytest.mark.skipif(os.name != "posix", reason="the shell here has no >&-")
def test_no_file_takes_the_place_of_a_stream_that_was_closed(tmp_path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CODE": MISSING}
    subprocess.run(["sh", "-c", f'"{sys.executable}" -c "$CODE" >&-'], cwd=tmp_path, env=env, check=True)
    assert (tmp_path / "weights").read_text() == "kept"
