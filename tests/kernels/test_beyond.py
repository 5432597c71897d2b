"""Arrays past 2^31 elements: the emulator runs every case without their memory, a card those that it has room for."""

import os
import resource
from types import SimpleNamespace

import numpy as np
import pytest

from gpunn import verify
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify import beyond
from gpunn.verify.problems import problems
from gpunn.verify.run import check
from gpunn.verify.space import Space
from tests.kernels.turns import by_turns


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.usefixtures("emulator")
def test_every_variant_takes_arrays_past_2_31_elements_in_little_memory():
    """Some of operations of few variants; in CI all, the tiles of tensor cores and of conv3d by turns: their indices
    are one text."""
    before, rows, whole = resident(), {}, "CI" in os.environ
    tasks = list(beyond.beyond_tasks("emulator"))
    for task in tasks if whole else [t for t in tasks if len(OPERATIONS[t.operation].variants) == 1][::10]:
        kept, want = rows.setdefault(task.operation, {}), None
        every_tile = () if task.operation.startswith("conv3d") else ("fp32",)
        for variant in by_turns(OPERATIONS[task.operation].variants, task.case, every_tile):
            if variant.precision != "tf32":
                row = kept.setdefault(variant.name, verify.Row(task.operation, variant.name, "float16"))
                want = verify.check_variant(task, variant, row, want)
    assert not [row.failures for group in rows.values() for row in group.values() if row.failures]
    assert rows and resident() - before < 400 << 20
    if not whole:
        return
    # What steps through a table finds its tensor in one way, of which clamp and norm are two; no step is fed so much,
    # and no convolution takes such weights, folded or not; a filter's taps are sums over all blocks. Fused, a
    # convolution and a norm index as they do apart, a whole layer's steps as a step alone does, and halves as a whole.
    # Of more numbers than 2^18 the order is CuPy's. One grid stays below 2^31.
    assert set(OPERATIONS) - set(rows) == {
        "batch_norm.fold", "conv3d.grad_bias", "optim.sgd", "optim.adam", "optim.rmsprop", "optim.adadelta",
        "optim.adamax", "optim.asgd", "optim.rprop", "optim.scale", "optim.unscale", "optim.average",
        "optim.accumulate", "step.begin", "step.end", "conv_norm.train_forward", "conv_norm.grad_input",
        "batch_norm.apply_backward", "filter.grad_kernel", "recurrent.layer_forward", "recurrent.layer_backward",
        "sync_batch_norm.statistics", "sync_batch_norm.sums", "indexing.order", "grid_sample.base",
    }  # fmt: skip
    wrong = {}
    for name, group in rows.items():
        asked = [*problems(OPERATIONS[name], "float16")]
        asked = asked or [*problems(OPERATIONS[name], "float32")]  # of places, which have no floats, those of one type
        taking = {v.sources for v in OPERATIONS[name].variants if any(map(v.accepts, asked))}
        few = "batch_norm/forward", "batch_norm/backward"  # one launch, of what stays in the L2 cache
        taking = {sources for sources in taking if "/patch" not in sources[0] and sources[0] not in few}
        ran = {OPERATIONS[name].named(row.variant).sources for row in group.values() if row.ran}
        wrong |= {name: ran ^ taking} if ran != taking else {}
    assert not wrong


@pytest.mark.usefixtures("emulator")
def test_verify_runs_them_in_float16():
    pytest.importorskip("ml_dtypes")
    found = {dtype: verify.verify("emulator", verify.Wish("dropout", dtypes=(dtype,))) for dtype in STORAGE}
    seen = {dtype: sum(row.ran for row in rows) for dtype, rows in found.items()}
    of_dropout = [t for t in beyond.beyond_tasks("emulator") if t.operation == "dropout.drop"]
    assert len(of_dropout) == 2 and seen["float32"] == seen["bfloat16"] == seen["float64"]
    assert seen["float16"] == seen["float32"] + 3  # one of them takes both variants


def test_a_card_runs_those_that_it_has_room_for_and_says_so(look_alike, monkeypatch):
    pool = SimpleNamespace(free_bytes=lambda: 10**9)
    monkeypatch.setattr(look_alike.cuda.runtime, "memGetInfo", lambda: (5 * 10**9, 80 * 10**9), raising=False)
    monkeypatch.setattr(look_alike, "get_default_memory_pool", lambda: pool, raising=False)
    every = list(beyond.every(Space("cuda")))
    room = [task.case for task in beyond.beyond_tasks("cuda")]
    assert room == [one.name for one in every if one.gigabytes <= 6] and 0 < len(room) < len(every)
    words = beyond.left_out("cuda")
    assert words == (
        f"{len(every) - len(room)} cases past 2^31 elements left out: they take up to 30 GB, and 6 are free"
    )
    assert beyond.left_out("emulator") == ""


def test_a_card_runs_them_whole(look_alike):
    """Those of few elements: from the same arrays, with no block left out."""
    rows = {}
    for one in beyond.every(Space("cuda")):
        if one.gigabytes == 0:
            check(one.task(Space("cuda")), OPERATIONS[one.operation], rows.setdefault(one.operation, {}), "float16")
    assert len(rows) == 4 and not [row.failures for group in rows.values() for row in group.values() if row.failures]
    assert Space("cuda").zeros(2, 3, dtype=np.dtype(np.float32)).tolist() == [[0] * 3] * 2
