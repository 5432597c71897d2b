"""The suite `kernels`: every kernel call of a training step alone, and the time that a step loses to it.

A step is run, and of each of its calls the operands are kept; then each call of one signature is timed on them, with
L2 overwritten before. Lost is what its calls of a step take over their floor: the bytes and FLOP of the operation, as
the kernels' headers have them, at the rates measured when the run starts. Predicted is what the model of
gpunn/verify/occupancy.py, which knows float32 alone, says of an H200. Optimisers have a suite of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench.measure import Plan as Asked
from bench.measure import chosen, refused, timed
from bench.rows import Row
from bench.training.networks import Network, our_model, our_step
from bench.training.step import GPU_BATCH
from gpunn import models
from gpunn.cuda import source
from gpunn.cuda.plans import Plan
from gpunn.cuda.variants import OPERATIONS, Variant
from gpunn.errors import UsageError
from gpunn.verify import occupancy
from gpunn.window import size_text

RIVALS, ROOF = (), True
PRECISIONS = ["fp32", "tf32", "bf16", "fp16"]
PEAKS = {"3xtf32": ("tf32", 3)}  # of variants that are of no precision themselves: whose peak, in so many products
WARM = 2  # steps before the one that is looked at
Calls = list[tuple[Plan, tuple, int]]  # a plan, its operands, how often a step calls it


def choose(plan: Asked) -> None:
    if plan.kind != "cuda":
        raise UsageError(f"kernels: on {plan.kind} no kernel's time says anything of a card; choose --device cuda")
    names = chosen("case of kernels", plan.args.cases or "resnet20,resnet50", models.names("classification"))
    wanted = chosen("precision of kernels", plan.args.precision or "fp32", PRECISIONS)
    for name in names:
        batch = plan.args.batch or GPU_BATCH.get(name, 64)
        plan.cases += [(Network(name, (batch, *models.input_shape(name))), precision) for precision in wanted]
    plan.precisions = list(dict.fromkeys(["fp32", "tf32", *wanted]))  # whose peaks variants may have


def rows(plan: Asked) -> Iterator[Row]:
    """A row a call of one signature, in the order of a step."""
    for network, precision in plan.cases:
        for kept, operands, count in calls(network, precision, plan):
            yield _row(network, precision, kept, operands, count, plan)


def calls(network: Network, precision: str, plan: Asked) -> Calls:
    """The calls of one training step, each signature once, with the operands of its first call."""
    seed = plan.args.seed
    step = our_step(network, our_model(network, seed).to(plan.device), seed, plan.device, precision=precision)
    for _ in range(WARM):
        step()
    with recorded() as made:
        step()
    found: dict[int, tuple[Plan, tuple, int]] = {}
    for kept, operands in made:
        first = found.get(id(kept), (kept, operands, 0))
        found[id(kept)] = (*first[:2], first[2] + 1)
    return [one for one in found.values() if one[0].call is not None and one[0].call.variant in named(one[0])]


@contextmanager
def recorded() -> Iterator[list[tuple[Plan, tuple]]]:
    """Every call of a plan inside the block, with its operands."""
    run, made = Plan._run, []

    def noted(self: Plan, operands: tuple) -> Any:
        made.append((self, operands))
        return run(self, operands)

    Plan._run = noted
    try:
        yield made
    finally:
        Plan._run = run


def named(kept: Plan) -> dict[str, Variant]:
    """The variants of a plan's operation by name."""
    return {one.name: one for one in OPERATIONS[kept.call.operation].variants} if kept.call else {}


def _row(network: Network, precision: str, kept: Plan, operands: tuple, count: int, plan: Asked) -> Row:
    call = kept.call
    assert call is not None
    variant, problem = named(kept)[call.variant], call.problem
    shape = f"{count} a step of batch {size_text(network.batch)}"
    row = Row("kernels", f"{network.name} {problem}", call.operation, call.variant, precision, shape, calls=count)
    row.flops, row.bytes = cost(kept)
    peak, products = PEAKS.get(variant.precision, (variant.precision, 1))
    asked = replace(row, precision=peak, flops=None if row.flops is None else row.flops * products)
    try:
        asked = timed(asked, lambda: kept(*operands), {}, plan)
    except Exception as error:  # a kernel that faults fails its row and not the run
        return refused(row, error, "failed")
    row = replace(asked, precision=precision, flops=row.flops, predicted_seconds=predicted(variant, problem))
    if row.roofline is not None and row.seconds is not None:
        row.lost_seconds = count * row.seconds.median * max(0.0, 1 - row.roofline)
    return row


def cost(kept: Plan) -> tuple[float | None, float | None]:
    """FLOP and bytes that the operation needs at least: those of the variant that takes everything."""
    assert kept.call is not None
    found = []
    for name in OPERATIONS[kept.call.operation].variants[-1].sources:
        try:
            found.append([source.read(name).formula(key, kept.call.problem.letters) for key in ("flops", "bytes")])
        except NameError:  # the formula of scratch memory, which needs more than the shape
            continue
    return (sum(one[0] for one in found), sum(one[1] for one in found)) if found else (None, None)


def predicted(variant: Variant, problem: Any) -> float | None:
    """Seconds by the model of an H200; None of what it does not know."""
    try:
        return occupancy.seconds(variant.plan(problem), problem)
    except (KeyError, NameError, AssertionError, ZeroDivisionError):
        return None
