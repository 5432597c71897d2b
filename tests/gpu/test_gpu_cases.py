"""Every variant x every case of the shape table, real network layers included, on the CUDA device."""

import pytest

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn import verify
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("dtype", list(STORAGE))
@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_every_variant_agrees_with_the_loops(operation, dtype):
    rows = {}
    for task in verify.tasks("cuda", dtype):
        if task.operation == operation:
            verify.check(task, OPERATIONS[operation], rows, dtype)
    assert rows
    for row in rows.values():
        assert not row.failures, f"{operation} {row.variant} {dtype}: {row.failures}, worst {row.worst}"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_layers_of_real_networks_agree_with_the_loops(operation):
    rows = {}
    for task in verify.tasks("cuda", "float32", light=False):
        if task.operation == operation:
            verify.check(task, OPERATIONS[operation], rows, "float32")
    assert not [row.failures for row in rows.values() if row.failures]
