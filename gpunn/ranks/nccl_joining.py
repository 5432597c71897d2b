"""How ranks with a GPU each become a group: which GPU is whose, and NCCL's communicator."""

from __future__ import annotations

import platform
import threading
import time
from typing import Any

from gpunn import backend
from gpunn.errors import DistError
from gpunn.ranks.mpi import LOOK


def gpu_for(local_rank: int, local_size: int) -> int:
    """The number of the GPU that is for a rank of this host. DistError where there are more ranks than GPUs.

    A launcher may have left each rank one GPU to see (CUDA_VISIBLE_DEVICES); that is then number 0.
    """
    count = backend.require_cupy().cuda.runtime.getDeviceCount()
    if local_rank < count:
        return local_rank
    if count == 1:  # whether it is another rank's, too, shows where they meet
        return 0
    raise DistError(
        f"dist.init: {local_size} ranks on host {platform.node()}, which has {count} GPUs, expected at most one rank a "
        f"GPU; start {count} ranks here: gpunn launch -n {count}, or train on cpu"
    )


def met(group: Any) -> bytes:
    """NCCL's id of the group, from rank 0, once all ranks are here. DistError where they do not fit together."""
    name = group.nccl.get_unique_id().hex() if group.rank == 0 else ""
    found = group.exchange([name, group.nccl.get_version(), platform.node(), group.device.pci_bus_id])
    owners: dict[tuple[str, str], int] = {}
    for rank, (_, version, host, bus) in enumerate(found):
        if version != found[0][1]:
            raise DistError(
                f"dist.init: rank {rank} on {host} has NCCL {version}, rank 0 on {found[0][2]} has {found[0][1]}, "
                "expected one version; install the same nvidia-nccl package on all hosts"
            )
        if (other := owners.setdefault((host, bus), rank)) != rank:
            raise DistError(
                f"dist.init: ranks {other} and {rank} on {host} both have its GPU {bus}, expected a GPU for each rank; "
                "start as many ranks as the host has GPUs, or train on cpu"
            )
    return bytes.fromhex(found[0][0])


def communicator(group: Any, name: bytes) -> Any:
    """NCCL's communicator: made in a thread beside, since nothing interrupts NCCL where it finds no way."""
    made: list[Any] = []

    def join() -> None:
        try:
            with group.device:
                made.append(group.nccl.NcclCommunicator(group.size, name, group.rank))
        except Exception as error:
            made.append(error)

    thread = threading.Thread(target=join, name="gpunn ranks join", daemon=True)
    started = time.monotonic()
    thread.start()
    while not made:
        thread.join(min(LOOK, group.timeout))
        if not made and time.monotonic() - started > group.timeout:
            raise DistError(
                f"dist.init: all {group.size} ranks are here, but NCCL finds no way between them in {group.timeout:g} "
                "s; name the network to take in NCCL_SOCKET_IFNAME (such as eth0), or see what NCCL_DEBUG=INFO says"
            )
    if isinstance(made[0], Exception):
        raise DistError(failure(group, "dist.init", made[0])) from made[0]
    return made[0]


def failure(group: Any, where: str, error: Exception) -> str:
    """The words of an error of NCCL's."""
    return f"{where}: NCCL failed on rank {group.rank}, {error}; set NCCL_DEBUG=WARN to see why"
