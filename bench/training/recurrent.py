"""The suite `recurrent`: layers of Elman, LSTM and GRU over whole sequences, forward and with their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import gpunn
from bench.clocks import Call, ProcessorClock, WallClock
from bench.kernels.oracle import Part, judge
from bench.measure import Plan, Unsupported, chosen, refused, timed, within_memory
from bench.rows import Row
from gpunn import Tensor, backend, ops
from gpunn.errors import UsageError

RIVALS, ROOF = ("torch",), False
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
PASSES = [f"{kind}_{what}" for kind in GATES for what in ("forward", "train")]  # train: forward and gradients
WITHIN = 1e-3  # of the largest: how far PyTorch's numbers may lie from ours


@dataclass(frozen=True)
class Shape:
    """N sequences of L steps of I features, to H hidden units."""

    N: int
    L: int
    I: int  # noqa: E741
    H: int

    def flops(self, gates: int, trained: bool) -> float:
        """Those of the products. Gradients are of the weights and of each state, not of x, which is data."""
        product = 2.0 * self.N * self.L * gates * self.H
        return product * (self.I + self.H) * (2 if trained else 1) + product * self.H * trained


CASES = {
    "mnist rows 128x28x128": Shape(128, 28, 28, 128),
    "64x32x128 to 256": Shape(64, 32, 128, 256),
    "64x100x512": Shape(64, 100, 512, 512),
}


def choose(plan: Plan) -> None:
    if plan.kind == "emulator":
        raise UsageError("recurrent: its sequences would take the emulator hours; choose --device cpu or cuda")
    if plan.args.precision not in (None, "fp32") or plan.args.batch:
        raise UsageError("recurrent: cases are float32 of one batch size; leave --precision and --batch away")
    plan.cases = chosen("case of recurrent", plan.args.cases, list(CASES))
    plan.passes = chosen("pass of recurrent", plan.args.passes, PASSES)


def rows(plan: Plan) -> Iterator[Row]:
    """A row a case and pass."""
    if plan.kind == "cuda":
        plan.clock = WallClock()
    elif plan.args.threads == 1:
        plan.clock = ProcessorClock()
    for case in plan.cases:
        shape = CASES[case]
        what = f"{shape.N}x{shape.L}x{shape.I} to {shape.H}"
        for pass_ in plan.passes:
            kind, _, how = pass_.partition("_")
            row = Row("recurrent", case, f"recurrent.{pass_}", shape=what)
            row.flops = shape.flops(GATES[kind], how == "train")
            yield from within_memory(_row(row, kind, how == "train", plan), row, what)


def _row(row: Row, kind: str, trained: bool, plan: Plan) -> Iterator[Row]:
    """The row: verified against the same layer in float64, then timed."""
    shape = CASES[row.case]
    arrays = _arrays(shape, GATES[kind], plan.args.seed)
    step = _ours(kind, trained, [backend.to_device(a, plan.device) for a in arrays])
    found = step()
    wants = [backend.to_numpy(a) for a in _ours(kind, trained, [a.astype(np.float64) for a in arrays])()]
    terms = float(shape.L * (shape.I + shape.H) * (shape.N if trained else 1))
    worst, wrong = judge(tuple(found), Part(tuple([(want, terms, None) for want in wants])))
    if wrong:
        yield refused(row, wrong, "failed")
        return
    row.verified = {"worst": worst, "whole": True}
    yield timed(row, step, plan.calls(lambda _: _torch(kind, trained, arrays, wants, plan.device)), plan)


def _arrays(shape: Shape, gates: int, seed: int) -> list[np.ndarray]:
    """x (L, N, I), the gradient of y (L, N, H), w_ih, w_hh, b_ih, b_hh: weights as PyTorch begins with."""
    N, L, I, H = shape.N, shape.L, shape.I, shape.H  # noqa: E741
    rng, bound = np.random.default_rng(seed), H**-0.5
    weights = [rng.uniform(-bound, bound, s) for s in ((gates * H, I), (gates * H, H), (gates * H,), (gates * H,))]
    found = [rng.standard_normal((L, N, I)), rng.standard_normal((L, N, H)), *weights]
    return [a.astype(np.float32) for a in found]


def _ours(kind: str, trained: bool, arrays: list[Any]) -> Callable[[], list[Any]]:
    """A call that gives y, and trained the gradients of the weights."""
    x, gy, *weights = arrays
    op, leaves = {"rnn": ops.rnn, "lstm": ops.lstm, "gru": ops.gru}[kind], [Tensor(w, trained) for w in weights]

    def step() -> list[Any]:
        with gpunn.enable_grad() if trained else gpunn.no_grad():
            y = op(Tensor(x), None, [tuple(leaves)])[0]
        if not trained:
            return [y.array]
        for leaf in leaves:
            leaf.grad = None
        y.backward(gy)
        return [y.array, *[leaf.gradient for leaf in leaves]]

    return step


def _torch(kind: str, trained: bool, arrays: list[np.ndarray], wants: list[np.ndarray], device: str) -> Call:
    """PyTorch's module of the same weights, whose results must be these. Raises Unsupported where they are others."""
    import torch

    x, gy, *weights = [torch.tensor(a).to(device) for a in arrays]
    layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](x.shape[2], gy.shape[2]).to(device)
    for parameter, value in zip(layer.parameters(), weights, strict=True):
        parameter.data.copy_(value)  # in place: cuDNN's weights lie in one piece

    def step() -> list[Any]:
        with torch.set_grad_enabled(trained):
            y = layer(x)[0]
        if not trained:
            return [y]
        layer.zero_grad(set_to_none=True)
        y.backward(gy)
        return [y, *[p.grad for p in layer.parameters()]]

    for got, want in zip(step(), wants, strict=True):
        error = np.abs(got.detach().cpu().numpy() - want).max()
        if not error <= WITHIN * np.abs(want).max():
            raise Unsupported(f"its numbers are others, by {error:.2g}")
    return step
