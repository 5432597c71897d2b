"""`python -m bench cpu --layers`: single layers beside PyTorch's on the CPU, forward alone and with backward.

Values and gradients from the same weights and inputs are compared first; what differs is not timed. With --threads 1
seconds are the processor's: what else the machine does is hardly in them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

import gpunn
from bench import machine
from bench.clocks import Call, Clock, ProcessorClock
from bench.measure import Plan, timed
from bench.output import means, results
from bench.output.columns import aligned
from bench.output.layered import COLUMNS as TABLE
from bench.output.layered import Layered, layered
from bench.rows import Row
from bench.training.layer_cases import LAYERS, Layer
from gpunn.errors import UsageError

CLOSE = 5e-3  # of the norm: rounding turns a ReLU here and there on or off, of half a million 1e-3
SECONDS = 0.5  # a row, at most


class Side:
    """A layer in one library, with its inputs and the gradient of its output."""

    def __init__(self, lib: Any, layer: Layer, seed: int):
        self.layer = layer.make(lib)
        self.module: Any = self.layer if isinstance(self.layer, lib.nn.Module) else None
        self.inputs = [lib.tensor(a) for a in layer.arrays(seed)]
        for x in self.inputs[: layer.learned]:
            x.requires_grad = True
        self.no_grad, self.learned = lib.no_grad, self.inputs[: layer.learned]
        with lib.no_grad():
            shape = tuple(self.layer(*self.inputs).shape)
        self.gy = lib.tensor(np.random.default_rng(seed + 1).standard_normal(shape).astype(np.float32))

    def forward(self) -> Any:
        with self.no_grad():
            return self.layer(*self.inputs)

    def train(self) -> Any:
        for p in self.parameters():
            p.grad = None
        y = self.layer(*self.inputs)
        y.backward(self.gy)
        return y

    def parameters(self) -> list[Any]:
        return self.learned + (list(self.module.parameters()) if self.module else [])

    def found(self) -> list[np.ndarray]:
        """The output and all gradients."""
        y = self.train()
        return [np.asarray(t.detach()) for t in (y, *(p.grad for p in self.parameters()))]


def run(args: argparse.Namespace) -> int:
    """Measure, print, write; 1 where a layer's values or gradients are not PyTorch's."""
    plan = Plan(args, "cpu", clock=ProcessorClock() if args.threads == 1 else Clock())
    args.budget = SECONDS if args.budget is None else args.budget
    wanted = [one for one in LAYERS if not args.layers or any(one.name.startswith(name) for name in args.layers)]
    if not wanted:
        raise UsageError(
            f"no layer begins with {', '.join(args.layers)}; there are {', '.join(o.name for o in LAYERS)}"
        )
    found = results.begin("layers", "cpu", args.threads, args.seed)
    print(results.where(found), f"\n\n{aligned(TABLE)}")
    for layer in wanted:
        rows = list(_measured(layer, plan))
        found["rows"] += rows
        failed = [row.reason for row in rows if row.status == "failed"]
        print(f"{layer.name}: FAILED: {failed[0]}" if failed else aligned(TABLE, Layered(*rows)), flush=True)
    found["means"] = means.of(found["rows"])
    print("", *means.lines(found["means"]), *_slow(found["rows"]), sep="\n")
    if args.json:
        results.save(found, args.json)
    return int(any(row.status == "failed" for row in found["rows"]))


def _measured(layer: Layer, plan: Plan) -> Iterator[Row]:
    """The rows of forward and of forward with backward."""
    torch, seed = machine.torch_or_none(), plan.args.seed
    sides = [Side(lib, layer, seed) for lib in (gpunn, torch) if lib]
    if torch and sides[0].module:
        weights = {name: value.numpy() for name, value in sides[1].module.state_dict().items()}
        sides[0].module.load_state_dict(weights)
    wrong = _difference(layer, sides)
    for name in ("forward", "train"):
        row = Row("layers", layer.name, f"layers.{name}", "numpy", shape=layer.shapes)
        if wrong:
            row.status, row.reason = "failed", wrong
            yield row
            return
        calls: list[Call] = [getattr(side, name) for side in sides]
        yield timed(row, calls[0], dict(zip(("torch",), calls[1:], strict=False)), plan)


def _difference(layer: Layer, sides: list[Side]) -> str:
    """In words what of the two sides differs; "" where nothing does."""
    if layer.random:
        for side in sides:
            side.module.eval()
    ours, theirs = (side.found() for side in (sides[0], sides[-1]))
    for side in sides if layer.random else ():
        side.module.train()
    for n, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        off = np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30) if a.shape == b.shape else np.inf
        if not off < CLOSE:
            return f"{f'gradient {n}' if n else 'the output'} is {off:.1e} of its norm off PyTorch's"
    return ""


def _slow(rows: list[Row]) -> Iterator[str]:
    """Which layers take more than 2.5 and 1.3 times PyTorch's time, the slowest first."""
    pairs = [(pair.worst, pair.case) for pair in layered(rows) if pair.worst]
    for low, high in ((2.5, np.inf), (1.3, 2.5)):
        names = [f"{name} {ratio:.2f}" for ratio, name in sorted(pairs, reverse=True) if low < ratio <= high]
        yield f"above {low} times PyTorch's time: {', '.join(names) or 'none'}"
