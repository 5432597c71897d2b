"""Ranks for tests of the store: threads of one process, which note that the run has ended instead of ending it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

from gpunn.ranks.client import Client
from gpunn.ranks.store import Store

SECRET = "a secret"


class Rank(Client):
    """A client that notes why the run ended, and whether it is the one to say so."""

    def __init__(self, address, rank, size, secret=SECRET, timeout=5.0):
        self.told = SimpleQueue()
        super().__init__(address, secret, rank, size, timeout)

    def ended(self, end, speaks):
        self.told.put((end, speaks))

    def die(self):
        """As the kernel ends the connections of a killed process."""
        self._leaving = True
        self._sock.shutdown(2)


@contextmanager
def store(size, **options):
    """A store, closed at the end, whose thread has gone then."""
    server = Store(size, SECRET, **options)
    try:
        yield server
    finally:
        server.close()
        assert not any(thread.name == "gpunn store" for thread in threading.enumerate())


@contextmanager
def ranks(size, **options):
    """A store and all its ranks, which have left at the end."""
    with store(size, **options) as server:
        clients = [Rank(server.address, rank, size) for rank in range(size)]
        try:
            yield server, clients
        finally:
            for client in clients:
                client.leave()


def at_once(function, items):
    """The function's results, each of its calls in a thread of its own."""
    items = list(items)
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(function, items))
