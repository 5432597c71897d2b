"""The layers and directions of a recurrent network on plain arrays: what recurrent.py records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gpunn.backend import Array, twins
from gpunn.ops.dropout import taken
from gpunn.ops.joining import concatenate, stack
from gpunn.ops.recurrent_checks import without_padding

Five = tuple[Array, Array, Array | None, Array | None, Array | None]  # w_ih, w_hh, b_ih, b_hh, w_hr


class Job(NamedTuple):
    """What is to be run: op and PyTorch's mode, directions, dropout's probability, lengths (N,) int32 or None."""

    op: str
    mode: str
    directions: int
    p: float
    lengths: Array | None


class Pass(NamedTuple):
    """What backward takes of one layer in one direction."""

    x: Array
    states: Array
    gates: Array | None
    extra: Array | None
    w_ih: Array
    w_hh: Array
    w_hr: Array | None


class Reserve(NamedTuple):
    """What the forward pass keeps: a Pass for each layer and direction, and the gradients of dropout by layer."""

    job: Job
    passes: list[Pass]
    undo: list[Callable[[Array], Array] | None]


class States(NamedTuple):
    """The states (layers * directions, N, H) of all passes, or their gradients; a cell is an LSTM's."""

    h: Array | None
    c: Array | None


def run(job: Job, x: Array, first: States, weights: Sequence[Five], wanted: bool) -> tuple[Array, States, Reserve]:
    """y (L, N, directions * P) of x (L, N, I), the states at each sequence's end, and what backward takes."""
    twin, passes, hs, cs = twins(x).recurrent, [], [], []
    undo: list[Callable[[Array], Array] | None] = []
    x = without_padding(x, job.lengths)
    for layer in range(len(weights) // job.directions):
        undo.append(None)
        if layer and job.p:
            x, undo[layer] = twins(x).dropout.drop(x, x.shape, job.p, taken(job.op, x, x.size))
        ys = []
        for d in range(job.directions):
            k = layer * job.directions + d
            h0, c0 = (None if a is None else a[k] for a in first)
            w_ih, w_hh, b_ih, b_hh, w_hr = weights[k]
            y, h, c, states, gates, extra = twin.forward(
                job.mode, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, job.lengths, d == 1, wanted
            )
            ys.append(y)
            hs.append(h)
            cs.append(c)
            if wanted:
                passes.append(Pass(x, states, gates, extra, w_ih, w_hh, w_hr))
        x = ys[0] if len(ys) == 1 else concatenate(ys, -1)
    last = States(stack(hs), stack(cs) if job.mode == "LSTM" else None)
    return x, last, Reserve(job, passes, undo)


def back(
    reserve: Reserve, gy: Array | None, last: States, of_x: bool, of_first: bool, of_weights: Sequence[tuple[bool, ...]]
) -> tuple[Array | None, States, list[tuple[Array | None, ...]]]:
    """The gradients of x, of the first states and of each pass's weights, where asked for."""
    job, passes = reserve.job, reserve.passes
    D, P = job.directions, passes[0].w_hh.shape[1]
    gweights: list[tuple[Array | None, ...]] = [(None,) * 5] * len(passes)
    hs: list[Any] = [None] * len(passes)
    cs, gx = hs.copy(), gy
    for layer in reversed(range(len(passes) // D)):
        above, gx = gx, None
        below = of_x if not layer else of_x or of_first or any(map(any, of_weights[: layer * D]))
        for d in range(D):
            k = layer * D + d
            gy = above if above is None or D == 1 else above[..., d * P : (d + 1) * P]
            gh, gc = (None if a is None else a[k] for a in last)
            needs = (below, of_first, *of_weights[k])
            part, hs[k], cs[k], *gweights_k = _pass_back(job, passes[k], gy, gh, gc, d == 1, needs)
            gweights[k] = tuple(gweights_k)
            if gx is None:
                gx = part
            elif part is not None:
                twins(gx).elementwise.add_into(gx, part)
        undo = reserve.undo[layer]
        gx = gx if gx is None or undo is None else undo(gx)
        if not below:
            break
    first = States(stack(hs), stack(cs) if job.mode == "LSTM" else None) if of_first else States(None, None)
    return gx, first, gweights


def _pass_back(
    job: Job, one: Pass, gy: Array | None, gh: Array | None, gc: Array | None, reverse: bool, needs: tuple[bool, ...]
) -> tuple[Array | None, ...]:
    kept, weights = (one.states, one.gates, one.extra), (one.w_ih, one.w_hh, one.w_hr)
    return twins(one.x).recurrent.backward(job.mode, one.x, gy, gh, gc, *kept, *weights, job.lengths, reverse, needs)
