"""Every variant of every operation on every light case of the shape table, on the emulator, against plain loops."""

import pytest

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn import emulator as host
from gpunn import verify
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS

pytestmark = pytest.mark.usefixtures("emulator")


@pytest.fixture(scope="module", params=list(STORAGE))
def tasks(request):
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return request.param, list(verify.tasks("emulator", request.param))


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_every_variant_agrees_with_the_loops(operation, tasks):
    dtype, everything = tasks
    rows = {}
    for task in everything:
        if task.operation == operation:
            verify.check(task, OPERATIONS[operation], rows, dtype)
    assert set(rows) == {variant.name for variant in OPERATIONS[operation].variants}
    for row in rows.values():
        assert not row.failures, f"{operation} {row.variant} {dtype}: {row.failures}, worst {row.worst}"
        if dtype != "float64":  # tiled sums are float, so float64 goes to naive and depthwise
            assert row.ran > 1, f"{operation} {row.variant} {dtype} took no case"


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_no_result_depends_on_the_order_of_threads(operation):
    """Forward, reverse and random order of threads and blocks, and no two threads race for shared memory."""
    rows = {}
    with host.strict():
        for number, task in enumerate(t for t in verify.tasks("emulator", "float32") if t.operation == operation):
            if number % 3 == 0:
                verify.check(task, OPERATIONS[operation], rows, "float32")
    assert not [row.failures for row in rows.values() if row.failures]
