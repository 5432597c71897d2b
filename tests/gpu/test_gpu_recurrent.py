"""Recurrent layers on the card: all steps in one launch at their full size, beside a product a step and the cpu."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.cuda.device import multiprocessors
from gpunn.cuda.variants import tracing, use_variant
from gpunn.reference.close import assert_close

pytestmark = pytest.mark.gpu

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
SIZES = {"every block at once": (12, 64, 512), "several tiles a block": (5, 250, 500), "few samples": (12, 3, 264)}


def layer(op, sizes, device, lengths=False):
    """The results and all gradients of one layer, on the host."""
    L, N, H = sizes
    rng, rows = np.random.default_rng(0), GATES[op] * H
    arrays = [rng.standard_normal((L, N, H))]
    arrays += [rng.uniform(-(H**-0.5), H**-0.5, s) for s in ((rows, H), (rows, H), (rows,), (rows,))]
    x, *weights = [
        Tensor(gpunn.to_device(a.astype(np.float64 if device == "cpu" else np.float32), device), requires_grad=True)
        for a in arrays
    ]
    given = {"lengths": gpunn.to_device(rng.integers(1, L + 1, N), device)} if lengths else {}
    y, last = getattr(ops, op)(x, None, [weights], **given)
    h_n = last[0] if op == "lstm" else last
    ops.add(ops.sum(ops.mul(y, y)), ops.sum(h_n)).backward()
    return [gpunn.to_numpy(a) for a in (y.array, h_n.array, *(t.gradient for t in (x, *weights)))]


@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "lengths"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("op", GATES)
def test_all_steps_in_one_launch_are_the_cpus_and_the_same_each_time(op, sizes, lengths):
    if multiprocessors(0) < 128:
        pytest.skip(f"128 blocks wait for each other; this card has {multiprocessors(0)} multiprocessors")
    with tracing() as calls:
        found = layer(op, sizes, "cuda", lengths)
    ways = {call.operation: call.variant for call in calls}
    assert ways["recurrent.layer_forward"].startswith("persistent"), [c.why for c in calls if "layer" in c.operation]
    assert ways["recurrent.layer_backward"].startswith("persistent")
    for first, again in zip(found, layer(op, sizes, "cuda", lengths), strict=True):
        np.testing.assert_array_equal(first, again)
    with use_variant("recurrent.layer_forward", "steps"), use_variant("recurrent.layer_backward", "steps"):
        steps = layer(op, sizes, "cuda", lengths)
    terms = sizes[0] * sizes[1] * sizes[2]
    for ours, other, want in zip(found, steps, layer(op, sizes, "cpu", lengths), strict=True):
        assert_close(ours, want, terms)
        assert_close(other, want, terms)
