"""Files written whole or not at all, by processes that are killed, on disks that are full, beside links."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from gpunn import files
from gpunn.files import TEMPORARY, append, put_in_place, scratch_folder, sweep, write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="needs flock, which Windows does not have")
WRITER = """
import sys, time
from pathlib import Path
from gpunn import files
def write(file):
    file.write(b"half"); file.flush(); print("writing", flush=True); time.sleep(60)
files.write_atomically(Path(sys.argv[1]) / "a.npz", write)
"""
BUILDER = """
import subprocess, sys
from pathlib import Path
from gpunn import files
with files.scratch_folder(Path(sys.argv[1])) as (folder, lock):
    (folder / "half.so").write_bytes(b"half")
    print(subprocess.Popen(["sleep", "60"], pass_fds=(lock,), stdout=subprocess.DEVNULL).pid, flush=True)
    sys.stdin.read()
"""


@contextmanager
def started(code, folder):
    """A process that runs `code` in a folder, and the line with which it says that it is at work; killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def temporaries(folder):
    return [name for name in os.listdir(folder) if name.endswith(TEMPORARY)]


@posix
def test_what_a_killed_process_was_writing_is_swept_what_a_living_one_writes_is_not(tmp_path):
    with started(WRITER, tmp_path) as (process, word):
        assert word == b"writing" and len(temporaries(tmp_path)) == 1
        sweep(tmp_path)
        assert len(temporaries(tmp_path)) == 1
        process.kill()
        process.wait()
        assert len(temporaries(tmp_path)) == 1
    write_atomically(tmp_path / "b.npz", lambda file: file.write(b"whole"))  # the first here of this process
    assert os.listdir(tmp_path) == ["b.npz"]


@posix
def test_an_orphaned_compiler_keeps_its_folder(tmp_path):
    with started(BUILDER, tmp_path) as (process, word):
        process.kill()
        process.wait()
        sweep(tmp_path)
        assert len(temporaries(tmp_path)) == 1
    os.kill(int(word), signal.SIGKILL)
    until = time.monotonic() + 10
    while temporaries(tmp_path) and time.monotonic() < until:
        sweep(tmp_path)
    assert os.listdir(tmp_path) == []


def test_without_locks_a_day_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    for name, age in (("young", 60), ("old", 90_000)):
        path = tmp_path / f".{name}{TEMPORARY}"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / ".other.tmp").touch()  # another program's
    os.utime(tmp_path / ".other.tmp", (0, 0))
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".other.tmp", f".young{TEMPORARY}"]


@posix
def test_a_sweep_in_the_moment_between_making_and_locking_costs_nothing(tmp_path, monkeypatch):
    original, swept = files.try_lock, []

    def first_sweep(handle):
        if not swept:
            swept.append(True)
            sweep(tmp_path)
        return original(handle)

    files._swept(tmp_path)
    monkeypatch.setattr(files, "try_lock", first_sweep)
    write_atomically(tmp_path / "a", lambda file: file.write(b"whole"))
    assert (tmp_path / "a").read_bytes() == b"whole"
    swept.clear()
    with scratch_folder(tmp_path) as (folder, _):
        assert folder.is_dir()
    assert swept and os.listdir(tmp_path) == ["a"]


@posix
def test_links_are_replaced_never_followed(tmp_path):
    (tmp_path / "outside").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("outside")
    (tmp_path / "name").hardlink_to(tmp_path / "outside")
    assert not append(tmp_path / "link", b"x", 8) and not append(tmp_path / "name", b"x", 8)
    assert not append(tmp_path / "missing", b"x", 0) and not (tmp_path / "missing").exists()
    write_atomically(tmp_path / "link", lambda file: file.write(b"new"))
    assert (tmp_path / "outside").read_bytes() == b"precious" and not (tmp_path / "link").is_symlink()


def test_append_takes_a_file_of_the_size_it_had(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n")
    assert append(path, b"1\n", 2) and not append(path, b"2\n", 2) and append(path, b"2\n", 4)
    assert path.read_bytes() == b"a\n1\n2\n"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_half_a_line_is_cut_off_again(tmp_path, monkeypatch, code):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n")
    original = os.write

    def full(handle, data):
        monkeypatch.setattr(os, "write", lambda *args: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
        return original(handle, data[:2])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=os.strerror(code)):
        append(path, b"12345\n", 2)
    assert path.read_bytes() == b"a\n"


def test_a_finished_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(files.os, "fsync", lambda handle: calls.append("fsync"))
    original = os.replace
    monkeypatch.setattr(files.os, "replace", lambda *args: (calls.append("replace"), original(*args)))
    (tmp_path / "new").write_bytes(b"new")
    put_in_place(tmp_path / "new", tmp_path / "old")
    write_atomically(tmp_path / "a", lambda file: file.write(b"a"))
    assert calls == ["fsync", "replace", "fsync"] * 2 and sorted(os.listdir(tmp_path)) == ["a", "old"]


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path, monkeypatch):
    original = os.fsync

    def only_files(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        original(handle)

    monkeypatch.setattr(files.os, "fsync", only_files)
    write_atomically(tmp_path / "a", lambda file: file.write(b"a"))
    assert (tmp_path / "a").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "free some space or choose another folder"),
        (errno.EIO, "the disk fails: look after it, and choose a folder on another"),
        (errno.EROFS, "choose another folder, or make this one writable"),
    ],
)
def test_remedies(code, words):
    assert files.remedy(OSError(code, "?")) == words


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_or_a_device_is_no_file_to_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"a")
    (tmp_path / "link").symlink_to("file")
    with files.reading(tmp_path / "link") as file:
        assert file.read() == b"a"
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(files.NotAFile, match="it is a pipe or a device, no file"):
            files.reading(path)
