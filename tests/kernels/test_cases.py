"""Every variant of every operation on every light case of the shape table, on the emulator, against plain loops."""

import os
from functools import cache
from zlib import crc32

import pytest

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn import emulator as host
from gpunn import verify
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify.problems import problems
from gpunn.verify.tasks import TF32
from tests.kernels.turns import by_turns
from tests.thinned import one_in

pytestmark = pytest.mark.usefixtures("emulator")


@pytest.fixture(scope="module", params=[*STORAGE, TF32])
def tasks(request):
    if request.param == TF32 and "CI" not in os.environ:
        pytest.skip("tensor cores' variants on every case: in CI")
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return request.param, list(verify.tasks("emulator", request.param))


OF_ROWS = ("group_norm", "softmax", "local_response_norm")
PRODUCTS = ("matmul", "linear", "conv2d", "conv3d", "conv_pool", "conv_norm")
LAYERS = "recurrent.layer"
HALF = ("activation", "dropout", "optim.sgd", "softmax.forward")  # of each kind one
SAMPLED = ("packs of channels", "several tiles")
FILTERS = ("3x3", "5x5", "7x1", "2x3x2", "NaN", "no planes")  # each border and rank, rows of a tile and beyond it
ENOUGH = 8  # cases of a variant by default, but of convolutions and norms alone, whose loops take long
SLOW = ("batch_norm", "conv2d", "conv3d")
LONG_ROWS = ("longer than registers", "many rows of a block")


def asked(task, dtype):
    """By default float32, and float16 of a few operations; of rows no long ones, of products one order and no volumes,
    of layers LSTM, of filters, sampled images and functions of elements some.

    Each other one is a kernel to compile, a third of a second.
    """
    if "CI" in os.environ:
        return True
    if dtype == "float16" and task.operation.startswith(HALF):
        return not task.operation.startswith("activation") or task.case.startswith("relu (")
    if dtype != "float32" or task.operation.startswith("conv3d"):
        return False
    if task.operation.startswith("filter"):
        return task.case.startswith(FILTERS)
    if task.operation == "elementwise.map":
        return crc32(task.case.encode()) % 3 == 0
    if task.operation in ("grid_sample.forward", "grid_sample.backward"):
        return task.case.startswith(SAMPLED) and "bilinear" in task.case
    if task.operation.startswith(LAYERS):
        return dtype == "float32" and "LSTM" in task.case
    if task.operation.startswith(OF_ROWS):
        return not task.case.startswith(LONG_ROWS)
    return "transposed" not in task.case or not task.operation.startswith(PRODUCTS)


def of_matrices(operation):
    """Whose kernels are compiled for each order of their operands and each activation, in each tile."""
    return operation.startswith(("matmul", "linear"))


def of_here(operation, dtype):
    """Its variants, of TF32 on numbers of TF32 alone; tensor cores', and each tile of a product, where CI is set."""
    every = [v for v in OPERATIONS[operation].variants if (v.precision == TF32) == (dtype == TF32)]
    alike = PRODUCTS
    if "CI" in os.environ:  # kernels of conv2d, or its cores, whose tiles are tested there: one of each
        alike = "conv_norm" if dtype == "float32" else ("conv_norm", "conv3d")
    if operation.startswith(alike):
        every = list({(v.precision, v.sources): v for v in every}.values())
    return [v for v in every if v.precision == "fp32" or "CI" in os.environ]


@pytest.mark.every_case
@pytest.mark.parametrize("operation", one_in(2, OPERATIONS))
def test_every_variant_agrees_with_the_loops(operation, tasks):
    dtype, everything = tasks
    everything = [task for task in everything if asked(task, dtype)]
    if operation not in {task.operation for task in everything} or not of_here(operation, dtype):
        pytest.skip("where CI is set, or no variant multiplies so")
    rows, every, wanted = {}, OPERATIONS[operation], of_here(operation, dtype)
    thinned = operation.startswith(SLOW) and "CI" not in os.environ
    if thinned:
        everything = sorted(everything, key=lambda task: crc32(task.case.encode()))  # some of each kind
    # Tensor cores' tiles by turns: tests/kernels/test_tensor_cores.py has each of them.
    kept = () if of_matrices(operation) and "16" in dtype else ("fp32",)
    for task in everything:
        want = None
        for variant in by_turns(wanted, task.case, kept) if task.operation == operation else ():
            if "patch" in variant.name and "last part empty" in task.case:
                continue  # minutes: rectangles of 128 pixels for planes of two, thousands of them
            row = rows.setdefault(variant.name, verify.Row(every.name, variant.name, dtype))
            if not thinned or row.ran < ENOUGH:
                want = verify.check_variant(task, variant, row, want)
    assert set(rows) >= {variant.name for variant in wanted if variant.precision in kept}
    for row in rows.values():
        assert not row.failures, f"{operation} {row.variant} {dtype}: {row.failures}, worst {row.worst}"
    ran = {_kind(every.named(row.variant), kept) for row in rows.values() if row.ran}
    given = list(problems(every, "float32" if dtype == TF32 else dtype))
    for variant in wanted if dtype != "float64" else ():  # of which few cases are
        if any(map(variant.accepts, given)):
            assert _kind(variant, kept) in ran, f"{operation} {variant.name} {dtype} took no case"


def _kind(variant, kept):
    """What takes a turn together: a precision's tiles of a kernel, and each variant of the precisions that are kept."""
    return variant.name if variant.precision in kept else (variant.precision, variant.sources)


@cache
def of_float32():
    """Every case, listed once: a third of a second."""
    return list(verify.tasks("emulator", "float32"))


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_no_result_depends_on_the_order_of_threads(operation):
    """Forward, reverse and random order of threads and blocks, and no two threads race for shared memory."""
    rows = {}
    with host.strict():
        mine = [task for task in of_float32() if task.operation == operation]
        for number, task in enumerate(mine):
            every = 3 if "CI" in os.environ else max(3, len(mine) // 4)
            if number % every == 0 and asked(task, "float32"):
                for variant in of_here(operation, "float32"):
                    if variant.precision != "fp32":
                        continue  # tests/kernels/test_tensor_cores.py
                    row = rows.setdefault(variant.name, verify.Row(operation, variant.name, "float32"))
                    verify.check_variant(task, variant, row, None)
    assert not [row.failures for row in rows.values() if row.failures]
