"""Every row on tensor cores: strict on the emulator with early and late copies, and its error against float64."""

import os
from functools import cache

import numpy as np
import pytest

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn import emulator as host
from gpunn import verify
from gpunn.asked import precision
from gpunn.backend import to_device, to_numpy
from gpunn.cuda.conv_tensor import FEWEST_TERMS
from gpunn.cuda.dtypes import CORES_READ
from gpunn.cuda.variants import OPERATIONS, tracing, use_variant
from gpunn.reference import cases, edges
from gpunn.verify.products import product_tasks
from gpunn.verify.tasks import of_case
from tests.kernels.turns import by_kernel, by_turns

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="each tile and precision is a kernel to compile: in CI")
pytestmark = [pytest.mark.usefixtures("emulator"), in_ci]

ROWS = {
    (name, kind): rows
    for name, operation in OPERATIONS.items()
    for kind in CORES_READ
    if (rows := [variant for variant in operation.variants if variant.precision == kind])
}
LIMITS = {"tf32": 1e-3, "bf16": 1e-2, "fp16": 2e-3}
FLOAT = {"conv2d": "tiled64", "conv3d": "naive", "matmul": "tile64", "linear": "tile64"}  # adds up one after the other
LAST_PLACE = 2.0**-23  # of the largest result
LARGE = ("last part", "16-byte channels, more than")  # seconds a strict launch


# ---------------------------------------------------------------- strict launches
@cache
def given(dtype):
    return list(verify.tasks("emulator", dtype))


@pytest.mark.parametrize("name, kind", ROWS)
def test_no_result_depends_on_the_order_of_threads_or_copies(name, kind):
    """Each tile on a case. All on all: GPUNN_EMULATOR_STRICT=1 gpunn verify --device emulator."""
    dtype = "tf32" if kind == "tf32" else CORES_READ[kind]
    tasks = [task for task in given(dtype) if task.operation == name and not task.case.startswith(LARGE)]
    for rows in by_kernel(ROWS[name, kind]):
        for variant in rows:
            row = verify.Row(name, variant.name, dtype)
            for task in sorted(tasks, key=lambda task: variant not in by_turns(rows, task.case)):
                with host.strict():
                    verify.check_variant(task, variant, row, None)
                if row.ran:
                    break
            assert row.ran and not row.failures, row


# ---------------------------------------------------------------- errors against float64
def shapes(give):
    """The tasks of sums of products, of numbers drawn from a normal distribution."""
    for case in [*cases.light(cases.CONV2D), *cases.CONV3D, *edges.CONV2D, *edges.CONV3D]:
        if case.x[0] and case.w[1] > 1 and not ("NaN" in case.name or case.name.startswith("last part")):
            yield from of_case(case, *map(give, case.arrays()))
    for task in product_tasks(give):
        if not task.case.startswith("NaN") and not (task.operation == "linear.forward" and "tanh" in task.case):
            yield task  # tanh ends at 1, whatever was added up


@cache
def exact():
    """What float64 makes of them, each asked for once."""
    return [(task.operation, task.case, cache(task.want)) for task in shapes(lambda array: array)]


@cache
def rounded(kind):
    """The same tasks on the emulator, in the type that a precision reads."""
    dtype = verify.numpy_dtype(CORES_READ[kind])
    return list(shapes(lambda array: None if array is None else to_device(array.astype(dtype), "emulator")))


def ran(task, name, kind):
    """The results of a task by a variant; None where that does not take it."""
    try:
        with use_variant(task.operation, name), precision("tf32" if kind == "tf32" else "fp32"), tracing() as calls:
            got = task.run()
    except ValueError as error:
        assert "does not take this call" in str(error)
        return None
    return got if name in [call.variant for call in calls] else None


def errors(got, want):
    """Largest error and root mean square of each result, over the largest number that was added up to."""
    off = [
        np.abs(to_numpy(one).astype(np.float64) - values) / (scale or np.abs(values).max())
        for one, (values, _, scale) in zip(got, want, strict=True)
    ]
    return np.array([(one.max(), np.sqrt(np.mean(one**2))) for one in off])


@pytest.mark.parametrize("name, kind", [row for row in ROWS if row[0].partition(".")[0] in FLOAT])
def test_errors_are_those_of_the_precision(name, kind):
    """On every case, the tiles by turns: they add up alike. Three TF32: twice what float multiply-adds err."""
    seen = 0
    for task, (_, case, want) in zip(rounded(kind), exact(), strict=True):
        assert task.case == case
        for row in by_turns(ROWS[name, kind], case) if task.operation == name else ():
            got = ran(task, row.name, kind)
            short = kind == "3xtf32" and min(terms for _, terms, _ in want()) < FEWEST_TERMS
            if got is None or short or not all(values.any() for values, _, _ in want()):
                continue
            seen += 1
            found = errors(got, want())
            if kind == "3xtf32":
                floats = (task.run(), ran(task, FLOAT[name.partition(".")[0]], kind))
                allowed = 2 * np.max([errors(one, want()) for one in floats if one is not None], axis=0)
                allowed = np.maximum(allowed, LAST_PLACE)  # of few products floats may be right by chance
            else:
                allowed = LIMITS[kind]
            assert (found < allowed).all(), f"{row.name} {task.case}: {found}, allowed {allowed}"
    assert seen
