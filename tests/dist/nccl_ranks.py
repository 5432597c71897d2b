"""Ranks of an NcclGroup as threads, each on a device of CuPy's look-alike."""

import threading

from gpunn.backend import require_cupy
from gpunn.ranks.group import inside
from gpunn.ranks.nccl import NcclGroup
from tests.dist.together import Meeting


class Talk:
    """A client of the store's for ranks that are threads."""

    def __init__(self, rank, meeting):
        self.rank, self.meeting, self.doing, self.ended = rank, meeting, "", []

    def gather(self, key, value, timeout=None):
        keys, values = zip(*self.meeting.meet(self.rank, (key, value)), strict=True)
        assert len(set(keys)) == 1, f"ranks gather {keys}"
        return list(values)

    def where(self):
        return {0: "all_reduce number 2", 1: "all_reduce number 1"}

    def claim(self, key):
        return True

    def abort(self, code, words):
        self.ended.append((code, words))


def on_gpus(n, function, *args, devices=None, timeout=20.0):
    """What function(group, *args) gives on each of n ranks; the first error is raised."""
    talk, results, errors, groups = Meeting(n), [None] * n, [], []

    def run(rank):
        group, device = None, rank if devices is None else devices[rank]
        try:
            with require_cupy().cuda.Device(device):
                group = NcclGroup(rank, n, device, timeout, Talk(rank, talk))
                groups.append(group)
                with inside(group):
                    results[rank] = function(group, *args)
        except BaseException as error:
            errors.append(error)
            for each in groups:  # which would end this process
                each._watch.stop()
            talk.barrier.abort()
            if group is not None and group.comm is not None:
                group.comm.abort()
        finally:
            if group is not None:
                group._watch.stop()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError) or "in vain" in str(error))
    return results
