"""Words for people, on streams that may be closed, full, short of letters, or left by their reader.

None of that ends any work: what cannot be written is dropped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO


class Forgiving:
    """A text stream over another, or over none, whose `write` and `flush` never raise; `trouble` is the first reason.

    Letters that its encoding lacks are spelled, as \\xe9.
    """

    def __init__(self, stream: TextIO | None):
        self.stream = stream
        self.trouble: Exception | None = None

    def write(self, text: str) -> int:
        self._guarded(self._write, text)
        return len(text)

    def flush(self) -> None:
        self._guarded(lambda: self.stream and self.stream.flush())

    def isatty(self) -> bool:
        try:
            return self.stream is not None and bool(self.stream.isatty())
        except Exception:  # closed, or of a kind that does not say
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _write(self, text: str) -> None:
        if self.stream is None:
            return
        try:
            self.stream.write(text)
        except UnicodeEncodeError as error:
            self.stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))

    def _guarded(self, act: Callable[..., object], *args: str) -> None:
        try:
            act(*args)
        except Exception as error:  # a stream of somebody's own may raise anything
            self.trouble = self.trouble or error
            _drop_pending(self.stream)


def _drop_pending(stream: TextIO | None) -> None:
    """Let go of what a standard stream could not write: Python would try once more at exit, and make the status 120."""
    with suppress(OSError, ValueError, AttributeError):
        if stream is None or (descriptor := stream.fileno()) not in (1, 2):
            return
        kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, descriptor)
            stream.flush()
        finally:
            os.dup2(kept, descriptor)
            os.close(kept)
            os.close(nowhere)


def say(line: str, file: TextIO | Forgiving | None = None) -> Exception | None:
    """A line on standard error, or on `file`; returns why it could not be written, or None."""
    stream = sys.stderr if file is None else file
    forgiving = stream if isinstance(stream, Forgiving) else Forgiving(stream)
    print(line, file=forgiving, flush=True)
    return forgiving.trouble


def say_aloud(line: str) -> None:
    """A line on the process's own standard error, in a block of `silence`, too."""
    say(line, sys.__stderr__)


@contextmanager
def silence(wanted: bool = True) -> Iterator[None]:
    """A block in which nothing is written to standard output and error, where that is wanted."""
    if not wanted:
        yield
        return
    Forgiving(sys.stdout).flush()  # a rank may end in the block, by os._exit
    with redirect_stdout(Forgiving(None)), redirect_stderr(Forgiving(None)):
        yield


@contextmanager
def forgiving_output() -> Iterator[Forgiving]:
    """Within the block, standard output and error are Forgiving; gives the first.

    At its end a line says so once where output was lost, but not where its reader has left, as `head` does.
    """
    _open_missing()
    out = Forgiving(sys.stdout)
    with redirect_stdout(out), redirect_stderr(Forgiving(sys.stderr)):
        try:
            yield out
        finally:
            out.flush()
            if out.trouble is not None and not isinstance(out.trouble, BrokenPipeError):
                say(f"gpunn: standard output cannot be written ({_reason(out.trouble)}); what it was to show is lost")


def _open_missing() -> None:
    """Point descriptors that the process was started without to nowhere: else the next file opened, such as a
    checkpoint, would be standard output to every library that writes there."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
