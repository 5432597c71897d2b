"""Joining the ranks: from what the environment says of a process to its group."""

from __future__ import annotations

import os
import secrets
import socket
import threading

from gpunn import backend, stopping
from gpunn.errors import DistError, GpunnError
from gpunn.ranks import environment, mpi, mpi_loading
from gpunn.ranks.client import Client
from gpunn.ranks.ending import here, leave_to_the_first, watch_the_end
from gpunn.ranks.environment import Place
from gpunn.ranks.group import Alone, Group, begun, set_world
from gpunn.ranks.secret import local_secret
from gpunn.ranks.store import Store
from gpunn.scalars import as_number
from gpunn.terminal import say

LINE = "gpunn launch -n {size} train NAME, or mpiexec -n {size} gpunn train NAME"
COPIES = 2.0  # seconds in which a signal to all processes of a job has reached a rank by all ways


def init(device: str | backend.Device | None = None, timeout: float = 300.0) -> Group:
    """Join the ranks that a launcher has started this process as one of, and return them.

    torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT) come first, then Slurm's, then MPI's.
    On `cuda` collectives are NCCL's, and a GPU of its own becomes this rank's current one; on `cpu` and `emulator` they
    are MPI's. A process that nobody started as a rank is alone, and collectives give what they are given. A rank that
    dies ends all others, within seconds and with a line that names it.

    Args:
        device: "cpu", "emulator" or "cuda", where the arrays are; None: the default device.
        timeout: seconds to wait for other ranks, now and in each collective.

    Raises:
        DistError: variables that contradict themselves; a rank that has not come in time, with its number; two ranks of
            one number; MPI or NCCL missing, with the line that installs it; torchrun's or Slurm's variables on `cpu`
            without MPI; more ranks on a host than GPUs.

    Examples:
        >>> group = gpunn.dist.init()
        >>> group.rank, group.size
        (0, 1)
        >>> gpunn.dist.destroy_process_group()
    """
    if begun() is not None:
        raise DistError(
            "dist.init: the ranks were joined already; call it once, or dist.destroy_process_group() before"
        )
    if not as_number("dist.init", "timeout", timeout) > 0:
        raise DistError(f"dist.init: timeout is {timeout}, expected seconds above 0; leave it out for 300")
    try:
        kind = backend.default_device().type if device is None else backend.device(device).type
        place = environment.place()
        if place.size == 1:
            group: Group = Alone()
        else:
            group = _over_nccl(place, timeout) if kind == "cuda" else _over_mpi(place, timeout)
            watch_the_end()
            stopping.take_copies_as_one(COPIES)
    except GpunnError as error:
        leave_to_the_first(error)
        raise
    set_world(group)
    return group


def check_joined(who: str) -> None:
    """DistError where a launcher has started this process as one of several ranks, and nobody has joined them."""
    if begun() is None and (here := environment.place()).size > 1:
        raise DistError(
            f"{who}: this process is rank {here.rank} of {here.size}, by {here.how}'s variables, but the ranks were "
            "not joined; call gpunn.dist.init() before"
        )


# ---------------------------------------------------------------- the transports
def _over_mpi(place: Place, timeout: float) -> Group:
    if not environment.under_mpi():
        raise DistError(
            f"dist.init: {place.how}'s variables say rank {place.rank} of {place.size}, but on cpu ranks are "
            f"MPI's, which joins only what it started itself; start them with: {LINE.format(size=place.size)}"
        )
    _join_launcher(place, timeout)
    comm, client = _by_mpi(place, timeout)
    group = mpi.MpiGroup(comm, timeout, client)
    hosts = group.exchange(socket.gethostname())
    mpi_loading.forget_names()  # all are through MPI's start
    group.local_rank, group.local_size = _among(hosts, place.rank)
    return group


def _over_nccl(place: Place, timeout: float) -> Group:
    from gpunn.ranks import nccl  # which needs CuPy

    backend.require_nccl()
    client = _join_launcher(place, timeout)
    if client is None and place.address is None:
        _, client = _by_mpi(place, timeout)
    if client is None:
        client = _join_at(place, timeout)
    hosts = client.gather("hosts", socket.gethostname(), timeout)
    local_rank, local_size = _among(hosts, place.rank)
    group = nccl.NcclGroup(place.rank, place.size, nccl.gpu_for(local_rank, local_size), timeout, client)
    group.local_rank, group.local_size = local_rank, local_size
    return group


