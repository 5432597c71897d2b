"""Ranks, processes forked by this one, of which one comes to harm: how each ended, as JSON on standard output.

    python -m tests.dist.programs.deaths kill stop abort served ...

Each word is a run of its own. Of each rank: its `code` (negative: the signal), `seconds` from the harm to its end, and
what it said, `words`; and `ends`, what the store told the launcher.
"""

import json
import os
import signal
import sys
import tempfile
import time

from gpunn.ranks import store
from gpunn.ranks.client import Client
from gpunn.ranks.store import Store
from gpunn.terminal import silence

SIZE, SECRET = 3, "a secret"


def live(rank, harm, ports, ready):
    """What a rank does: join, say that it has, and wait for what never comes, unless it is to end by itself."""
    server = None
    if harm == "served" and rank == 0:  # rank 0 keeps the store
        server = Store(SIZE, SECRET)
        os.write(ports[1], b"%-8d" % server.address[1] * (SIZE - 1))
    port = server.address[1] if server else int(os.read(ports[0], 8))
    client = Client(("127.0.0.1", port), SECRET, rank, SIZE)
    if rank == 0:
        client.put("checkpoint", "runs/1/checkpoint.npz (epoch 2)")
    print(f"rank {rank}, not flushed;", end="")
    client.gather("start", "")  # no harm comes before all have printed
    if harm == "worker" and rank == 2 and os.fork() == 0:  # as a loader's worker that outlives its rank
        time.sleep(3)
        os._exit(0)
    os.write(ready, b".")
    if harm == "abort" and rank == 1:
        client.abort(7, "rank 1: no loss")
        os._exit(7)
    if harm == "left":
        client.leave()
        time.sleep(0.2 * rank)
        os._exit(0)
    with silence(harm == "served"):  # as all ranks of gpunn train but rank 0
        time.sleep(120)


def started(harm):
    """The ranks' processes, once all are there, with the files of what they say; the store; what it told of an end."""
    ports, ready, ends = os.pipe(), os.pipe(), []
    said = [tempfile.TemporaryFile() for _ in range(SIZE + 1)]  # noqa: SIM115
    processes = {}
    for rank in range(SIZE):
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(said[rank].fileno(), 1)
                os.dup2(said[rank].fileno(), 2)
                sys.stdout = os.fdopen(1, "w")  # with a buffer, whatever PYTHONUNBUFFERED says
                live(rank, harm, ports, ready[1])
            finally:
                os._exit(99)
        processes[pid] = rank, said[rank]
    server = None
    if harm == "launcher":
        pid = os.fork()
        if pid == 0:
            server = Store(SIZE, SECRET, on_end=ends.append)
            os.write(ports[1], b"%-8d" % server.address[1] * SIZE)
            time.sleep(120)
            os._exit(99)
        processes[pid] = SIZE, said[SIZE]
    elif harm != "served":
        server = Store(SIZE, SECRET, on_end=ends.append if harm == "launched" else None)
        os.write(ports[1], b"%-8d" % server.address[1] * SIZE)
    os.close(ready[1])
    for _ in range(SIZE):
        os.read(ready[0], 1)
    return processes, server, ends


def run(harm):
    """One run: what became of each rank, and of the launcher."""
    processes, server, ends = started(harm)
    begin = time.monotonic()
    harmed = list(processes)[{"served": 0, "launcher": SIZE}.get(harm, 2)]
    if harm in ("kill", "worker", "launched", "served", "launcher"):
        os.kill(harmed, signal.SIGKILL)
    elif harm == "stop":
        os.kill(harmed, signal.SIGSTOP)
    found = {}
    while len(found) < len(processes):
        pid, status = os.wait()
        rank, said = processes[pid]
        said.seek(0)
        code, seconds = os.waitstatus_to_exitcode(status), time.monotonic() - begin
        found[rank] = {"pid": pid, "code": code, "seconds": seconds, "words": said.read().decode()}
        if harm == "stop" and len(found) == SIZE - 1:  # the others have ended: now it hears why
            os.kill(harmed, signal.SIGCONT)
    if server is not None:
        server.close()
    return {"ranks": [found[rank] for rank in sorted(found)], "ends": [vars(end) for end in ends]}


if __name__ == "__main__":
    store.BEAT = 0.3  # a rank that gets no core for 1.5 s is dead: a tenth of a minute would be a long test
    json.dump({harm: run(harm) for harm in sys.argv[1:]}, sys.stdout)
