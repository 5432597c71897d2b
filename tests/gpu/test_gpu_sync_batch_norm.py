"""SyncBatchNorm's halves on a card: one rank of two, whose other has the same batch."""

import pytest

from tests.ops.test_sync_batch_norm import assert_close
from tests.ops.test_sync_batch_norm_mirror import beside_a_mirror

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("dtype, close", [("float32", 3e-6), ("float16", 4e-3), ("float64", 1e-12)])
def test_a_rank_beside_its_mirror_image(dtype, close):
    assert_close(*beside_a_mirror("cuda", dtype), close)
