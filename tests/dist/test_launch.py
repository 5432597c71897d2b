"""Ranks that are started and watched over: plain programs, by mpiexec and one by one."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from gpunn.dist import launch_ranks, launch_starts, launch_watch
from gpunn.dist.launch_starts import Nodes, Plan
from gpunn.dist.launching import launch
from gpunn.machine import cores
from gpunn.ranks import store
from tests.thinned import one_in

BY = ["torchrun's variables", "mpiexec"]
NUMBER = 'rank = int(next(os.environ[n] for n in ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK") if n in os.environ))\n'


@pytest.fixture(params=BY)
def cuda(request):
    """Whether ranks are started as on GPUs: the programs here need none."""
    if request.param == "mpiexec":
        needs_mpiexec()
    return request.param != "mpiexec"


def needs_mpiexec():
    try:
        launch_starts.find_mpiexec()
    except Exception as error:
        pytest.skip(str(error))


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a script of these lines, which knows its `rank` and how often that has `started` before."""
    monkeypatch.chdir(tmp_path)

    def write(lines):
        text = "import json, os, signal, sys, time\n" + NUMBER
        text += "started = len([f for f in os.listdir() if f.startswith(f'start-{rank}')])\n"
        text += "open(f'start-{rank}-{started}', 'w').close()\n" + lines
        (tmp_path / "program.py").write_text(text)
        return ["program.py"]

    return write


def starts_of(folder):
    return sorted(path.name for path in folder.glob("start-*"))


