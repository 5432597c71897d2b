"""Commands whose output is closed, full, left by its reader or short of letters; Ctrl-C while they are imported."""

from __future__ import annotations

import io
import os
import shlex
import signal
import subprocess
import sys

import pytest

from gpunn import cli
from gpunn.cli import main

posix = pytest.mark.skipif(os.name != "posix", reason="the shell here has no >&- and no /dev/full")
in_ci = pytest.mark.skipif("CI" not in os.environ, reason="a process each, seconds of imports: in CI")
GPUNN = f"{shlex.quote(sys.executable)} -m gpunn"
LOST = "gpunn: standard output cannot be written (No space left on device); what it was to show is lost\n"
TRAIN = """
import sys
from gpunn import data
from gpunn.cli import main
from gpunn.train import callbacks
from tests.tiny_runs import tiny_dataset
callbacks.draw_curves = lambda history, path, metric: None
data.load = lambda name, limit=None: tiny_dataset()
sys.exit(main(["train", "mlp", "--epochs", "2", "--out", "run"]))
"""


def shell(command, folder):
    """A command line in the shell of this system: status and standard error."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    env.pop("PYTHONUNBUFFERED", None)  # what is buffered fails later, and once more at exit
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, env=env, timeout=120)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@posix
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("> /dev/full", LOST),
        (">&- 2>&- <&-", ""),
        pytest.param(">&-", "", marks=in_ci),
        pytest.param("2> /dev/full > /dev/full", "", marks=in_ci),
    ],
    ids=["full", "all closed", "closed", "both full"],
)
def test_output_that_goes_nowhere_changes_no_status(tmp_path, how, said):
    assert shell(f"{GPUNN} kernels pool.max {how}", tmp_path) == (0, said)
    if "CI" in os.environ:
        assert shell(f"{GPUNN} evaluate nowhere {how}", tmp_path)[0] == 2
        assert shell(f"{GPUNN} --help {how}", tmp_path) == (0, said)


@posix
@pytest.mark.parametrize(
    "how", ["2>&1 | head -1", ">&- 2>&-", pytest.param("2> /dev/full", marks=in_ci)], ids=["left", "closed", "full"]
)
def test_training_goes_on_without_its_lines(tmp_path, how):
    (tmp_path / "train.py").write_text(TRAIN)
    shell(f"({shlex.quote(sys.executable)} train.py; echo $? > status) {how}", tmp_path)
    status = (tmp_path / "status").read_text().strip()
    assert status == ("141" if "head" in how else "0")  # at the end, of its summary
    assert {"best.npz", "last.npz", "checkpoint.npz"} <= {path.name for path in (tmp_path / "run").iterdir()}
    assert (tmp_path / "run/history.csv").read_text().count("\n") == 3
    assert (tmp_path / "run/config.json").read_text().startswith("{")  # it did not become standard output


def test_letters_that_the_terminal_lacks(monkeypatch):
    taken = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(taken, "ascii"))
    monkeypatch.setattr(cli.doctor.doctor, "report", lambda: "café")
    assert main(["doctor"]) == 0
    assert taken.getvalue() == b"caf\\xe9\n"


def broken_off(folder, command):
    """A command that gets Ctrl-C while it imports tqdm, in the midst of its imports: status and standard error."""
    (folder / "tqdm.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(20)\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, timeout=60, **heard)
    return done.returncode, done.stderr


@posix
def test_ctrl_c_during_the_imports_of_the_script_is_one_line(tmp_path):
    script = tmp_path / "gpunn"  # as pip makes it
    script.write_text("import sys\nfrom gpunn.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    assert broken_off(tmp_path, [sys.executable, str(script), "doctor"]) == (130, "gpunn: interrupted\n")


@posix
@in_ci
def test_ctrl_c_in_a_program_that_imports_gpunn_raises_as_ever(tmp_path):
    """Also where that is a module of its own, and has an argument of that name."""
    (tmp_path / "program.py").write_text("import gpunn.data\n")
    status, err = broken_off(tmp_path, [sys.executable, "-m", "program", "gpunn"])
    assert status in (130, -signal.SIGINT) and err.endswith("KeyboardInterrupt\n")


def test_a_fault_of_ours_is_one_line_and_the_traceback_is_to_be_had(capsys, monkeypatch):
    def fault():
        return {}["a\nb"]

    monkeypatch.setattr(cli.doctor.doctor, "report", fault)
    assert main(["doctor"]) == 1
    line = fault.__code__.co_firstlineno + 1
    assert capsys.readouterr().err == (
        f"gpunn: error: KeyError: 'a\\nb' (test_streams.py, line {line}); which is a fault in gpunn; "
        "GPUNN_TRACEBACK=1 shows the whole traceback\n"
    )
    monkeypatch.setenv("GPUNN_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["doctor"])


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (MemoryError("Unable to allocate 7 GiB"), 1, "gpunn: error: out of memory (Unable to allocate 7 GiB); give it"),
        (KeyboardInterrupt(), 130, "gpunn: interrupted\n"),
        (BrokenPipeError(32, "Broken pipe"), 1, "gpunn: error: BrokenPipeError: [Errno 32] Broken pipe (test_streams"),
    ],
)
def test_what_else_may_be_raised(capsys, monkeypatch, error, status, words):
    """A pipe that breaks elsewhere, as to a compiler, is no reader that has left."""

    def fail():
        raise error

    monkeypatch.setattr(cli.doctor.doctor, "report", fail)
    assert main(["doctor"]) == status
    assert capsys.readouterr().err.startswith(words)


MISTYPED = [
    (
        "trian lenet5",
        "gpunn: error: unknown command 'trian'; did you mean 'train'? choose from train, launch, evaluate,",
    ),
    ("", "gpunn: error: which command? choose from train, launch, evaluate, predict, report, doctor, verify"),
    ("--verison", "gpunn: error: unknown option '--verison'; did you mean '--version'?"),
    ("train lenet5 --bacth-size 3", "gpunn train: error: unknown option '--bacth-size'; did you mean '--batch-size'?"),
    ("evaluate a b", "gpunn evaluate: error: unknown argument 'b'\n"),
    ("train lenet5 --epochs x", "gpunn train: error: argument --epochs: 'x' is no whole number of at least 1"),
    ("predict", "gpunn predict: error: the following arguments are required: IMAGE.png\n"),
]


def test_of_several_ranks_the_first_says_what_is_mistyped(capsys, monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    for rank, lines in ((0, 2), (1, 0)):
        monkeypatch.setenv("PMI_RANK", str(rank))
        with pytest.raises(SystemExit) as exit_:
            main(["trian", "lenet5"])
        assert exit_.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize(("command", "words"), MISTYPED, ids=[command for command, _ in MISTYPED])
def test_a_mistyped_command_line_is_one_line_of_usage_and_one_of_what_is_wrong(capsys, command, words):
    with pytest.raises(SystemExit) as exit_:
        main(command.split())
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    usage, error = err.splitlines(keepends=True)
    assert out == "" and usage.startswith("usage: gpunn ") and "--help" in usage and error.startswith(words)