def _among(hosts: list[str], rank: int) -> tuple[int, int]:
    """This rank's number among those of its host, and how many these are."""
    return hosts[:rank].count(hosts[rank]), hosts.count(hosts[rank])


def _by_mpi(place: Place, timeout: float) -> tuple[mpi.Communicator, Client]:
    """MPI's communicator of all ranks, apart from what a program itself sends, and this rank's client."""
    # What MPI does before there is a store has no limit of its own; the first rank to give up ends the others.
    late = threading.Timer(timeout + place.rank / place.size, _give_up, (place, timeout))
    late.daemon = True
    late.start()
    address, secret = ("", 0), ""
    try:
        comm = _world_of_mpi(place)
        if here.client is None:
            address, secret = _served_by_mpi(comm)
    finally:
        late.cancel()
    return comm, here.client or _joined(address, secret, comm.Get_rank(), comm.Get_size(), timeout)


def _world_of_mpi(place: Place) -> mpi.Communicator:
    """DistError on all ranks where MPI has other ranks than the environment of any says."""
    comm = mpi_loading.load().COMM_WORLD
    for rank, (how, said, size) in enumerate(comm.allgather((place.how, place.rank, place.size))):
        if (said, size) != (rank, comm.Get_size()):
            raise DistError(
                f"dist.init: {how} says rank {said} of {size}, MPI rank {rank} of {comm.Get_size()}; start the ranks "
                f"by one launcher: {LINE.format(size=comm.Get_size())}"
            )
    here.reaching = True
    return comm.Dup()


def _give_up(place: Place, timeout: float) -> None:
    """End the process, which waits for others inside MPI's own start."""
    say(
        f"gpunn: rank {place.rank}: MPI has waited {timeout:g} s for the others to start; see whether they could, or "
        "start them with gpunn launch, which says who is missing"
    )
    mpi_loading.forget_names()  # nobody else will
    os._exit(1)


# ---------------------------------------------------------------- the store
def _join_launcher(place: Place, timeout: float) -> Client | None:
    """A client of the store that our own launcher keeps, once all ranks have come to it; None where there is none."""
    if not (where := os.environ.get(environment.STORE)):
        return None
    host, _, port = where.rpartition(":")
    client = _joined((host, int(port)), os.environ.get(environment.SECRET, ""), place.rank, place.size, timeout)
    client.gather("come", "", timeout)  # who is missing is known here, and would hang the start of MPI
    return client


def _served_by_mpi(comm: mpi.Communicator) -> tuple[tuple[str, int], str]:
    """Address and secret of a store that rank 0 serves, which MPI carries."""
    hosts = comm.allgather(socket.gethostname())
    told = None
    if comm.Get_rank() == 0:
        secret, here = secrets.token_hex(32), "127.0.0.1" if len(set(hosts)) == 1 else ""
        told = (here or hosts[0], _serve(comm.Get_size(), secret, here, 0)), secret
    return comm.bcast(told)


def _join_at(place: Place, timeout: float) -> Client:
    """A client of the store that rank 0 serves at an address that all ranks know."""
    assert place.address is not None
    host, port = place.address
    secret = os.environ.get(environment.SECRET) or _secret_of(host, port)
    if place.rank == 0:
        _serve(place.size, secret, host, port)
    return _joined(place.address, secret, place.rank, place.size, timeout)


def _secret_of(host: str, port: int) -> str:
    """A secret for ranks of one user on one host."""
    try:
        number = socket.gethostbyname(host)
    except OSError as error:
        raise DistError(f"dist.init: MASTER_ADDR is {host}, which is no host ({error}); set it to rank 0's") from error
    if not number.startswith("127."):
        raise DistError(
            f"dist.init: ranks on several hosts (MASTER_ADDR is {host}) need a secret that they share; set "
            f"{environment.SECRET} on all of them to what, for example, openssl rand -hex 32 gives"
        )
    return local_secret(port)


def _serve(size: int, secret: str, host: str, port: int) -> int:
    """Serve the ranks' store in this process; its port."""
    here.stores.append(store := Store(size, secret, host, port))
    return store.address[1]


def _joined(address: tuple[str, int], secret: str, rank: int, size: int, timeout: float) -> Client:
    here.reaching = True
    here.client = Client(address, secret, rank, size, timeout)
    return here.client
