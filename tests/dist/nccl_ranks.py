"""Ranks of an NcclGroup as threads, each on a device of CuPy's look-alike."""

from gpunn.backend import require_cupy
from gpunn.ranks.group import inside
from gpunn.ranks.nccl import NcclGroup
from tests.dist.together import Meeting, in_threads


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


def on_gpus(n, function, *args, devices=None, timeout=300.0):
    """What function(group, *args) gives on each of n ranks; the first error is raised."""
    talk, groups = Meeting(n), []

    def run(rank):
        group, device = None, rank if devices is None else devices[rank]
        try:
            with require_cupy().cuda.Device(device):
                group = NcclGroup(rank, n, device, timeout, Talk(rank, talk))
                groups.append(group)
                with inside(group):
                    return function(group, *args)
        except BaseException:
            for each in groups:  # which would end this process
                each._watch.stop()
            talk.barrier.abort()
            if group is not None and group.comm is not None:
                group.comm.abort()
            raise
        finally:
            if group is not None:
                group._watch.stop()

    return in_threads(n, run, follows=lambda error: "in vain" in str(error))
