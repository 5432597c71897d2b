"""NcclGroup on the look-alike of NCCL: ranks as threads, eager and in captured graphs."""

import threading
import time
from contextlib import suppress

import numpy as np
import pytest

import gpunn
from gpunn import dist
from gpunn.asked import dtype_of
from gpunn.ranks import nccl_watch
from gpunn.ranks.nccl import NcclGroup
from gpunn.ranks.nccl_joining import gpu_for
from tests.cupy_device import Device
from tests.dist.nccl_ranks import on_gpus
from tests.thinned import one_in

pytestmark = [
    pytest.mark.usefixtures("look_alike"),
    pytest.mark.skipif(not gpunn.is_available("emulator"), reason="the look-alike runs kernels on the emulator"),
]
TYPES = one_in(
    3, ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int32", "uint32", "int64", "uint64", "int16"]
)


def numbers(rank, dtype, shape=(3, 5)):
    kind = dtype_of("bf16") if dtype == "bfloat16" else np.dtype(dtype)
    rng = np.random.default_rng(rank)
    floats = rng.standard_normal(shape)
    return (floats if kind.kind in "fV" else rng.integers(0, 5, shape)).astype(kind)


def in_order(parts, op):
    total = parts[0].copy()
    for part in parts[1:]:
        total = {"sum": np.add, "avg": np.add, "prod": np.multiply, "min": np.minimum, "max": np.maximum}[op](
            total, part
        )
    return (total / len(parts)).astype(total.dtype) if op == "avg" else total


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_is_combined_in_rank_order(dtype, look_alike):
    ops = ["sum", "prod", "min", "max"] + (["avg"] if "float" in dtype else [])

    def run(group):
        found = []
        for op in ops:
            a, out = look_alike.asarray(numbers(group.rank, dtype)), look_alike.empty((5,), numbers(0, dtype).dtype)
            group.all_reduce(a, op, ordered=True).wait()
            rows = look_alike.asarray(numbers(group.rank, dtype))
            group.reduce_scatter(out, rows, op, ordered=True).wait()
            found.append((a.get(), out.get()))
        return found

    parts = [numbers(rank, dtype) for rank in range(3)]
    for rank, found in enumerate(on_gpus(3, run)):
        for op, (whole, mine) in zip(ops, found, strict=True):
            want = in_order(parts, op)
            assert whole.tobytes() == want.tobytes() and mine.tobytes() == want[rank].tobytes(), (op, rank)


def test_nccls_own_order_is_the_default_and_another(look_alike):
    def run(group):
        a = look_alike.asarray(np.array([1e8, -1e8, 1.0][group.rank : group.rank + 1], np.float32))
        b = a.copy()
        group.all_reduce(a).wait()
        group.all_reduce(b, ordered=True).wait()
        return a.item(), b.item()

    assert on_gpus(3, run) == [(0.0, 1.0)] * 3  # the look-alike's, from the last; ours


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_any_number_of_elements(size, look_alike):
    """Fewer than there are ranks, so that some have no share, and none."""

    def run(group):
        a = look_alike.asarray(np.arange(size, dtype=np.float32) + group.rank)
        rows, out = look_alike.empty((3, size), np.float32), look_alike.empty((size,), np.float32)
        works = [group.all_reduce(a.copy()), group.all_gather(rows, a)]
        for work in works:
            work.wait()
        group.reduce_scatter(out, rows, "max", ordered=True).wait()
        group.all_reduce(a, ordered=True).wait()
        group.broadcast(a, 2).wait()
        return a.get(), rows.get(), out.get()

    first = np.arange(size, dtype=np.float32)
    for rank, (a, rows, out) in enumerate(on_gpus(3, run)):
        np.testing.assert_array_equal(a, 3 * first + 3)
        np.testing.assert_array_equal(rows, [first, first + 1, first + 2])
        np.testing.assert_array_equal(out, first + rank)


def test_a_nan_is_neither_the_least_nor_lost(look_alike):
    def run(group):
        a = look_alike.asarray(np.array([np.nan if group.rank == 1 else 2.0, np.inf, 1.0], np.float32))
        least = a.copy()
        group.all_reduce(a, "max").wait()
        group.all_reduce(least, "min").wait()
        return a.get(), least.get()

    for most, least in on_gpus(3, run):
        np.testing.assert_array_equal([most, least], [[np.nan, np.inf, 1.0]] * 2)


def test_the_public_functions_take_views_tensors_and_numbers(look_alike):
    def run(group):
        whole = look_alike.zeros((6, 4), np.float32)
        view = whole[::2, 1:3]
        view[...] = group.rank + 1
        dist.all_reduce(view)
        number, rows = look_alike.asarray(np.float32(group.rank)), [look_alike.empty((), np.float32) for _ in range(2)]
        dist.all_gather(rows, number)
        flag = look_alike.asarray(np.array([group.rank == 1]))
        dist.broadcast(flag, src=1)
        dist.barrier()
        return whole.get(), [row.item() for row in rows], flag.item()

    for whole, rows, flag in on_gpus(2, run):
        assert (whole[::2, 1:3] == 3).all() and whole.sum() == 18 and rows == [0, 1] and flag is True


def test_what_is_refused(look_alike):
    def run(group):
        a = look_alike.zeros((4, 4), np.float32)
        with pytest.raises(ValueError, match=r"all_reduce: got an array on cuda:. that is not contiguous, expected"):
            group.all_reduce(a[:, ::2])
        with pytest.raises(
            ValueError, match=rf"broadcast: got an array on cpu, expected a contiguous one on cuda:{group.rank}"
        ):
            group.broadcast(np.zeros(3))
        with pytest.raises(gpunn.DistError, match="the array is on cpu, but the ranks talk by NCCL"):
            dist.all_reduce(np.zeros(3))
        with look_alike.cuda.Device(1 - group.rank):
            other = look_alike.zeros(3)
        with pytest.raises(
            ValueError, match=f"on cuda:{1 - group.rank}, expected a contiguous one on cuda:{group.rank}"
        ):
            group.all_reduce(other)

    on_gpus(2, run)


