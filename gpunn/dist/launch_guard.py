"""Between the launcher and one rank: starts the rank, tells how it ended, and ends it once the launcher is gone.

Run as a file, on the standard library alone: python -I -S launch_guard.py SOCKET COMMAND... To mpiexec it is the
rank, and it stays until the launcher lets it go: else the first death would make mpiexec kill all the others before
anyone has said who died. The rank writes to the launcher's own output, a terminal where that is one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

# Whose variable says which rank this is: torchrun's, which the launcher sets where there is no mpiexec; MPICH's and
# its kin's; Open MPI's; PMIx's.
NUMBERS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # which end the rank, and by that this process
GRACE = 10.0  # seconds in which a rank without a launcher may save


def main(path: str, command: list[str]) -> None:
    """Start `command` and stay until the launcher behind the socket at `path` hangs up. Its lines are signals."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    _, (out, err), _, _ = socket.recv_fds(link, 1, 2)
    for stream in (out, err):
        os.set_inheritable(stream, False)
    came: list[int] = []  # signals before there is a rank to pass them to
    for signum in ENDING:  # such as a scheduler's to all processes of a job, which mpiexec passes on
        signal.signal(signum, lambda signum, frame: came.append(signum))
    # close_fds: MPI's connection to mpiexec is a descriptor that the rank inherits.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, close_fds=False, start_new_session=True
    )
    for signum in ENDING:
        signal.signal(signum, lambda signum, frame: send(child.pid, signum))
    for signum in came:
        send(child.pid, signum)
    tell(link, rank=int(next(os.environ[name] for name in NUMBERS if name in os.environ)), pid=child.pid)
    over = threading.Event()
    threading.Thread(target=report, args=(child.pid, link, over), daemon=True).start()
    with suppress(OSError):  # a launcher that was killed
        for line in link.makefile():
            send(child.pid, int(line))
    if not over.is_set():
        send(child.pid, signal.SIGTERM)
        send(child.pid, signal.SIGCONT)  # to one that is stopped, too
        over.wait(GRACE)
        send(child.pid, signal.SIGKILL)


def report(pid: int, link: socket.socket, over: threading.Event) -> None:
    """Tell when the rank is stopped or goes on, and how it ended, as Popen.returncode does.

    The end is left unreaped, so that the rank's number stays its own.
    """
    ends = (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED)
    while (event := wait(pid, os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOWAIT)).si_code not in ends:
        tell(link, stopped=event.si_code != os.CLD_CONTINUED)
        wait(pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
    status = event.si_status if event.si_code == os.CLD_EXITED else -event.si_status
    if status:
        send(pid, signal.SIGKILL)  # processes of its own, whom nobody else would end
    over.set()
    tell(link, status=status)


def wait(pid: int, options: int) -> Any:
    """What has happened to the rank."""
    return os.waitid(os.P_PID, pid, options)


def tell(link: socket.socket, **words: int) -> None:
    """A line to the launcher, if it is still there."""
    with suppress(OSError):
        link.sendall(json.dumps(words).encode() + b"\n")


def send(pid: int, signum: int) -> None:
    """A signal to the rank and to the processes that it started."""
    with suppress(OSError):
        os.killpg(pid, signum)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
