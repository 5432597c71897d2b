"""How ranks are started: through mpiexec where they work on CPUs, one by one with torchrun's variables on GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gpunn.errors import DistError
from gpunn.machine import cores
from gpunn.ranks.environment import SECRET, STORE, TORCHRUN
from gpunn.text import one_line

# What a batch job says of its own first process, which the ranks would take for theirs.
OF_THE_JOB = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
# Of the libraries that compute on several threads; the others heed OMP_NUM_THREADS.
THREADS = ("OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ASKING = 30.0  # seconds that mpiexec has to say what it is

Start = tuple[Sequence[str], Mapping[str, str]]


@dataclass(frozen=True)
class Nodes:
    """Machines that start as many ranks each: how many, which this is, and where the first one's store listens."""

    count: int = 1
    number: int = 0
    master: tuple[str, int] = field(default=("127.0.0.1", 0))


@dataclass(frozen=True)
class Plan:
    """What to start: `count` ranks on this machine of `command`, a gpunn command, a script or -m and a module.

    `go_on` makes the command that goes on with the run in a folder; `options` are launch's own, for people.
    """

    command: Sequence[str]
    count: int
    cuda: bool = False
    restarts: int = 0
    nodes: Nodes = field(default_factory=Nodes)
    options: Sequence[str] = ()
    go_on: Callable[[str], Sequence[str]] | None = None

    def after(self, values: Mapping[str, str]) -> Sequence[str]:
        """The command to start next, where the ranks so far have put these values into their store."""
        return self.go_on(values["run"]) if self.go_on and "run" in values else self.command


def starts(cuda: bool, count: int, nodes: Nodes, store: tuple[str, int], secret: str) -> list[Start]:
    """What starts `count` ranks on this machine: arguments before a rank's command, and the environment.

    `store` and `secret` are of the ranks' store. DistError where there is no mpiexec.
    """
    env = {name: value for name, value in os.environ.items() if name not in OF_THE_JOB}
    for name in THREADS:
        env.setdefault(name, str(max(1, cores() // count)))
    env |= {STORE: f"{store[0]}:{store[1]}", SECRET: secret}
    if not cuda:
        options, settings = mpiexec_options(find_mpiexec(), count)
        return [(options, settings | env)]
    first, size = nodes.number * count, nodes.count * count
    shared = env | {
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": store[0],
        "MASTER_PORT": str(store[1] + 1),  # for whatever else the program begins: the store's own port is taken
    }
    return [([], shared | {"RANK": str(first + local), "LOCAL_RANK": str(local)}) for local in range(count)]


def arguments_of(command: Sequence[str]) -> list[str]:
    """The arguments of a rank's process."""
    ours = not (command[0] == "-m" or command[0].endswith(".py"))
    return [sys.executable, *(["-m", "gpunn"] if ours else []), *command]


def find_mpiexec() -> str:
    """The mpiexec beside this Python, where the mpich wheel puts it, or on the PATH. DistError where there is none."""
    folders = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    path = shutil.which("mpiexec", path=folders)
    if path is None:
        raise DistError(
            "launch: ranks on cpu and emulator are started by mpiexec, which is neither beside Python nor on the PATH; "
            'install it with: pip install "gpunn[mpi]"'
        )
    return path


def mpiexec_options(path: str, count: int) -> tuple[list[str], dict[str, str]]:
    """The arguments by which this mpiexec starts `count` processes here, and the settings it needs.

    MPICH's would spread them over the machines of a batch job; Open MPI's would refuse more than there are cores, bind
    each to one, and not run as root.
    """
    try:
        asked = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=ASKING,
        )  # fmt: skip
        trouble = "" if asked.returncode == 0 else f"exit code {asked.returncode}: {one_line(asked.stderr)}"
    except (OSError, subprocess.TimeoutExpired) as error:
        trouble = one_line(str(error))
    if trouble:
        raise DistError(f'launch: {path} does not work ({trouble}); mend it, or install: pip install "gpunn[mpi]"')
    number = ["-n", str(count)]
    if "Open MPI" in asked.stdout or "OpenRTE" in asked.stdout:
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} if os.geteuid() == 0 else {}
        return [path, *number, "--host", f"localhost:{count}", "--bind-to", "none"], root
    here = ["-launcher", "fork", "-rmk", "user"] if "HYDRA" in asked.stdout else []
    return [path, *here, *number], {}


def check_outermost() -> None:
    """DistError within a rank: ranks start no ranks."""
    for name in (STORE, *TORCHRUN, "PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK"):
        if name in os.environ:
            raise DistError(
                f"launch: this process is a rank already ({name} is set), and starts no ranks of its own; "
                "leave one of the launchers away"
            )