def test_nccls_errors_of_a_call_and_of_the_network(look_alike, monkeypatch, capfd):
    codes = []
    monkeypatch.setattr(nccl_watch.os, "_exit", lambda code: codes.append(code))
    monkeypatch.setattr(nccl_watch, "PAUSE", 0.05)

    def run(group):
        with pytest.raises(
            gpunn.DistError, match=r"dist: broadcast number \d: NCCL failed on rank 0, NCCL_ERROR_INVALID_ARG"
        ):
            group.broadcast(look_alike.ones(2), src=3)
        group.comm._world.fail()
        while not codes:
            time.sleep(0.02)
        return group.client.ended

    ((ended,),) = on_gpus(1, run)
    assert codes == [1] and ended[0] == 1
    assert capfd.readouterr().err.strip() == ended[1]
    assert "NCCL failed on rank 0, NCCL_ERROR_REMOTE_ERROR: remote process exited or there was" in ended[1]


def test_debug_names_who_calls_for_something_else(look_alike, monkeypatch):
    monkeypatch.setenv("GPUNN_DIST_DEBUG", "1")

    def run(group):
        with pytest.raises(
            gpunn.DistError, match=r"number \d differs: rank 1: all_reduce of float32 \(3,\) sum; the others"
        ):
            group.all_reduce(look_alike.ones(3 if group.rank == 1 else 2, np.float32))

    on_gpus(3, run)


# ---------------------------------------------------------------- joining and leaving
def test_more_ranks_than_gpus(look_alike, monkeypatch):
    assert [gpu_for(rank, 2) for rank in range(2)] == [0, 1]
    with pytest.raises(
        gpunn.DistError, match=r"4 ranks on host .*, which has 2 GPUs, .* gpunn launch -n 2, or train on cpu"
    ):
        gpu_for(2, 4)
    monkeypatch.setattr(look_alike.cuda.runtime, "getDeviceCount", lambda: 1)
    assert gpu_for(1, 2) == 0  # each may see one of its own
    with pytest.raises(
        gpunn.DistError, match=r"ranks 0 and 1 on .* both have its GPU 0000:00:00.0, expected a GPU for each"
    ):
        on_gpus(2, lambda group: None, devices=[0, 0])


def test_two_versions_of_nccl(look_alike, monkeypatch):
    monkeypatch.setattr(look_alike.cuda.nccl, "get_version", lambda: 23203 - Device.now())
    with pytest.raises(
        gpunn.DistError, match=r"rank 1 on .* has NCCL 23202, rank 0 on .* has 23203, expected one version"
    ):
        on_gpus(2, lambda group: None)


def test_without_nccl(look_alike, monkeypatch):
    monkeypatch.setattr(look_alike.cuda.nccl, "available", False)
    with pytest.raises(gpunn.DeviceError, match=r'NCCL.*pip install "gpunn\[nccl\]"'):
        NcclGroup(0, 1, 0)


def test_nccls_errors_are_said_in_words(look_alike, monkeypatch):
    nccl = look_alike.cuda.nccl

    class Broken(nccl.NcclCommunicator):
        def __init__(self, *args):
            raise nccl.NcclError(1)

    monkeypatch.setattr(nccl, "NcclCommunicator", Broken)
    with pytest.raises(
        gpunn.DistError, match=r"dist.init: NCCL failed on rank 0, NCCL_ERROR_UNHANDLED_CUDA_ERROR.*NCCL_DEBUG"
    ):
        NcclGroup(0, 1, 0)


def test_ranks_that_find_no_way(look_alike, monkeypatch):
    monkeypatch.setattr(look_alike.cuda.nccl, "NcclCommunicator", lambda *args: threading.Event().wait(5))
    with pytest.raises(
        gpunn.DistError, match=r"all 1 ranks are here, but NCCL finds no way .* in 0.1 s; .*NCCL_SOCKET_IFNAME"
    ):
        NcclGroup(0, 1, 0, timeout=0.1)


def test_those_who_have_left_are_gone(look_alike):
    def run(group):
        group.all_reduce(look_alike.ones(2)).wait()
        group.close()
        group.close()
        with pytest.raises(gpunn.DistError, match=r"the ranks have parted; call dist.init\(\) again"):
            group.all_reduce(look_alike.ones(2))

    on_gpus(2, run)


def test_standing_still_ends_the_run(look_alike, monkeypatch, capfd):
    """Rank 1 does not come. What waits for it is a thread: the look-alike's calls wait where NCCL's are queued."""
    codes = []
    monkeypatch.setattr(nccl_watch.os, "_exit", lambda code: codes.append(code))

    def run(group):
        assert group._watch._moves() and group._watch._moves()
        if group.rank == 0:
            group.timeout = 0.3
            waiting = threading.Thread(target=comes_alone, args=(group,))
            waiting.start()
            while not codes:
                time.sleep(0.02)
            group.comm.abort()
            waiting.join()
        return group.client.ended

    def comes_alone(group):
        with suppress(AssertionError):
            group.all_reduce(look_alike.ones(2))

    monkeypatch.setattr(nccl_watch, "PAUSE", 0.05)
    ended, none = on_gpus(2, run)
    assert not none and codes == [1]
    assert "rank 0 has waited 0.3 s in all_reduce number 2; rank 1: all_reduce number 1" in ended[0][1]
    assert capfd.readouterr().err.strip() == ended[0][1]
