"""PyTorch's way to join the ranks."""

from __future__ import annotations

from datetime import timedelta

from gpunn import backend as backends
from gpunn.errors import DistError
from gpunn.ranks.ending import destroy as destroy_process_group
from gpunn.ranks.group import Group
from gpunn.ranks.start import init

DEVICES = {"nccl": "cuda", "gloo": "cpu", "mpi": "cpu"}  # where what each of PyTorch's backends moves lies


def init_process_group(
    backend: str | backends.Device | None = None,
    init_method: str | None = None,
    timeout: timedelta | float | None = None,
    world_size: int = -1,
    rank: int = -1,
) -> Group:
    """Join the ranks that a launcher has started this process as one of: `dist.init`, with torch.distributed's words.

    Args:
        backend: "nccl" for arrays on `cuda`; "gloo" or "mpi" for those on `cpu`, which are MPI's; or a device, such as
            "emulator"; None: the default device.
        init_method: None or "env://": the launcher's variables say who the ranks are.
        timeout: to wait for other ranks, a timedelta or seconds; None: 300 s.
        world_size, rank: what the launcher says, or -1.

    DistError: another way to meet, numbers other than the launcher's, and what `dist.init` raises.

    >>> group = gpunn.dist.init_process_group("gloo")
    >>> gpunn.dist.get_rank(), gpunn.dist.get_world_size()
    (0, 1)
    >>> gpunn.dist.destroy_process_group()
    """
    if init_method not in (None, "env://"):
        raise DistError(
            f"dist.init_process_group: init_method is {init_method!r}, expected None or 'env://'; start the ranks with "
            "gpunn launch, mpiexec, srun or torchrun, whose variables say who they are"
        )
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else 300.0 if timeout is None else timeout
    device = DEVICES.get(backend.lower(), backend) if isinstance(backend, str) else backend
    group = init(device, seconds)
    if world_size not in (-1, group.size) or rank not in (-1, group.rank):
        found = group.rank, group.size
        destroy_process_group()
        raise DistError(
            f"dist.init_process_group: rank is {rank} and world_size {world_size}, but the launcher started this "
            f"process as rank {found[0]} of {found[1]}; leave both out"
        )
    return group
