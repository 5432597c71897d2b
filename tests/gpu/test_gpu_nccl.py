"""NCCL on the cards that there are, one rank each, as threads: one card is one rank, whose sums are what it has."""

import ctypes

import numpy as np
import pytest

import gpunn
from gpunn import backend
from gpunn.asked import dtype_of
from gpunn.backend import require_cupy
from gpunn.cuda.graph import Graph
from gpunn.cuda.places import Place
from gpunn.errors import DeviceError
from tests.dist.nccl_ranks import on_gpus
from tests.dist.test_nccl import in_order, numbers
from tests.dist.test_nccl_captured import step
from tests.dist.test_nccl_steps import taught
from tests.train.captured_steps import same

pytestmark = pytest.mark.gpu
TYPES = ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int32", "uint32", "int64", "uint64", "int16"]


@pytest.fixture(scope="module")
def count():
    """How many ranks."""
    try:
        backend.require_nccl()
    except DeviceError as error:
        pytest.skip(str(error))
    return min(4, require_cupy().cuda.runtime.getDeviceCount())


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_by_both_ways(dtype, count):
    cupy, kind = require_cupy(), dtype_of("bf16") if dtype == "bfloat16" else np.dtype(dtype)
    ops = ["sum", "prod", "min", "max"] + (["avg"] if kind.kind in "fV" else [])

    def run(group):
        found = []
        for op in ops:
            for ordered in (True, False):
                a = cupy.asarray(numbers(group.rank, dtype, (count, 5)))
                rows, out, gathered = a.copy(), cupy.empty((5,), a.dtype), cupy.empty((count, *a.shape), a.dtype)
                group.reduce_scatter(out, rows, op, ordered).wait()
                group.all_gather(gathered, rows).wait()
                group.all_reduce(a, op, ordered).wait()
                group.broadcast(rows, count - 1).wait()
                found.append((op, ordered, *[one.get() for one in (a, out, gathered, rows)]))
        group.close()
        return found

    parts = [numbers(rank, dtype, (count, 5)) for rank in range(count)]
    for rank, found in enumerate(on_gpus(count, run)):
        for op, ordered, whole, mine, gathered, last in found:
            want = in_order(parts, op)
            if ordered or count == 1 or kind.kind not in "fV":
                assert whole.tobytes() == want.tobytes() and mine.tobytes() == want[rank].tobytes(), (op, ordered)
            else:
                got, wanted = np.stack([whole, whole]).astype(np.float64), np.stack([want, want]).astype(np.float64)
                np.testing.assert_allclose(got, wanted, rtol=2e-2 if kind.itemsize == 2 else 1e-5, atol=1e-2)
            assert gathered.tobytes() == np.stack(parts).tobytes() and last.tobytes() == parts[-1].tobytes()


@pytest.mark.parametrize("ordered", [False, True])
def test_buckets_of_two_ranks_in_a_graph(ordered, count):
    """Replays have the bits of eager calls, NCCL's among their nodes; who leaves does not wait for the graph."""
    cupy = require_cupy()

    def run(group):
        rng = np.random.default_rng(group.rank)
        data = [rng.standard_normal(size).astype(np.float32) for size in (1 << 12, 1 << 20)]
        eager, given, place = [cupy.asarray(a) for a in data], [cupy.asarray(a) for a in data], Place(group.rank)
        for _ in range(11):
            step(group, eager, ordered)
        place.measured(step, group, given, ordered)
        graph = place.inside(Graph, place, lambda: step(group, given, ordered), {})
        for number in range(10):
            place.inside(graph.replay, number + 1)
        group.barrier()
        nodes = ctypes.c_size_t()
        driver = ctypes.CDLL("libcuda.so.1")
        assert driver.cuGraphGetNodes(ctypes.c_void_p(graph._graph.graph), None, ctypes.byref(nodes)) == 0
        assert all(a.get().tobytes() == b.get().tobytes() for a, b in zip(eager, given, strict=True))
        group.close()
        return nodes.value

    assert min(on_gpus(count, run)) > (6 if count > 1 or not ordered else 4)


def test_a_captured_step_is_an_eager_one(count):
    def run(group):
        found = [taught(group, require_cupy(), capture, None) for capture in (False, True)]
        group.close()
        return found

    for eager, captured in on_gpus(count, run):
        assert eager[0] == captured[0] and same(eager[1], captured[1]) and captured[2].captured


def test_an_error_of_nccls_is_said_in_words(count):
    def run(group):
        with pytest.raises(gpunn.DistError, match="NCCL failed on rank 0, NCCL_ERROR_INVALID_ARGUMENT"):
            group.broadcast(require_cupy().ones(3), src=count)
        a = require_cupy().ones(3)
        group.all_reduce(a).wait()  # and the next works
        return a.get().tolist()

    assert on_gpus(1, run) == [[1.0] * 3]


def test_two_ranks_of_one_gpu_are_refused(count):
    with pytest.raises(gpunn.DistError, match=r"ranks 0 and 1 on .* both have its GPU"):
        on_gpus(2, lambda group: None, devices=[0, 0])
