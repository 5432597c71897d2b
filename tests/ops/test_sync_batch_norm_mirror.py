"""ops.sync_batch_norm beside a rank that has the same batch: one device is enough, the look-alike or a card."""

import numpy as np
import pytest

from gpunn.ranks.group import Group, Work, inside
from tests.ops.test_sync_batch_norm import alone, among, arrays, assert_close, run

pytestmark = pytest.mark.usefixtures("device_there")


class Mirror(Group):
    """One of two ranks that have the same batch: what the other sends is known."""

    def __init__(self, kind):
        super().__init__(0, 2)
        self.kind = kind

    def _all_gather(self, out, a):
        out[...] = a
        return Work()

    def _all_reduce(self, a, op, ordered):
        a *= 2
        return Work()


def beside_a_mirror(device, dtype="float32"):
    """What one of two ranks with half a batch each finds, and what one process with both halves does."""
    halves = arrays((12, 5, 4, 6), dtype)
    whole = [np.concatenate([a, a]) if a.ndim > 1 else a for a in halves]
    with inside(Mirror("nccl" if device == "cuda" else "mpi")):
        got = run(among, halves, slice(None), device)
    want = run(alone, whole, slice(None), device)
    return got, [a[:12] if a.ndim > 1 else a / 2 if i in (3, 4) else a for i, a in enumerate(want)]


@pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])
def test_a_rank_beside_its_mirror_image(device):
    assert_close(*beside_a_mirror(device), 3e-6)
