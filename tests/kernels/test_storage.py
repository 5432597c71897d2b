"""The 16-bit storage types: how kernels round on the way out and widen on the way in, every special case."""

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.cuda import adaptive_pool, matmul
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks, kernel

pytestmark = pytest.mark.usefixtures("emulator")


def dtype_of(name):
    return np.dtype(name) if name == "float16" else np.dtype(pytest.importorskip("ml_dtypes").bfloat16)


def special(kind):
    """Every 16-bit value, the middles between neighbours and the floats beside those: where rounding decides."""
    values = np.arange(2**16, dtype=np.uint16).view(kind).astype(np.float32)
    ordered = np.unique(values[np.isfinite(values)])
    with np.errstate(over="ignore"):
        middles = np.concatenate([(ordered[1:] + ordered[:-1]) / 2, [65519.996, 65520, -65520, 1e30, -1e30]])
    middles = middles.astype(np.float32)
    beside = [np.nextafter(middles, np.float32(way)) for way in (np.inf, -np.inf)]
    ends = np.array([np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-45, 0.0, -0.0], np.float32)
    return np.concatenate([ordered, middles, *beside, ends])


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_results_are_rounded_to_the_nearest_even_number_as_numpy_rounds(name):
    kind = dtype_of(name)
    values = special(kind)
    got = host.empty(values.size, kind)
    launch = kernel("reduce/sum_parts", **storage_macros(name))
    launch((blocks(values.size, 256),), (256,), host.EmulatedArray.of(values[None]), got, values.size, 1)
    with np.errstate(over="ignore"):
        want = values.astype(kind)
    numbers = ~np.isnan(values)
    found, wanted = (np.asarray(a).view(np.uint16)[numbers] for a in (got, want))
    wrong = np.flatnonzero(found != wanted)
    assert not wrong.size, [(values[numbers][i], hex(found[i]), hex(wanted[i])) for i in wrong[:4]]
    assert np.isnan(np.asarray(got)[~numbers].astype(np.float32)).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_value_is_read_exactly(name):
    kind = dtype_of(name)
    x = np.arange(2**16, dtype=np.uint16).view(kind).reshape(1, 1, 256, 256)
    y = np.asarray(adaptive_pool.avg_forward(host.EmulatedArray.of(x), (256, 256)))
    np.testing.assert_array_equal(y.astype(np.float32), x.astype(np.float32))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_products_of_matrices_keep_the_storage_type(name):
    a = host.EmulatedArray.of(np.ones((2, 3), dtype_of(name)))
    y = matmul.matmul(a, a.T)
    assert y.dtype == a.dtype and y.tolist() == [[3, 3], [3, 3]] and type(y) is host.EmulatedArray
