"""Which rank a process is, by the environment that its launcher gave it: torchrun's, Slurm's or MPI's variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gpunn.errors import DistError
from gpunn.text import brief

# Of each launcher: the variables of rank and size.
TORCHRUN, SLURM = ("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")
STEP = {"SLURM_STEP_ID", "SLURM_STEPID", "SLURM_STEP_NODELIST"}
MPI = (("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"))
PORT = 29500  # torchrun's, where none is given
STORE, SECRET = "GPUNN_STORE", "GPUNN_DIST_SECRET"  # where a launcher of ours keeps the ranks' store, and who may in


@dataclass(frozen=True)
class Place:
    """A process among the ranks: `how` is the launcher that said so, `address` where rank 0 can be found, if known."""

    rank: int
    size: int
    how: str  # "torchrun", "Slurm", "MPI", or "" for a process by itself
    address: tuple[str, int] | None = None


def place(environment: Mapping[str, str] | None = None) -> Place:
    """The place that the environment gives this process. DistError where it contradicts itself."""
    env = os.environ if environment is None else environment
    if any(name in env for name in TORCHRUN):
        return Place(*_numbers(env, *TORCHRUN), "torchrun", _master(env))
    of_mpi = next((Place(*_numbers(env, *names), "MPI") for names in MPI if names[0] in env), None)
    # A job's own script is one process, however many tasks the job may start; srun says where its step runs. A step
    # of one task is no run of several, and mpiexec starts one that starts the ranks on each node.
    if SLURM[0] in env and env.keys() & STEP and env.get(SLURM[1], "1") != "1":
        numbers = _numbers(env, *SLURM)
        if of_mpi is None or (of_mpi.rank, of_mpi.size) == numbers:
            return Place(*numbers, "Slurm", _slurm_master(env))
    return of_mpi or Place(0, 1, "")


def under_mpi(environment: Mapping[str, str] | None = None) -> bool:
    """Whether a launcher of MPI's started this process: others are worlds of one to it, and cannot be joined later."""
    env = os.environ if environment is None else environment
    return any(name in env for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"))


def is_first(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this process has the number 0, or none, among those started with it, whatever else they were told.

    One whose variables make no number has nobody to speak for it, nor maybe one to whom neither torchrun nor our own
    launcher gave them: they may be left over in a shell.
    """
    env = os.environ if environment is None else environment
    by_mpi = next((env[name] for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK") if name in env), None)
    if by_mpi is not None:
        return by_mpi.strip() == "0"
    try:
        found = place(env)
    except DistError:
        return True
    return found.rank == 0 or (found.how == "torchrun" and not {"TORCHELASTIC_RUN_ID", STORE} & env.keys())


def _numbers(env: Mapping[str, str], rank_name: str, size_name: str) -> tuple[int, int]:
    for name, other in ((rank_name, size_name), (size_name, rank_name)):
        if name not in env:
            raise DistError(
                f"dist.init: {other} is {brief(env[other])} but {name} is not set; set both, or start the ranks with: "
                "gpunn launch -n 4 train resnet20"
            )
    rank, size = (whole(env, name) for name in (rank_name, size_name))
    if not size:
        raise DistError(f"dist.init: {size_name} is 0, expected 1 at least; start the ranks anew")
    if not 0 <= rank < size:
        raise DistError(
            f"dist.init: {rank_name} is {rank}, expected 0 to {size - 1}, below {size_name}; start the ranks anew"
        )
    return rank, size


def whole(env: Mapping[str, str], name: str) -> int:
    """A variable as a whole number. DistError for anything else."""
    text = env[name].strip()
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DistError(f"dist.init: {name} is {brief(env[name])}, expected a whole number; set it to one")
    return int(text)


def _master(env: Mapping[str, str]) -> tuple[str, int]:
    """Where rank 0 serves: torchrun's agent may keep a store of its own on the port, and ours is on the next."""
    port = whole(env, "MASTER_PORT") if "MASTER_PORT" in env else PORT
    return env.get("MASTER_ADDR", "127.0.0.1"), port + (env.get("TORCHELASTIC_USE_AGENT_STORE") == "True")


def _slurm_master(env: Mapping[str, str]) -> tuple[str, int]:
    """The first host of the job's step, and a port that other jobs there are unlikely to have."""
    hosts = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST") or "127.0.0.1"
    job = int(digits[-1]) if (digits := re.findall(r"[0-9]+", env.get("SLURM_JOB_ID", ""))) else 0
    port = whole(env, "MASTER_PORT") if "MASTER_PORT" in env else 20000 + job % 20000
    return env.get("MASTER_ADDR") or first_host(hosts), port


def first_host(hosts: str) -> str:
    """The first of a list of hosts as Slurm writes it.

    >>> from gpunn.ranks.environment import first_host
    >>> first_host("node[007-012,20],big1"), first_host("a,b")
    ('node007', 'a')
    """
    head = re.match(r"([^\[,]*)(?:\[([^\],-]+)[^\]]*\])?([^\[,]*)", hosts)
    return "".join(part or "" for part in head.groups()) if head else hosts
