"""Ranks as threads of one process: the cheap way to test what needs several."""

import threading
from queue import SimpleQueue

import numpy as np

from gpunn.ranks.group import Group, Work, combined, inside


class Meeting:
    """Where the threads of a group exchange what they have: all come with a value, and get all values."""

    def __init__(self, size):
        self.barrier, self.values = threading.Barrier(size, timeout=300), [None] * size

    def meet(self, rank, value):
        self.values[rank] = value
        self.barrier.wait()
        found = list(self.values)
        self.barrier.wait()  # until all have looked, before the next come
        return found


class Threads(Group):
    """Threads as ranks; collectives run in a thread beside, as an MpiGroup's do."""

    kind = "mpi"

    def __init__(self, rank, size, meeting, talk):
        super().__init__(rank, size)
        self.meeting, self.talk = meeting, talk
        self.log = []  # of collectives: name and bytes
        self.jobs = SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while (job := self.jobs.get()) is not None:
            job.run()

    def close(self):
        self.jobs.put(None)

    def exchange(self, value):
        return self.talk.meet(self.rank, value)

    def start(self, name, a, job):
        self.log.append((name, a.nbytes))
        work = Job(job)
        self.jobs.put(work)
        return work

    def _all_reduce(self, a, op, ordered):
        def job():
            parts = [part.copy() for part in self.meeting.meet(self.rank, a)]
            self.meeting.meet(self.rank, None)  # all have copied what a is about to lose
            combined([*parts], op, a)

        return self.start("all_reduce", a, job)

    def _broadcast(self, a, src):
        def job():
            found = self.meeting.meet(self.rank, a)[src].copy()
            self.meeting.meet(self.rank, None)
            a[...] = found

        return self.start("broadcast", a, job)

    def _all_gather(self, out, a):
        def job():
            out[...] = np.stack([part.copy() for part in self.meeting.meet(self.rank, a)])
            self.meeting.meet(self.rank, None)

        return self.start("all_gather", a, job)

    def _reduce_scatter(self, out, a, op, ordered):
        def job():
            parts = [part[self.rank].copy() for part in self.meeting.meet(self.rank, a)]
            self.meeting.meet(self.rank, None)
            combined(parts, op, out)

        return self.start("reduce_scatter", a, job)


class Job(Work):
    def __init__(self, job):
        self.job, self.done, self.error = job, threading.Event(), None

    def run(self):
        try:
            self.job()
        except BaseException as error:
            self.error = error
        self.done.set()

    def wait(self):
        assert self.done.wait(300), "a rank has not come"
        if self.error is not None:
            raise self.error


def in_threads(n, run, follows=lambda error: False):
    """What run(rank) gives on n threads; raises the first error, one that only follows from another's last."""
    results, errors = [None] * n, []

    def work(rank):
        try:
            results[rank] = run(rank)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError) or follows(error))
    return results


def together(n, function, *args):
    """What function(group, *args) gives on each of n ranks, which are threads; the first error is raised."""
    meeting, talk = Meeting(n), Meeting(n)

    def run(rank):
        group = Threads(rank, n, meeting, talk)
        try:
            with inside(group):
                return function(group, *args)
        except BaseException:
            meeting.barrier.abort()
            talk.barrier.abort()
            raise
        finally:
            group.close()

    return in_threads(n, run)
