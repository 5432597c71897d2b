"""Arrays past 2^31 elements, run whole: in one test, so that they share the card's memory with nothing as large."""

import pytest

from gpunn.backend import require_cupy
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify import beyond, check

pytestmark = pytest.mark.gpu


def test_every_variant_takes_arrays_past_2_31_elements():
    if words := beyond.left_out("cuda"):
        print(words)
    rows = {}
    for task in beyond.beyond_tasks("cuda"):
        check(task, OPERATIONS[task.operation], rows.setdefault(task.operation, {}), "float16")
        require_cupy().get_default_memory_pool().free_all_blocks()
    assert not [row.failures for group in rows.values() for row in group.values() if row.failures]
