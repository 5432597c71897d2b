"""NCCL's calls as nodes of captured graphs, on the look-alike: the bits of eager calls, and who may leave when."""

import threading

import numpy as np
import pytest

import gpunn
from gpunn.cuda.graph import Graph
from gpunn.cuda.places import Place
from gpunn.errors import CaptureError
from tests import counting, cupy_streams
from tests.dist.nccl_ranks import on_gpus


@pytest.fixture(autouse=True)
def _emulator(look_alike):
    if not gpunn.is_available("emulator"):
        pytest.skip("the look-alike runs kernels on the emulator, which is not available (gpunn doctor says why)")


def buckets(group, xp):
    """Two ranks' worth of them."""
    rng = np.random.default_rng(group.rank)
    return [xp.asarray(rng.standard_normal(size).astype(np.float32)) for size in (7, 3000)]


def step(group, given, ordered=None):
    """Sums of both buckets, which go on while the second is computed."""
    first = group.all_reduce(given[0], ordered=ordered)
    given[1] += given[1]
    second = group.all_reduce(given[1], ordered=ordered)
    first.wait()
    given[0] *= np.float32(0.5)
    second.wait()
    return {}


@pytest.mark.parametrize("ordered", [False, True])
def test_replays_have_the_bits_of_eager_calls(ordered, look_alike):
    def run(group):
        eager, given = buckets(group, look_alike), buckets(group, look_alike)
        place = Place(group.rank)
        for _ in range(2):
            step(group, eager, ordered)
        place.measured(step, group, given, ordered)
        graph = place.inside(Graph, place, lambda: step(group, given, ordered), {})
        place.inside(graph.replay, 1)
        group.barrier()
        return counting.graph_nodes(graph._graph), [a.get() for a in eager], [a.get() for a in given]

    for nodes, eager, given in on_gpus(2, run):
        assert [node for node in nodes if node.startswith("nccl")] == ["ncclGroup" if ordered else "ncclAllReduce"] * (
            4 if ordered else 2
        )
        for a, b in zip(eager, given, strict=True):
            assert a.tobytes() == b.tobytes()


def test_a_communicator_that_a_graph_holds_is_left_alone(look_alike):
    """NCCL would wait until the graph is gone, on all ranks; the graph is not replayed again."""

    def run(group):
        given, place, comm = buckets(group, look_alike), Place(group.rank), group.comm
        place.measured(step, group, given)
        graph = place.inside(Graph, place, lambda: step(group, given), {})
        assert graph.stands()
        graph = graph if group.rank == 0 else None
        group.close()
        assert comm.comm and (graph is None or not graph.stands())

    on_gpus(2, run)


def test_one_that_no_graph_holds_any_more_is_destroyed(look_alike):
    def run(group):
        given, place, comm = buckets(group, look_alike), Place(group.rank), group.comm
        place.measured(step, group, given)
        graph = place.inside(Graph, place, lambda: step(group, given), {})
        del graph
        group.close()
        return comm.comm

    assert on_gpus(2, run) == [0, 0]


def test_a_programs_own_capture(look_alike):
    """By hand, in a stream of its own; nobody can ask whether its graph lives, so that the communicator is left."""

    def run(group):
        a, stream, comm = look_alike.full((4,), 2.0, np.float32), look_alike.cuda.Stream(non_blocking=True), group.comm
        group.all_reduce(a).wait()
        with stream:
            stream.begin_capture()
            group.all_reduce(a).wait()
            graph = stream.end_capture()
            graph.launch()
        group.close()
        return a.get().tolist(), comm.comm != 0

    assert on_gpus(2, run) == [([8.0] * 4, True)] * 2


def test_without_a_wait_the_capture_fails(look_alike):
    """The communication stream is not joined again: CUDA's own words."""

    def run(group):
        a, place = look_alike.ones(4, np.float32), Place(group.rank)
        with pytest.raises(RuntimeError, match="unjoined work"):
            place.inside(Graph, place, lambda: group.all_reduce(a) is None or {}, {})
        group.all_reduce(a).wait()  # the stream is usable
        return a.get().tolist()

    assert on_gpus(2, run) == [[2.0] * 4] * 2


def test_a_barrier_is_no_part_of_a_graph(look_alike):
    def run(group):
        place = Place(group.rank)
        with pytest.raises(CaptureError, match="barrier waits on the host"):
            place.inside(Graph, place, lambda: group.barrier() or {}, {})

    on_gpus(1, run)


def test_the_watch_looks_at_streams_that_replay(look_alike):
    def run(group):
        given, place = buckets(group, look_alike), Place(0)
        place.measured(step, group, given)
        graph = place.inside(Graph, place, lambda: step(group, given), {})
        watch = group._watch
        watch.stop()
        found = [watch._moves()]
        for stream in (group.stream, place.stream):
            cupy_streams.busy[stream.ptr] = threading.Event()
            found += [watch._moves(), watch._moves()]
            del cupy_streams.busy[stream.ptr]
            found += [watch._moves()]
        del graph
        return found

    assert on_gpus(1, run) == [[True, *[True, False, True] * 2]]