def test_ranks_know_their_place_share_the_cores_and_write_where_the_launcher_does(program, tmp_path, cuda, capfd):
    script = program("json.dump(dict(os.environ), open(f'env-{rank}', 'w')); print('rank', rank, sys.argv[1:])")
    assert launch(Plan([*script, "--lr", "a b"], 2, cuda)) == 0
    out, err = capfd.readouterr()
    assert sorted(out.splitlines()) == ["rank 0 ['--lr', 'a b']", "rank 1 ['--lr', 'a b']"] and not err
    first, second = (json.loads((tmp_path / f"env-{rank}").read_text()) for rank in range(2))
    for env in (first, second):
        assert env["OMP_NUM_THREADS"] == os.environ.get("OMP_NUM_THREADS", str(max(1, cores() // 2)))
        assert env["GPUNN_STORE"] == first["GPUNN_STORE"] and len(env["GPUNN_DIST_SECRET"]) >= 32
    if cuda:
        got = {name: second[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")}
        assert list(got.values()) == ["1", "2", "1", "2", "127.0.0.1"] and second["MASTER_PORT"].isdecimal()
    else:
        assert "RANK" not in second


def test_the_cores_are_shared_unless_somebody_has_set_the_threads(monkeypatch):
    monkeypatch.setattr(launch_starts, "cores", lambda: 8)
    for given, want in ((None, "2"), ("3", "3")):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        ways = launch_starts.starts(True, 4, Nodes(), ("127.0.0.1", 4000), "secret")
        assert [env["OMP_NUM_THREADS"] for _, env in ways] == [want] * 4


def test_a_death_is_named_ends_the_others_and_starts_anew_as_often_as_wanted(program, tmp_path, cuda, capfd):
    script = program("if rank == 1: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)")
    began = time.monotonic()
    assert launch(Plan(script, 3, cuda, restarts=1, options=["-n", "3"])) == 128 + signal.SIGKILL
    assert time.monotonic() - began < 50
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith("gpunn: launch: rank 1 (process ")
    assert first.endswith("was ended by SIGKILL; there is no checkpoint; restart 1 of 1")
    assert second.startswith("gpunn: error: launch: rank 1 (process ")
    assert second.endswith("there is no checkpoint; start again with: gpunn launch -n 3 program.py")
    assert {"start-1-0", "start-1-1"} <= set(starts_of(tmp_path)) and "start-1-2" not in starts_of(tmp_path)


@pytest.mark.parametrize("code, starts", [(7, 2), (2, 1), (141, 1), (143, 1)])
def test_the_status_is_that_of_the_rank_and_a_mistake_or_a_wish_to_stop_is_not_repeated(
    program, tmp_path, capfd, code, starts
):
    assert launch(Plan(program(f"sys.exit({code} if rank == 0 else 0)"), 2, True, restarts=1)) == code
    assert len([name for name in starts_of(tmp_path) if name.startswith("start-0")]) == starts
    err = capfd.readouterr().err
    assert err.count(f"ended with exit code {code}") == (2 if starts == 2 else 0)


def test_a_second_start_that_ends_well_is_the_status(program, tmp_path, capfd, monkeypatch):
    (far := tmp_path / ("far" * 40)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(far))  # of more letters than a socket's path may have
    script = program("sys.exit(3 if rank == 1 and started == 0 else 0)")
    assert launch(Plan(script, 2, True, restarts=3)) == 0
    assert "restart 1 of 3" in capfd.readouterr().err


def test_a_rank_that_is_stopped_or_heeds_no_signal_is_killed_with_its_own_processes(program, tmp_path, monkeypatch):
    monkeypatch.setattr(launch_watch, "TERMINATING", 0.5)
    lines = "import subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    lines += (
        "child = subprocess.Popen(['sleep', '60'])\nopen(f'pids-{rank}', 'w').write(f'{os.getpid()} {child.pid}')\n"
    )
    lines += "while len([f for f in os.listdir() if f.startswith('pids')]) < 3: time.sleep(0.01)\n"
    lines += "if rank == 0: sys.exit(5)\nif rank == 1: os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(60)"
    assert launch(Plan(program(lines), 3, True)) == 5
    for rank in range(3):
        for pid in (tmp_path / f"pids-{rank}").read_text().split():
            assert gone(int(pid)), f"rank {rank}"


def gone(pid):
    """Whether the process has ended; a zombie, whose new parent has not looked yet, has."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


JOINED = """from gpunn.ranks.client import Client
host, port = os.environ["GPUNN_STORE"].rsplit(":", 1)
client = Client((host, int(port)), os.environ["GPUNN_DIST_SECRET"], rank, 2)
"""


def test_the_next_start_goes_on_with_the_run_that_the_ranks_have_named(program, capfd):
    lines = JOINED + "if rank == 0:\n    client.put('run', 'runs/a b')\n"
    lines += "    client.put('checkpoint', 'c.npz')\n"
    lines += "client.gather('named', '')\nif rank == 1: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)"
    first = program(lines)[0]
    os.rename(first, "first.py")
    again = program("sys.exit(4 if started < 3 else 0)")[0]
    plan = Plan(["first.py"], 2, True, restarts=1, options=["-n", "2"], go_on=lambda run: [again, "--resume", run])
    assert launch(plan) == 4
    said, last = capfd.readouterr().err.splitlines()
    assert "rank 1 " in said and "was ended by SIGKILL; the last checkpoint is c.npz; restart 1 of 1" in said
    assert last.endswith("the last checkpoint is c.npz; go on with: gpunn launch -n 2 program.py --resume 'runs/a b'")


@pytest.mark.skipif(not os.environ.get("CI"), reason="its ranks import all of gpunn; CI=1 runs it")
def test_who_dies_of_the_end_is_not_named_for_it(program, capfd):
    """Rank 0 joins the store, and is lost to it, after rank 1 has died, of which the store knows nothing."""
    lines = "import gpunn.ranks.client\ndef late(n, f):\n    " + JOINED.replace("\n", "\n    ") + "os._exit(1)\n"
    lines += "if rank == 0:\n    signal.signal(signal.SIGTERM, late)\n    open('ready', 'w').close()\n"
    lines += "while not os.path.exists('ready'): time.sleep(0.01)\n"
    script = program(lines + "if rank == 1: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)")
    assert launch(Plan(script, 2, True)) == 128 + signal.SIGKILL
    assert "launch: rank 1 (process " in capfd.readouterr().err


@pytest.mark.skipif(not os.environ.get("CI"), reason="its ranks import all of gpunn; CI=1 runs it")
def test_a_rank_that_is_silent_to_the_store_is_named_and_killed(program, capfd, monkeypatch):
    monkeypatch.setattr(store, "BEAT", 0.5)
    monkeypatch.setattr(launch_watch, "REPORTING", 0.1)
    script = program(
        JOINED + "client.gather('here', '')\nif rank: os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(60)"
    )
    began = time.monotonic()
    assert launch(Plan(script, 2, True)) == 128 + signal.SIGKILL
    assert time.monotonic() - began < 50
    (line,) = capfd.readouterr().err.splitlines()
    assert "rank 1 (process " in line and "does not answer: it is stopped, or its host is not reached" in line


def test_a_rank_that_stands_still_is_named_and_killed_but_not_one_that_goes_on(program, capfd, monkeypatch):
    monkeypatch.setattr(launch_watch, "STOPPED", 2.0)
    lines = "if rank == 0: sys.exit()\nif os.fork(): os.kill(os.getpid(), signal.SIGSTOP)\n"
    goes_on = program(lines + "else:\n    time.sleep(0.3)\n    os.kill(os.getppid(), signal.SIGCONT)\ntime.sleep(0.8)")
    assert launch(Plan(goes_on, 2, True)) == 0
    stays = program("if rank == 1: os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(60)")
    assert launch(Plan(stays, 2, True)) == 128 + signal.SIGKILL
    (line,) = capfd.readouterr().err.splitlines()
    assert "launch: rank 1 (process " in line and "was stopped for 2 s; there is no checkpoint" in line


def test_a_guard_that_is_killed_ends_its_rank_and_the_run(program, tmp_path, cuda, capfd):
    lines = "open(f'pid-{rank}', 'w').write(str(os.getpid()))\n"
    lines += "while len([f for f in os.listdir() if f.startswith('pid')]) < 2: time.sleep(0.01)\n"
    script = program(lines + "if rank == 1: os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)")
    assert launch(Plan(script, 2, cuda)) != 0
    assert ("a rank's guard" if cuda else "mpiexec") + " was ended by SIGKILL" in capfd.readouterr().err or not cuda
    assert all(gone(int((tmp_path / f"pid-{rank}").read_text())) for rank in range(2))


def test_a_guard_that_is_asked_to_end_passes_it_on(program, cuda, capfd):
    lines = "if rank == 1:\n    signal.signal(15, lambda *_: sys.exit(143))\n    os.kill(os.getppid(), 15)\n"
    assert launch(Plan(program(lines + "time.sleep(60)"), 2, cuda)) == 143
    assert "error" not in capfd.readouterr().err


def test_an_abort_of_mpi_is_passed_on_and_leaves_no_rank(program, tmp_path, capfd):
    needs_mpiexec()
    pytest.importorskip("mpi4py")
    lines = "from mpi4py import MPI\nopen(f'pid-{rank}', 'w').write(str(os.getpid()))\nMPI.COMM_WORLD.barrier()\n"
    lines += "if rank == 0:  # MPICH leaves what the ranks share\n"
    lines += "    for name in {line.split()[5] for line in open('/proc/self/maps') if '/dev/shm/mpich' in line}:\n"
    lines += "        os.unlink(name)\nMPI.COMM_WORLD.barrier()\n"
    script = program(lines + "if rank == 1: MPI.COMM_WORLD.Abort(7)\ntime.sleep(60)")
    assert launch(Plan(script, 2)) == 7
    assert "ended with exit code 7" in capfd.readouterr().err
    assert all(gone(int((tmp_path / f"pid-{rank}").read_text())) for rank in range(2))


def test_two_machines_number_their_ranks_through_and_both_start_again(program, tmp_path, monkeypatch):
    monkeypatch.setenv("GPUNN_DIST_SECRET", "word")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lines = "open(f'at-{rank}-{started}', 'w').write(os.environ['GPUNN_STORE'] + ' ' + os.environ['LOCAL_RANK'])\n"
    script = program(lines + "sys.exit(0 if started else 3)")
    got = {}

    def start(number):
        got[number] = launch(Plan(script, 1, True, restarts=1, nodes=Nodes(2, number, ("127.0.0.1", port))))

    other = threading.Thread(target=start, args=(1,))
    other.start()
    start(0)
    other.join()
    assert got == {0: 0, 1: 0}
    for rank in range(2):
        for again in range(2):
            assert (tmp_path / f"at-{rank}-{again}").read_text() == f"127.0.0.1:{port + 2 * again} 0"


@pytest.mark.parametrize("signum", one_in(3, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL]))
def test_a_signal_to_the_launcher_goes_to_the_ranks(program, tmp_path, signum):
    lines = "def end(n, f):\n    open(f'got-{rank}', 'w').write(str(n))\n    sys.exit(128 + n)\n"
    lines += (
        "for n in (1, 2, 15): signal.signal(n, end)\nopen(f'pid-{rank}', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    starter = (
        "import sys; from gpunn.dist.launching import *; sys.exit(launch(Plan(['program.py'], 2, True, restarts=3)))"
    )
    program(lines)
    with subprocess.Popen([sys.executable, "-c", starter], stderr=subprocess.PIPE, text=True) as process:
        pids = [wait_for(tmp_path / f"pid-{rank}") for rank in range(2)]
        process.send_signal(signum)
        said = process.stderr.read()  # to its end: all who could write there are gone
    want, status = (signal.SIGTERM, -signum) if signum == signal.SIGKILL else (signum, 128 + signum)
    assert process.returncode == status
    assert [wait_for(tmp_path / f"got-{rank}") for rank in range(2)] == [str(int(want))] * 2
    assert all(gone(int(pid)) for pid in pids)
    assert len(starts_of(tmp_path)) == 2
    assert (f"ended by {signal.Signals(signum).name}; start again with: gpunn launch program.py" in said) == (
        status > 0
    )


def test_a_signal_to_the_launcher_is_its_status_where_a_rank_has_to_be_killed(program, tmp_path, monkeypatch):
    monkeypatch.setattr(launch_watch, "SAVING", 0.3)
    lines = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    lines += "open(f'pid-{rank}', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    asking = threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGTERM * bool(wait_for(tmp_path / "pid-0"))))
    asking.start()
    assert launch(Plan(program(lines), 1, True)) == 128 + signal.SIGTERM
    asking.join()
    assert gone(int((tmp_path / "pid-0").read_text()))


def test_mpi_leaves_the_signal_of_a_closed_terminal_alone():
    pytest.importorskip("mpi4py", reason="ranks on cpu are MPI's", exc_type=ImportError)
    lines = "import signal; from gpunn.ranks import mpi_loading; mpi_loading.load(); signal.raise_signal(signal.SIGHUP)"
    ended = subprocess.run([sys.executable, "-c", lines], capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGHUP and not ended.stdout


def wait_for(path):
    """The text of a file that a rank is about to write."""
    for _ in range(3000):
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.01)
    raise AssertionError(f"{path.name} has not come in 30 s")


def fake(folder, script):
    path = folder / "mpiexec"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_each_mpiexec_gets_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    path = fake(tmp_path, 'echo "mpiexec (Open MPI) 5.0.8"')
    options, settings = launch_starts.mpiexec_options(path, 3)
    assert options == [path, "-n", "3", "--host", "localhost:3", "--bind-to", "none"]
    assert settings == {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    path = fake(tmp_path, 'echo "HYDRA build details:"')
    assert launch_starts.mpiexec_options(path, 3) == ([path, "-launcher", "fork", "-rmk", "user", "-n", "3"], {})
    path = fake(tmp_path, 'echo "another"')
    assert launch_starts.mpiexec_options(path, 3) == ([path, "-n", "3"], {})


def test_an_mpiexec_that_is_missing_or_broken_is_said_with_the_line_that_mends_it(
    tmp_path, monkeypatch, program, capfd
):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        Exception, match=r"neither beside Python nor on the PATH; install it with: pip install \"gpunn\[mpi"
    ):
        launch(Plan(program(""), 2))
    path = fake(tmp_path, "echo 'no libfabric' >&2; exit 3")
    with pytest.raises(Exception, match=rf"{path} does not work \(exit code 3: no libfabric\); mend it, or install"):
        launch(Plan(program(""), 2))
    fake(tmp_path, 'case "$1" in --version) echo HYDRA;; *) echo "out of sockets"; exit 4;; esac')
    assert launch(Plan(program(""), 2)) == 4
    assert "mpiexec ended with exit code 4 before its ranks: out of sockets" in capfd.readouterr().err


def test_ranks_that_do_not_start_in_time_are_an_end_too(tmp_path, monkeypatch, program, capfd):
    monkeypatch.setattr(launch_watch, "STARTING", 0.2)
    monkeypatch.setattr(launch_watch, "TERMINATING", 0.2)
    monkeypatch.setattr(launch_watch, "GIVING_UP", 0.2)
    monkeypatch.setattr(launch_ranks, "CLOSING", 0.2)
    path = fake(tmp_path, 'case "$1" in --version) echo HYDRA;; *) exec sleep 60;; esac')
    monkeypatch.setattr(launch_starts, "find_mpiexec", lambda: path)
    assert launch(Plan(program(""), 2)) == 1
    assert "launch: 0 of 2 ranks have started in 0.2 s" in capfd.readouterr().err
