"""MPI as mpi4py has it: found, started, and ended with the process."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
from contextlib import suppress
from typing import Any

from gpunn.errors import DistError


def load() -> Any:
    """Start MPI; what mpi4py calls MPI. DistError where it, or an MPI library, is missing."""
    # MPICH's transport, UCX, takes SIGHUP as a wish for pages of what it does, so that a closed terminal ends nothing.
    os.environ.setdefault("UCX_DEBUG_SIGNO", "0")
    try:
        import mpi4py

        mpi4py.rc.initialize = False
        from mpi4py import MPI
    except ImportError as error:
        raise DistError(
            f"dist.init: ranks on cpu and emulator need MPI, which is missing ({error}); install it with: "
            'pip install "gpunn[mpi]"'
        ) from error
    except RuntimeError as error:  # mpi4py finds no library to load
        raise DistError(
            f"dist.init: mpi4py finds no MPI library ({str(error).splitlines()[0]}); install one with: "
            "pip install mpich"
        ) from error
    if not MPI.Is_initialized():
        _initialise(MPI)
    # MPICH tells survivors of a death by this signal, which would end Python; who died is said by our own store.
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return MPI


def _initialise(MPI: Any) -> None:
    """Wait for the other ranks without Python's lock, which mpi4py would hold: nobody could look at the time."""
    start = getattr(ctypes.CDLL(MPI.__file__), "MPI_Init_thread", None)
    if start is None:  # Windows finds what a library has itself, not what it stands on
        MPI.Init_thread()
    else:
        start(None, None, MPI.THREAD_MULTIPLE, ctypes.byref(ctypes.c_int()))
    for comm in (MPI.COMM_WORLD, MPI.COMM_SELF):  # as mpi4py has it
        comm.Set_errhandler(MPI.ERRORS_RETURN)
    owner = os.getpid()  # a fork of it leaves MPI alone
    atexit.register(lambda: os.getpid() != owner or MPI.Is_finalized() or MPI.Finalize())


def forget_names() -> None:
    """Remove the names of the memory that ranks of a host share, once all have it: MPICH leaves those of killed ranks.

    Else each crash keeps 2 to 4 MB of /dev/shm, of which a container has 64 MB.
    """
    with suppress(OSError), open("/proc/self/maps") as maps:  # of Linux alone
        names = {line.split()[5] for line in maps if "/dev/shm/mpich_shm_" in line}
        for name in names:
            with suppress(FileNotFoundError):  # another rank of this host was faster
                os.unlink(name)
